/**
 * The nodes that a client asks for names: all of a small relay's nodes, and of
 * a large one's only those that may have the names, as its index says. Names
 * that none of these has are looked up once more, as parts of longer names and
 * as folders. If the content is known, the nodes that have hashed it are asked
 * first, and then those with the name.
 *
 * @module
 */

import {
  baseOf,
  type FingerprintKind,
  fingerprintOf,
} from "../content/fingerprints.ts";
import type { ListedNode } from "./nodes.ts";
import { mergeNodes } from "./merged_nodes.ts";
import type { Peers } from "./peers.ts";
import {
  chosenNodes,
  isSurelyThere,
  type TransferOptions,
} from "./transfer_options.ts";

/** The text of which a fingerprint is made. */
interface Fingerprinted {
  readonly kind: FingerprintKind;
  readonly text: string;
}

/** A {@linkcode Selection}, or the known part of one. */
export type SearchedNames =
  | { readonly kind: "name"; readonly name: string }
  | {
    readonly kind: "matching";
    /** The start of every match. */
    readonly prefix: string;
    /** As the user wrote it, if that decides what matches. */
    readonly pattern?: string | undefined;
  };

/** The options that decide which nodes are asked. */
export type CandidatesOptions =
  & Pick<
    TransferOptions,
    "nodes" | "node" | "sender" | "askAll" | "ignoreCase" | "content"
  >
  & {
    /** Whether nodes are asked in the order of the list. */
    readonly oneByOne?: boolean;
  };

/** The nodes to ask. */
export class Candidates {
  /** Grows when names are looked for more widely. */
  readonly nodes: ListedNode[];
  readonly #peers: Peers;
  /**
   * Number of nodes at the relay; `undefined` if all of them are in `nodes`.
   */
  readonly #countOfAll: number | undefined;
  #isByContent: boolean;

  private constructor(
    peers: Peers,
    nodes: readonly ListedNode[],
    { countOfAll, isByContent }: {
      countOfAll: number | undefined;
      isByContent: boolean;
    },
  ) {
    this.#peers = peers;
    this.nodes = [...nodes];
    this.#countOfAll = countOfAll;
    this.#isByContent = isByContent;
  }

  /**
   * Whether only nodes that say that they have hashed the content are asked:
   * others with the name may have it too.
   */
  get isByContent(): boolean {
    return this.#isByContent && this.unaskedCount > 0;
  }

  /**
   * The nodes for some names and patterns. All nodes if one of these has no
   * fingerprint.
   *
   * @throws {Failure} of kind `relay` if the relay cannot be asked, of kind
   * `not_found` if there is no node that the user chose.
   */
  static async of(
    peers: Peers,
    selections: readonly SearchedNames[],
    options: CandidatesOptions,
  ): Promise<Candidates> {
    const { nodes, node, sender, askAll, ignoreCase, oneByOne } = options;
    const { content } = options;
    const isChosen = (node ?? sender) !== undefined;
    const asked = isChosen || askAll || ignoreCase || oneByOne
      ? undefined
      : content !== undefined
      ? [{ kind: "content", text: content.toLowerCase() } as const]
      : all(selections.map(fingerprintedIn));
    const listing = nodes === undefined
      ? await peers.list({
        fingerprintsFor: fingerprintsOf(peers, asked),
        names: asked && all(asked.map(wholeNameIn)),
        ...(node === undefined ? { sender } : {}),
      })
      : { nodes };
    const countOfAll = "countOfAll" in listing ? listing.countOfAll : undefined;
    // A slow relay may know the chosen node.
    const isMissed = isChosen && !isSurelyThere(listing.nodes, options);
    const late = isMissed && nodes === undefined ? await peers.late() : [];
    const listed = late.length === 0
      ? listing.nodes
      : mergeNodes([...listing.nodes, ...late]);
    return new Candidates(
      peers,
      chosenNodes(listed, options),
      { countOfAll, isByContent: content !== undefined },
    );
  }

  /** Nodes that are not asked, because their indexes lack the names. */
  get unaskedCount(): number {
    return Math.max(0, (this.#countOfAll ?? 0) - this.nodes.length);
  }

  /**
   * Adds the nodes that may have names, also as parts of longer names or as
   * folders. Returns the new nodes.
   */
  async widen(names: readonly string[]): Promise<readonly ListedNode[]> {
    const late = this.#added(await this.#peers.late());
    if (this.unaskedCount === 0) return late;
    const wider = names.flatMap((name): Fingerprinted[] => [
      ...this.#isByContent ? [{ kind: "name", text: name } as const] : [],
      { kind: "base", text: baseOf(name) },
      { kind: "folder", text: `${name}/` },
    ]);
    this.#isByContent = false;
    const fingerprintsFor = fingerprintsOf(this.#peers, wider);
    // A list of all nodes would take as long as asking them.
    if (fingerprintsFor === undefined) return late;
    const listing = await this.#peers.list({
      fingerprintsFor,
      known: this.nodes,
    });
    return [...late, ...this.#added(listing.nodes)];
  }

  /** Adds nodes, and returns the new ones. */
  #added(nodes: readonly ListedNode[]): readonly ListedNode[] {
    const known = new Set(this.nodes.map(({ id }) => id));
    const more = nodes.filter(({ id }) => !known.has(id)).map((node, n) => ({
      ...node,
      number: known.size + n + 1,
    }));
    this.nodes.push(...more);
    return more;
  }
}

function fingerprintsOf(
  { limits }: Peers,
  asked: readonly Fingerprinted[] | undefined,
): ((key: Uint8Array) => number[]) | undefined {
  if (asked === undefined || asked.length > limits.indexAskedMostCount) {
    return undefined;
  }
  return (key) => {
    const fingerprints = asked.map(({ kind, text }) =>
      fingerprintOf(key, kind, text)
    );
    return [...new Set(fingerprints)].sort((a, b) => a - b);
  };
}

// A pattern with one of these has no fingerprint.
const SPECIAL = /[*?[\]{}\\!()/]/;

/**
 * The text whose fingerprint finds a selection; `undefined` if there is none.
 */
function fingerprintedIn(sought: SearchedNames): Fingerprinted | undefined {
  if (sought.kind === "name") return { kind: "name", text: sought.name };
  const { prefix, pattern = "" } = sought;
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  if (folder !== "") return { kind: "folder", text: folder };
  const base = pattern.startsWith("**/") ? pattern.slice(3) : "";
  return base === "" || SPECIAL.test(base)
    ? undefined
    : { kind: "base", text: base };
}

function wholeNameIn({ kind, text }: Fingerprinted): string | undefined {
  return kind === "name" ? text : undefined;
}

/** The list, unless a part of it is missing. */
function all<T>(list: readonly (T | undefined)[]): readonly T[] | undefined {
  const whole = list.filter((one) => one !== undefined);
  return whole.length === list.length ? whole : undefined;
}
