/**
 * The nodes with a lease, by what their indexes say: which of them may have a
 * name, and which have no index. A node whose index is incomplete, too large or
 * absent counts as one that may have any name. An index therefore never hides a
 * file. Pure.
 *
 * @module
 */

import { decodeFingerprints } from "../content/fingerprints.ts";
import { groupUnder, removeUnder } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import type { MessageOf } from "../protocol/messages.ts";
import { type IndexRefusal, NameIndex } from "./name_index.ts";

/** Memory for a fingerprint: 9 bytes, and free places in the blocks. */
export const INDEX_ENTRY_BYTES = 10;

/** The outcome of a node's message about its index. */
export type IndexOutcome =
  /** It is taken. */
  | "taken"
  /**
   * It does not follow the version that the relay holds: the node must send all
   * again.
   */
  | "unknown"
  /** It is more than may be held. */
  | IndexRefusal;

/** A version of a node's index. */
export interface IndexVersion {
  /** Empty if there is no index. */
  readonly epoch: string;
  readonly version: number;
}

interface IndexedNode extends IndexVersion {
  readonly instance: string;
  /** The group of its address. */
  readonly source: string;
  slot: number | null;
  /** Id of the key of its fingerprints; empty for the relay's. */
  key: string;
  epoch: string;
  version: number;
  /** When a version was last complete. */
  updatedAt: number;
}

/** The answer to a request to the index. */
export interface MayHave {
  /** Sorted ids of the nodes; `undefined` if they are too many. */
  readonly ids: readonly string[] | undefined;
  /** The cost: the fingerprints and ids that were read. */
  readonly workCount: number;
}

/** The index in numbers. */
export interface IndexStats {
  /** Fingerprints of all nodes. */
  readonly entries: number;
  /** The bytes that they take. */
  readonly bytes: number;
  /** Nodes with a lease and a complete index. */
  readonly nodes: number;
  /** Nodes with a lease that may have any name. */
  readonly unindexed: number;
}

/** An index without nodes. */
export const NO_INDEX: IndexStats = {
  entries: 0,
  bytes: 0,
  nodes: 0,
  unindexed: 0,
};

/** The indexes of one relay's nodes. */
export class IndexedNodes {
  readonly #limits: Limits;
  readonly #index: NameIndex;
  readonly #nodes = new Map<string, IndexedNode>();
  /** Node ids by slot. */
  readonly #ids: string[] = [];
  /** Ids of nodes that may have any name. */
  readonly #unindexed = new Set<string>();
  /** Ids of the nodes with a complete index, by the ids of its key. */
  readonly #byKey = new Map<string, Set<string>>();
  #changes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#index = new NameIndex(limits);
  }

  /** The index in numbers. */
  get stats(): IndexStats {
    return {
      entries: this.#index.entryCount,
      bytes: this.#index.bytes,
      nodes: this.#nodes.size - this.#unindexed.size,
      unindexed: this.#unindexed.size,
    };
  }

  /** Rises with every change of an answer. */
  get changes(): number {
    return this.#changes;
  }

  /** Nodes that may have any name to a client that has this key. */
  unindexedCount(key = ""): number {
    return this.#nodes.size - (this.#byKey.get(key)?.size ?? 0);
  }

  /**
   * Notes that a node has a lease; returns the version of its index. Another
   * process of the same node has another index.
   */
  registered(
    id: string,
    { instance, source }: { instance: string; source: string },
  ): IndexVersion {
    const known = this.#nodes.get(id);
    if (known?.instance === instance) return known;
    if (known !== undefined) this.left(id);
    const node = {
      instance,
      source,
      slot: null,
      key: "",
      epoch: "",
      version: 0,
      updatedAt: 0,
    };
    this.#nodes.set(id, node);
    this.#unindexed.add(id);
    this.#changes++;
    return node;
  }

  /** Forgets a node whose lease has ended. */
  left(id: string): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    this.#drop(id, node);
    this.#nodes.delete(id);
    this.#unindexed.delete(id);
  }

  /** Takes a part of a node's index. `added` and `removed` rise. */
  take(
    id: string,
    { instance, added, removed, ...message }:
      & Pick<MessageOf<"index">, "epoch" | "version" | "begin" | "more" | "key">
      & {
        instance: string;
        added: Iterable<number>;
        removed: Iterable<number>;
      },
    now: number,
  ): IndexOutcome {
    const node = this.#nodes.get(id);
    if (node?.instance !== instance) return "unknown";
    const { epoch, version, begin = false, more = false } = message;
    if (begin) {
      this.#drop(id, node);
      node.slot = this.#index.open(node.source);
      this.#ids[node.slot] = id;
      node.key = message.key ?? "";
      node.epoch = epoch;
      node.version = version - 1;
    }
    const { slot } = node;
    const follows = node.epoch === epoch && version === node.version + 1;
    if (slot === null || !follows) return "unknown";
    this.#changes++;
    this.#index.makeRoom();
    const way = this.#index.makeWayFor(slot);
    if (way === "index_full") {
      this.#drop(id, node);
      return way;
    }
    if (way !== undefined) this.#dropSlot(way);
    for (const fingerprint of removed) this.#index.remove(fingerprint, slot);
    for (const fingerprint of added) {
      const refusal = this.#index.add(fingerprint, slot);
      if (refusal === undefined) continue;
      this.#drop(id, node);
      return refusal;
    }
    if (more) return "taken";
    node.version = version;
    node.updatedAt = now;
    this.#complete(id, node);
    return "taken";
  }

  /**
   * How many fingerprints a node has, and when it last sent some; `undefined`
   * if its index is not complete.
   */
  lastUpdateOf(id: string): { fingerprints: number; at: number } | undefined {
    const node = this.#nodes.get(id);
    if (!node || node.slot === null || this.#unindexed.has(id)) {
      return undefined;
    }
    const fingerprints = this.#index.entriesOf(node.slot);
    return { fingerprints, at: node.updatedAt };
  }

  /**
   * Which nodes may have one of the fingerprints. Those whose index has another
   * key may have any.
   */
  mayHave(fingerprints: Iterable<number>, key = ""): MayHave {
    const most = this.#limits.indexAnswerCount;
    if (this.unindexedCount(key) > most) {
      return { ids: undefined, workCount: 0 };
    }
    // Slots first: for a name that too many nodes have, no id is looked up.
    const slots = new Set<number>();
    const note = (slot: number) => slots.add(slot).size <= most;
    let workCount = 0;
    for (const fingerprint of fingerprints) {
      workCount += this.#index.visit(fingerprint, note);
      if (slots.size > most) return { ids: undefined, workCount };
    }
    const ids = new Set(this.#unindexed);
    for (const [other, nodes] of this.#byKey) {
      if (other !== key) { for (const id of nodes) ids.add(id); }
    }
    workCount += ids.size;
    for (const slot of slots) ids.add(this.#ids[slot]!);
    return ids.size > most
      ? { ids: undefined, workCount }
      : { ids: [...ids].sort(), workCount };
  }

  /** Tidies the index a little. Returns whether it has not finished. */
  tidy(most: number): boolean {
    return this.#index.tidy(most);
  }

  #complete(id: string, { key }: IndexedNode): void {
    this.#unindexed.delete(id);
    groupUnder(this.#byKey, key).add(id);
  }

  #dropSlot(slot: number): void {
    const id = this.#ids[slot]!;
    this.#drop(id, this.#nodes.get(id)!);
  }

  /** Drops a node's index; from then on it may have any name. */
  #drop(id: string, node: IndexedNode): void {
    this.#changes++;
    if (node.slot !== null) {
      this.#index.close(node.slot);
      this.#ids[node.slot] = "";
    }
    node.slot = null;
    removeUnder(this.#byKey, node.key, id);
    node.key = "";
    node.epoch = "";
    node.version = 0;
    this.#unindexed.add(id);
  }
}

/**
 * The fingerprints in a message, or what is wrong with it. Text is cheap to
 * check, so this comes before a turn is given.
 */
export function fingerprintsIn(
  { add, remove }: Pick<MessageOf<"index">, "add" | "remove">,
): { added: Float64Array; removed: Float64Array } | undefined {
  const added = decodeFingerprints(add);
  const removed = decodeFingerprints(remove);
  return added && removed && { added, removed };
}
