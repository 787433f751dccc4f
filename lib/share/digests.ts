/**
 * The manifest, the content id and the plain SHA-256 of each file of a node. It
 * computes them in the background, one file at a time, and keeps them between
 * runs if `--state` is set.
 *
 * A digest belongs to a file's name, size, time of writing and inode. If one of
 * them changes, the digest is computed again. That of a file that was written
 * just now is kept once the file has settled, and has been hashed once more.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isBug } from "../base/errors.ts";
import type { FileDigest } from "./file_table.ts";
import {
  type DescribedFile,
  type DescribeOutcome,
  describeWhole,
  FileHash,
  isSettled,
  keyOf,
  nameInKey,
  SETTLED_MS,
  standingOf,
} from "./digesting.ts";
import { HashQueue } from "./hash_queue.ts";
import type { Limits } from "../base/limits.ts";
import { type Manifest, pieceBytesOf } from "../content/manifest.ts";
import { isPlausible } from "../content/whole_hash.ts";
import { type DigestStore, ManifestCache } from "./manifest_cache.ts";
import type { OpenedFile } from "./opened_file.ts";
import type { Share } from "./share.ts";
import type { ShareFile } from "./shared_file.ts";
import { whenRoom } from "../base/shortage.ts";
import { Turns } from "../base/turns.ts";

/** Postponed: somebody waits for another file, and nobody for this one. */
const PUT_OFF = { kind: "put_off" } as const;

/** A file for which somebody waits. */
interface Waiting extends PromiseWithResolvers<DescribeOutcome> {
  /** How many wait for it. */
  requesters: number;
}

/** Options of {@linkcode Digests}. */
export interface DigestsOptions {
  readonly limits: Limits;
  /** Stores digests between runs. */
  readonly store?: DigestStore | undefined;
  /** Whether files are being sent. Hashing then slows down. */
  readonly isBusy: () => boolean;
  /**
   * Called when the last file has been hashed, with the number of hashed files.
   */
  readonly onIdle: (hashedFiles: number) => void;
}

// A file of at most these bytes has one piece.
const PIECE_BYTES = pieceBytesOf(0);
// Bytes hashed between two turns of the event loop.
const READ_BYTES = 1024 * 1024;
// A file is hashed before the rest of another one if that rest is more than
// this many times as large. Only the outermost file, while nobody waits for it,
// lets larger ones go first. So at most 21 files between 1 MiB and 1 TiB are
// open at once.
const NESTING_RATIO = 2;

/** Digests of the files of one share. */
export class Digests implements AsyncDisposable {
  readonly #share: Share;
  readonly #options: DigestsOptions;
  readonly #manifests: ManifestCache;
  readonly #urgent = new HashQueue<ShareFile>();
  readonly #waiting = new Map<string, Waiting>();
  /** Versions being hashed, outermost first: each waits for the next. */
  readonly #underWay = new Set<string>();
  readonly #stopped = new AbortController();
  readonly #turns: Turns;
  /** The bytes of a file of one piece; nothing waits while they are used. */
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #background: Promise<void> | null = null;
  #forget: Promise<void> | null = null;
  /** Whether files may have appeared since the current pass began. */
  #isRefreshed = false;
  /** Files hashed in the background in this pass. */
  #hashedCount = 0;
  /** Files that were hashed before they had settled, by version. */
  readonly #settling = new Map<string, ShareFile>();
  #settled: ReturnType<typeof setTimeout> | undefined;
  /** Where to look for files that are hashed before a large one. */
  #smallerFrom = 0;

  /** Hashes nothing before {@linkcode refresh} is called. */
  constructor(share: Share, options: DigestsOptions) {
    this.#share = share;
    this.#options = options;
    this.#turns = new Turns(options.limits.turnMs);
    this.#manifests = new ManifestCache(
      options.limits.manifestCacheBytes,
      options.store,
    );
  }

  /** Files that wait for being checked or hashed in the background. */
  get backlogCount(): number {
    return this.#share.unhashedCount;
  }

  /** The digest of a file; `undefined` if it has not been hashed. */
  of(file: ShareFile): FileDigest | undefined {
    const known = this.#share.digestOf(file);
    if (known !== undefined) return known;
    const kept = this.#options.store?.get(keyOf(file));
    // A file on the disk may have been tampered with.
    if (kept === undefined || !isPlausible({ size: file.size, ...kept })) {
      return undefined;
    }
    this.#share.learn(file, kept);
    return kept;
  }

  /** A file with this content. */
  withContent(content: string): ShareFile | undefined {
    for (const file of this.#share.withContent(content)) return file;
    return undefined;
  }

  /** The manifest of a file, if it has been hashed and is still kept. */
  manifestOf(file: ShareFile): Manifest | undefined {
    const digest = this.of(file);
    return digest && this.#manifests.get(file.size, digest);
  }

  /** Hashes all unhashed files, in the background. */
  refresh(): void {
    this.#isRefreshed = true;
    this.#smallerFrom = 0;
    if (this.#background !== null || this.#stopped.signal.aborted) return;
    this.#background = this.#hashAll().finally(() => {
      this.#background = null;
      if (this.#isRefreshed || !this.#urgent.isEmpty) this.refresh();
    });
  }

  /**
   * The digest of a file with its manifest. Hashes the file soon if necessary.
   * Requesters take turns; `requester` is any value that identifies one. If
   * `signal` is aborted and no other waits, the file goes to the background.
   */
  describe(
    file: ShareFile,
    requester?: unknown,
    signal?: AbortSignal,
  ): Promise<DescribeOutcome> {
    const digest = this.of(file);
    const manifest = this.manifestOf(file);
    if (digest !== undefined && manifest !== undefined) {
      const described = { ...digest, manifest };
      return Promise.resolve({ kind: "described", described });
    }
    if (this.#stopped.signal.aborted) {
      return Promise.resolve({ kind: "refused", reason: "unreadable" });
    }
    let waiting = this.#waiting.get(file.version);
    if (waiting === undefined) {
      waiting = { ...Promise.withResolvers<DescribeOutcome>(), requesters: 0 };
      this.#waiting.set(file.version, waiting);
    }
    waiting.requesters++;
    this.#leaveOn(signal, file, waiting);
    // Also if another requester waits for it, whose turn may be late.
    if (!this.#underWay.has(file.version)) this.#urgent.add(file, requester);
    this.refresh();
    return waiting.promise;
  }

  /** Removes one requester when `signal` is aborted. */
  #leaveOn(
    signal: AbortSignal | undefined,
    { version }: ShareFile,
    waiting: Waiting,
  ): void {
    if (signal === undefined) return;
    const leave = () => {
      if (--waiting.requesters > 0) return;
      if (this.#waiting.get(version) !== waiting) return; // it is hashed
      this.#waiting.delete(version);
      this.#urgent.remove(version);
      waiting.resolve({ kind: "refused", reason: "unreadable" });
    };
    signal.addEventListener("abort", leave, { once: true });
    void waiting.promise.then(() => signal.removeEventListener("abort", leave));
    if (signal.aborted) leave();
  }

  async #hashAll(): Promise<void> {
    const { signal } = this.#stopped;
    this.#isRefreshed = false;
    this.#hashedCount = 0;
    await this.#hashUrgent();
    // In the background it would only slow down the first scan.
    if (!this.#share.isScanned) return;
    for (let number = 0; !signal.aborted;) {
      const found = this.#share.unhashedFrom(number);
      if (found === undefined) break;
      number = found.next;
      // Reading the stored digest stores it in the table.
      if (this.of(found.file) === undefined) {
        await this.#hashOne(found.file, { isUrgent: false });
        this.#hashedCount++;
      }
      await this.#hashUrgent();
      if (this.#turns.isOver) await this.#turns.give();
    }
    const count = this.#hashedCount;
    if (count > 0 && !signal.aborted) this.#options.onIdle(count);
    await this.#keepSettled();
    this.#forget ??= this.#forgetRemoved().finally(() => this.#forget = null);
  }

  /**
   * Hashes settled files once more, and keeps digests that are still correct.
   */
  async #keepSettled(): Promise<void> {
    for (const [version, file] of this.#settling) {
      if (!isSettled(file, Date.now())) continue;
      if (this.#stopped.signal.aborted) return;
      this.#settling.delete(version);
      if (this.#share.named(file.name)?.version !== version) continue;
      this.#underWay.add(version);
      const outcome = await this.#hash(file, false);
      this.#underWay.delete(version);
      if (outcome.kind === "put_off") this.#settling.set(version, file);
      if (outcome.kind === "described") {
        const { described } = outcome;
        const isStill = this.of(file)?.content === described.content;
        if (isStill) this.#options.store?.put(keyOf(file), described);
      }
      await this.#hashUrgent();
      if (this.#turns.isOver) await this.#turns.give();
    }
    this.#awaitSettled();
  }

  /** Schedules the next pass for when the first file may have settled. */
  #awaitSettled(): void {
    clearTimeout(this.#settled);
    const [first] = this.#settling.values();
    if (first === undefined || this.#stopped.signal.aborted) return;
    const ms = first.modifiedMs + SETTLED_MS + 1 - Date.now();
    this.#settled = setTimeout(
      () => this.refresh(),
      Math.min(Math.max(ms, 1), SETTLED_MS),
    );
  }

  /** Lets the store forget files that have been missing for long, once all files are known. */
  async #forgetRemoved(): Promise<void> {
    const { signal } = this.#stopped;
    if (this.#isRefreshed || !this.#share.isScanned || signal.aborted) return;
    const now = (key: string) => this.#share.named(nameInKey(key));
    const { store } = this.#options;
    await store?.prune?.((key) => standingOf(key, now(key)), signal);
  }

  /** Hashes the files that requesters wait for. */
  async #hashUrgent(): Promise<void> {
    while (await this.#hashNext(Infinity) && !this.#stopped.signal.aborted);
  }

  /**
   * Hashes one file that a requester waits for and that has fewer than `bytes`.
   */
  async #hashNext(bytes: number): Promise<boolean> {
    for (;;) {
      const file = this.#urgent.take(bytes);
      if (file === undefined || this.#stopped.signal.aborted) return false;
      // It may have been hashed already, or be in progress if it was requested
      // twice.
      const { version } = file;
      if (!this.#waiting.has(version) || this.#underWay.has(version)) continue;
      await this.#hashOne(file, { isUrgent: true });
      return true;
    }
  }

  /** Hashes or looks up one file with fewer than `bytes`, in the background. */
  async #hashSmaller(bytes: number): Promise<void> {
    for (;;) {
      const found = this.#share.unhashedFrom(this.#smallerFrom);
      if (found === undefined || this.#stopped.signal.aborted) return;
      const { file, next } = found;
      this.#smallerFrom = next;
      if (this.#turns.isOver) await this.#turns.give();
      // The others are left to the pass itself.
      if (file.size >= bytes || this.#underWay.has(file.version)) continue;
      if (this.of(file) !== undefined) return;
      if (await this.#hashOne(file, { isUrgent: false })) this.#hashedCount++;
      return;
    }
  }

  /** @returns `false` if the file was put off. */
  async #hashOne(
    file: ShareFile,
    { isUrgent }: { isUrgent: boolean },
  ): Promise<boolean> {
    this.#underWay.add(file.version);
    const outcome = await this.#hash(file, isUrgent);
    this.#underWay.delete(file.version);
    if (outcome.kind === "put_off") {
      this.#isRefreshed = true; // another pass finds it
      if (this.#waiting.has(file.version)) this.#urgent.add(file, undefined);
      return false;
    }
    const waiting = this.#waiting.get(file.version);
    this.#waiting.delete(file.version);
    if (outcome.kind === "described") {
      const { described } = outcome;
      this.#share.learn(file, described);
      this.#manifests.keep(described.manifest);
      this.#keep(file, described);
    } else this.#share.giveUp(file);
    waiting?.resolve(outcome);
    return true;
  }

  /** Stores a digest now, or when its file has settled. */
  #keep(file: ShareFile, described: DescribedFile): void {
    const { limits, store } = this.#options;
    if (store === undefined) return;
    if (isSettled(file, Date.now())) return store.put(keyOf(file), described);
    if (this.#settling.size >= limits.settlingCount) return;
    if (file.modifiedMs > Date.now()) return; // by a wrong clock
    this.#settling.set(file.version, file);
    if (this.#settling.size === 1) this.#awaitSettled();
  }

  async #hash(
    file: ShareFile,
    isUrgent: boolean,
  ): Promise<DescribeOutcome | typeof PUT_OFF> {
    const waits = {
      pauseMs: this.#options.limits.acceptPauseMs,
      signal: this.#stopped.signal,
    };
    try {
      if (file.size <= PIECE_BYTES && this.#share.isQuick) {
        const startedAt = performance.now();
        const outcome = await whenRoom(() => this.#hashSmall(file), waits);
        await this.#giveWay(file, performance.now() - startedAt);
        return outcome;
      }
      const opening = await whenRoom(() => this.#share.open(file), waits);
      if (opening.kind === "refused") return opening;
      using opened = opening.opened;
      return await this.#hashOpened(opened, isUrgent);
    } catch (error) {
      if (isBug(error)) throw error;
      return { kind: "refused", reason: "unreadable" };
    }
  }

  /**
   * A file of one piece, at once: one check after the read, and no buffer of its
   * own. `fstat` alone leaves 5 KiB of garbage.
   */
  #hashSmall(file: ShareFile): DescribeOutcome {
    const bytes = this.#piece.subarray(0, file.size);
    const read = this.#share.readSmall(file, bytes);
    if (read.kind === "refused") return read;
    return { kind: "described", described: describeWhole(bytes) };
  }

  async #hashOpened(
    opened: OpenedFile,
    isUrgent: boolean,
  ): Promise<DescribeOutcome | typeof PUT_OFF> {
    const { file } = opened;
    const hash = new FileHash(file.size);
    const buffer = new Uint8Array(Math.min(READ_BYTES, file.size));
    while (hash.position < file.size) {
      if (this.#stopped.signal.aborted) {
        return { kind: "refused", reason: "unreadable" };
      }
      const startedAt = performance.now();
      const room = buffer.subarray(0, hash.mostBytes);
      const count = await opened.read(room, hash.position);
      if (count === 0) return { kind: "refused", reason: "changed" };
      hash.update(buffer.subarray(0, count));
      await this.#giveWay(file, performance.now() - startedAt);
      const { position } = hash;
      if (await this.#letOthersGo(file, { position, isUrgent })) return PUT_OFF;
    }
    if (!opened.isUnchanged()) return { kind: "refused", reason: "changed" };
    return { kind: "described", described: hash.describe() };
  }

  /**
   * Hashes one file that goes before the rest of `file`: only one, so that a
   * stream of these cannot delay a larger one forever.
   *
   * @returns whether to put `file` off, because others are waited for.
   */
  async #letOthersGo(
    { size, version }: ShareFile,
    { position, isUrgent }: { position: number; isUrgent: boolean },
  ): Promise<boolean> {
    const bytes = (size - position) / NESTING_RATIO;
    if (this.#waiting.has(version)) {
      await this.#hashNext(bytes);
      return false;
    }
    if (position === size) return false; // it is done
    // Requesters may also wait for the files outside, which are not queued.
    if (this.#waiting.size > 0) {
      if (isUrgent) return true;
      const isOutermost = this.#underWay.size === 1;
      if (await this.#hashNext(isOutermost ? Infinity : bytes)) return false;
      if (!isOutermost) return true;
    }
    await this.#hashSmaller(bytes);
    return false;
  }

  /**
   * Gives others a turn. Leaves the processor to sending, unless a requester
   * waits for this file.
   */
  async #giveWay(file: ShareFile, spentMs: number): Promise<void> {
    const isWaitedFor = this.#waiting.has(file.version);
    if (!this.#options.isBusy() || isWaitedFor) {
      // A synchronous read gives nobody a turn.
      if (this.#turns.isOver) await this.#turns.give();
      return;
    }
    await delay(4 * spentMs, { signal: this.#stopped.signal }).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#settled);
    for (const waiting of this.#waiting.values()) {
      waiting.resolve({ kind: "refused", reason: "unreadable" });
    }
    await Promise.all([this.#background, this.#forget]);
  }
}
