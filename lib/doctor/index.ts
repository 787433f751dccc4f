/**
 * Examines what the relay's index of names knows of a node.
 *
 * @module
 */

import { counted } from "../base/text.ts";
import type { RelayCalls } from "../uplink/relay_calls.ts";
import type { Findings } from "./check.ts";

/** Reports it, if the node runs and the relay keeps an index. */
export async function reportIndex(
  id: string,
  { calls, findings }: { calls: RelayCalls; findings: Findings },
): Promise<void> {
  const answer = await calls.request({ kind: "lookup", ids: [id] });
  const [node] = answer.kind === "looked" ? answer.nodes : [];
  if (node === undefined) {
    return findings.ok("index", "the relay keeps none: clients ask all nodes");
  }
  if (!node.listed) {
    return findings.ok("index", "the node is not running, so it has none");
  }
  const { fingerprints, seconds } = node;
  if (fingerprints !== undefined && seconds !== undefined) {
    return findings.ok(
      "index",
      `the relay has ${counted(fingerprints, "fingerprint")} of the node, ` +
        `the last of ${seconds} s ago`,
    );
  }
  findings.warn(
    "index",
    "the node is running, but the relay has no index of it: clients of a large relay ask it for every name",
    "look for index_refused in its log, or wait for its first scan",
  );
}
