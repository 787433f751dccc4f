/**
 * The fingerprints of a node's names, and of the contents that it has hashed,
 * as its relay has them or will have them. They follow the share without
 * another scan: the share reports each name and content that appears or
 * disappears, and only changed fingerprints are sent.
 *
 * @module
 */

import { hmacSha256 } from "../base/short_hash.ts";
import { Turns } from "../base/turns.ts";
import { FingerprintCounts } from "../content/fingerprint_counts.ts";
import {
  baseOf,
  encodeFingerprints,
  fingerprintOf,
  foldersOf,
  indexKeyId,
} from "../content/fingerprints.ts";
import type { Limits } from "../base/limits.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { Indexable } from "../share/index_marks.ts";
import type { Share } from "../share/share.ts";

/** What a relay holds of an index. */
export type HeldIndex = NonNullable<MessageOf<"registered">["index"]>;

/** Options of {@linkcode IndexedNames}. */
export interface IndexedNamesOptions {
  readonly limits: Limits;
  /** The key in place of the relay's. */
  readonly key?: Uint8Array | undefined;
  /** Called when there is something new to send. */
  readonly onChange: () => void;
}

/** Follows the names of a share. */
export class IndexedNames {
  readonly #share: Share;
  /** The number of this index at the share. */
  readonly #index: number;
  readonly #options: IndexedNamesOptions;
  /** The fields sent with an index under a key that the relay does not have. */
  readonly #keyId: { key?: string };
  /** Base64 of the key; empty until a relay has given one. */
  #key = "";
  #keyBytes = new Uint8Array();
  #counts = new FingerprintCounts();
  #epoch = "";
  #version = 0;
  /**
   * Fingerprints that changed since the last version, and whether they were in
   * it; `null` if all of them must be sent.
   */
  #changes: Map<number, boolean> | null = null;
  #isForgotten = false;
  /**
   * Fingerprints from here on are still to be sent, in their state at that
   * time.
   */
  #sentBelow = Infinity;
  /** Those of the folders of the last name, which the next one often shares. */
  #folders = { name: "", fingerprints: [] as number[] };

  constructor(share: Share, options: IndexedNamesOptions) {
    this.#share = share;
    this.#options = options;
    const { key } = options;
    this.#keyId = key === undefined ? {} : { key: indexKeyId(key) };
    this.#index = share.addIndex({
      onNew: options.onChange,
      onRemoved: (gone) => this.#count(gone, -1),
    });
  }

  /** Different fingerprints. */
  get count(): number {
    return this.#counts.size;
  }

  /**
   * Counts all of them, with turns for others: under the relay's key, unless
   * the node has its own. Starts again with another key.
   */
  async gather(relayKey: string, signal: AbortSignal): Promise<void> {
    const key = this.#options.key?.toBase64() ?? relayKey;
    if (key !== this.#key) {
      this.#key = key;
      this.#keyBytes = Uint8Array.fromBase64(key);
      this.#counts = new FingerprintCounts();
      this.#changes = null;
      this.#folders = { name: "", fingerprints: [] };
      this.#share.unindexAll(this.#index);
    }
    const turns = new Turns(this.#options.limits.turnMs);
    for (const found of this.#share.takeUnindexed(this.#index)) {
      this.#count(found, 1);
      if (!turns.isOver) continue;
      await turns.give();
      signal.throwIfAborted();
    }
  }

  /**
   * Whether all names must be sent again, because the relay holds something
   * else than it was sent, or did not accept all of it.
   */
  isStrangeTo(held: HeldIndex): boolean {
    const isOtherKey = this.#options.key === undefined &&
      held.key !== this.#key;
    return isOtherKey || this.#isForgotten || !this.#isAt(held);
  }

  /** Whether it holds the last version that was sent. */
  #isAt({ epoch, version }: Omit<HeldIndex, "key">): boolean {
    return epoch === this.#epoch && version === this.#version;
  }

  /**
   * The messages that bring the relay's copy up to date. All of them must
   * arrive; otherwise call `forget`.
   */
  messagesAfter(held: Omit<HeldIndex, "key">): Iterable<MessageOf<"index">> {
    const changes = this.#changes;
    this.#changes = new Map();
    this.#sentBelow = Infinity;
    this.#isForgotten = false;
    if (changes === null || !this.#isAt(held)) {
      this.#epoch = crypto.getRandomValues(new Uint8Array(12)).toBase64();
      this.#version = 1;
      this.#sentBelow = 0;
      return this.#messages(this.#allParts(), [], { begin: true });
    }
    const added: number[] = [];
    const removed: number[] = [];
    for (const [fingerprint, wasThere] of changes) {
      const isThere = this.#counts.has(fingerprint);
      if (isThere && !wasThere) added.push(fingerprint);
      if (!isThere && wasThere) removed.push(fingerprint);
    }
    if (added.length + removed.length === 0) return [];
    this.#version++;
    const rising = (a: number, b: number) => a - b;
    const { indexMessageCount: most } = this.#options.limits;
    const adds = partsOf(added.sort(rising), most);
    return this.#messages(adds, removed.sort(rising), {});
  }

  /**
   * Sends everything again, because it is not known what the relay holds.
   */
  forget(): void {
    this.#changes = null;
    this.#isForgotten = true;
  }

  /** Base64 of all fingerprints, `indexMessageCount` in each part. */
  *#allParts(): Generator<string, void> {
    const most = this.#options.limits.indexMessageCount;
    let rest: number[] = [];
    for (const { part, below } of this.#counts.sortedParts()) {
      this.#sentBelow = below;
      rest = rest.concat(Array.from(part));
      const whole = rest.length - rest.length % most;
      yield* partsOf(rest.slice(0, whole), most);
      rest = rest.slice(whole);
    }
    this.#sentBelow = Infinity;
    yield* partsOf(rest, most);
  }

  *#messages(
    added: Iterable<string>,
    removed: readonly number[],
    first: { begin?: true },
  ): Generator<MessageOf<"index">, void> {
    const most = this.#options.limits.indexMessageCount;
    const adds = Iterator.from(added);
    const removes = partsOf(removed, most);
    let [add, remove] = [adds.next().value, removes.next().value];
    for (let isFirst = true;; isFirst = false) {
      const [nextAdd, nextRemove] = [adds.next().value, removes.next().value];
      const hasMore = nextAdd !== undefined || nextRemove !== undefined;
      yield {
        kind: "index",
        epoch: this.#epoch,
        version: this.#version,
        add: add ?? "",
        remove: remove ?? "",
        ...(isFirst ? first : {}),
        ...(isFirst && first.begin ? this.#keyId : {}),
        ...(hasMore ? { more: true } : {}),
      };
      if (!hasMore) return;
      [add, remove] = [nextAdd, nextRemove];
    }
  }

  #count({ name, content }: Indexable, change: 1 | -1): void {
    const key = this.#keyBytes;
    if (name !== undefined) {
      this.#note(fingerprintOf(key, "name", name, hmacSha256), change);
      this.#note(fingerprintOf(key, "base", baseOf(name), hmacSha256), change);
      for (const one of this.#foldersOf(name)) this.#note(one, change);
    }
    if (content !== undefined) {
      this.#note(fingerprintOf(key, "content", content, hmacSha256), change);
    }
    if (change < 0) this.#options.onChange();
  }

  #foldersOf(name: string): readonly number[] {
    const [folder = ""] = foldersOf(name);
    if (folder !== this.#folders.name) {
      const fingerprints = foldersOf(name).map((one) =>
        fingerprintOf(this.#keyBytes, "folder", one, hmacSha256)
      );
      this.#folders = { name: folder, fingerprints };
    }
    return this.#folders.fingerprints;
  }

  #note(fingerprint: number, change: 1 | -1): void {
    const isOther = change > 0
      ? this.#counts.add(fingerprint)
      : this.#counts.remove(fingerprint);
    const changes = this.#changes;
    if (!isOther || changes === null || fingerprint >= this.#sentBelow) return;
    if (!changes.has(fingerprint)) changes.set(fingerprint, change < 0);
    const { indexChangeCount } = this.#options.limits;
    if (changes.size > indexChangeCount) this.#changes = null;
  }
}

/** Base64 of fingerprints, `most` in each part. */
function* partsOf(
  sorted: readonly number[],
  most: number,
): Generator<string, void> {
  for (let at = 0; at < sorted.length; at += most) {
    yield encodeFingerprints(sorted.slice(at, at + most));
  }
}
