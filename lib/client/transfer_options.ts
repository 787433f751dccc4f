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
 * The node that `options.node` means; without it, the sender alone if it is
 * there, or all nodes.
 *
 * @throws {Failure} of kind `not_found` if no node is the chosen one, or several
 * may be: anybody can use the name of another node.
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
  const chosen = meantBy(wanted, nodes);
  if (chosen.length === 1) return chosen;
  throw new Failure("not_found", {
    what: "Cannot ask node",
    where: show(wanted),
    ...(chosen.length === 0
      ? {
        why: "no active node has that name or id",
        remedyCode: "see_nodes" as const,
      }
      : {
        why: "several nodes have that name, or an id that begins so",
        remedy: `name one by its id: ${idsInWords(chosen)}`,
      }),
  });
}

// A name cannot be taken for an id this long, and nobody can make another id
// with the same start.
const SURE_LENGTH = 16;
// A shorter start would be that of many nodes.
const LEAST_LENGTH = 6;
// Of further nodes the ids are not shown.
const MOST_IDS = 4;

/**
 * Whether the chosen node is among these, so that no other relay can list one
 * that may be meant too.
 */
export function isSurelyThere(
  nodes: readonly ListedNode[],
  { node: wanted, sender }: Pick<TransferOptions, "node" | "sender">,
): boolean {
  const start = wanted?.toLowerCase() ?? sender ?? "";
  return start.length >= SURE_LENGTH &&
    nodes.some(({ id }) => id.startsWith(start));
}

/**
 * The nodes with that name, or an id that begins so. A stranger's node may have
 * any name, also one that is the start of an id.
 */
function meantBy(
  wanted: string,
  nodes: readonly ListedNode[],
): readonly ListedNode[] {
  const start = wanted.toLowerCase();
  const byId = start.length < LEAST_LENGTH
    ? []
    : nodes.filter(({ id }) => id.startsWith(start));
  const isSure = start.length >= SURE_LENGTH && byId.length > 0;
  if (isSure) return byId;
  return nodes.filter((node) => node.name === wanted || byId.includes(node));
}

function idsInWords(nodes: readonly ListedNode[]): string {
  const ids = nodes.slice(0, MOST_IDS).map(({ id }) =>
    id.slice(0, SURE_LENGTH)
  );
  return ids.join(", ") + (nodes.length > MOST_IDS ? ", …" : "");
}
