/**
 * Answers how many fingerprints of a node the index has, and since when.
 *
 * @module
 */

import type { MessageOf } from "../protocol/messages.ts";
import type { RelayContext } from "./context.ts";

/** The answer about some nodes; empty if the relay keeps no index. */
export function lookUp(
  { ids }: MessageOf<"lookup">,
  { registry, names }: Pick<RelayContext, "registry" | "names">,
): MessageOf<"looked"> {
  if (names === null) return { kind: "looked", nodes: [] };
  const now = performance.now();
  const nodes = ids.map((id) => {
    if (registry.find(id, now) === undefined) return { listed: false };
    const update = names.lastUpdateOf(id);
    if (update === undefined) return { listed: true };
    const seconds = Math.floor((now - update.at) / 1_000);
    return { listed: true, fingerprints: update.fingerprints, seconds };
  });
  return { kind: "looked", nodes };
}
