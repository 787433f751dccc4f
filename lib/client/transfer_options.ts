/**
 * The options of a transfer: which file, and which nodes.
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

/** Options that decide what to fetch, and from which nodes. */
export interface TransferOptions extends ClientOptions {
  /** The nodes to ask, if they have been listed already. */
  nodes?: readonly ListedNode[];
  /** The node to fetch from: its id, the start of its id, or its name. */
  node?: string;
  /**
   * The node that waits until all of its file was fetched from it, by the start
   * of its id. While it is there, no other node is asked.
   */
  sender?: string;
  /**
   * Whether to ask all nodes, however many there are, and not only those that
   * may have what is wanted, as the relay's index says.
   */
  askAll?: boolean;
  /** The rule that decides if nodes have different contents. */
  prefer?: Preference;
  /** SHA-256 that the file must have, as 64 hexadecimal digits. */
  sha256?: string;
  /** Content id that the file must have, as 64 hexadecimal digits. */
  content?: string;
  /**
   * Whether to look for a name that no node has as the last part of longer
   * names, and among folders.
   */
  anywhere?: boolean;
  /** Whether that ignores the case of letters. */
  ignoreCase?: boolean;
  /** Connections to each node. */
  connections?: number;
  /** The most bytes a second to receive. */
  limitRate?: number;
  /**
   * A node slower than this, in bytes a second, is excluded while there is
   * another.
   */
  lowestSpeed?: number;
  /** Called for every event. */
  onEvent?: (event: ClientEvent) => void;
}

/** Which of all names are wanted; by default all. */
export interface WantedNames {
  /** Whether a name is wanted. */
  matches?: (name: string) => boolean;
  /** Whether to count an unwanted name, because it might have been meant. */
  leavesOut?: (name: string) => boolean;
  /** The start of all wanted names. */
  prefix?: string;
  /**
   * The pattern that decides what `matches`, as the user wrote it: of a large
   * relay only the nodes that may have such names are asked.
   */
  pattern?: string;
}

/**
 * The name in its normal form.
 *
 * @throws {Failure} of kind `usage` if no file can have this name.
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
 * The nodes that `options.node` means; without it, the sender alone if it is
 * there.
 *
 * @throws {Failure} of kind `not_found` if no node is the chosen one.
 */
export function chosenNodes(
  nodes: readonly ListedNode[],
  { node: wanted, sender }: Pick<TransferOptions, "node" | "sender">,
): readonly ListedNode[] {
  if (wanted === undefined) {
    const senders = sender === undefined
      ? []
      : nodes.filter(({ id }) => id.startsWith(sender));
    return senders.length > 0 ? senders : nodes;
  }
  const chosen = nodes.filter(({ id, name }) =>
    name === wanted ||
    (wanted.length >= 6 && id.startsWith(wanted.toLowerCase()))
  );
  if (chosen.length > 0) return chosen;
  throw new Failure("not_found", {
    what: "Cannot ask node",
    where: show(wanted),
    why: "no active node has that name or id",
    remedyCode: "see_nodes",
  });
}
