/**
 * The options of a transfer: what to fetch, and from which nodes.
 *
 * @module
 */

import type { Preference } from "../content/choice.ts";
import { Failure } from "../base/errors.ts";
import { safeName } from "../base/names.ts";
import { show } from "../base/text.ts";
import type { ClientEvent } from "./events.ts";
import type { ListedNode } from "./nodes.ts";
import type { ClientOptions } from "./peers.ts";

/** Options that decide what is fetched, and from whom. */
export interface TransferOptions extends ClientOptions {
  /** The nodes to ask, when they have been listed already. */
  nodes?: readonly ListedNode[];
  /** The node to fetch from: its id, the start of it, or its name. */
  node?: string;
  /** What decides where nodes have different contents. */
  prefer?: Preference;
  /** SHA-256 that the file must have, 64 hexadecimal digits. */
  sha256?: string;
  /** Content id that the file must have, 64 hexadecimal digits. */
  content?: string;
  /** Connections to each node. */
  connections?: number;
  /** Bytes a second to receive at most. */
  limitRate?: number;
  /** Bytes a second below which a node is put out while there is another. */
  lowestSpeed?: number;
  /** Told on the way. */
  onEvent?: (event: ClientEvent) => void;
}

/**
 * The name in its normal form.
 *
 * @throws {Failure} of kind `usage` when no file can have it.
 */
export function checkedName(name: string): string {
  const verdict = safeName(name);
  if (verdict.kind === "safe") return verdict.name;
  throw new Failure("usage", {
    what: "Cannot ask for file",
    where: show(name),
    why: verdict.rule,
  });
}

/**
 * The nodes that `options.node` means.
 *
 * @throws {Failure} of kind `not_found` when none does.
 */
export function chosenNodes(
  nodes: readonly ListedNode[],
  { node: wanted }: TransferOptions,
): readonly ListedNode[] {
  if (wanted === undefined) return nodes;
  const chosen = nodes.filter(({ id, name }) =>
    name === wanted ||
    (wanted.length >= 6 && id.startsWith(wanted.toLowerCase()))
  );
  if (chosen.length > 0) return chosen;
  throw new Failure("not_found", {
    what: "Cannot ask node",
    where: show(wanted),
    why: "no active node has that name or id",
    remedy: "see the command nodes",
  });
}
