/**
 * A fetch's part in swarms: for each large file it joins the clients that fetch
 * the same one, receives pieces from them, and sends them its own. If it
 * cannot join a swarm, the fetch continues without its help.
 *
 * @module
 */

import { closeSync } from "node:fs";
import { delay } from "@std/async/delay";
import { describeCause, isBug } from "../base/errors.ts";
import { SharedRate } from "../base/shared_rate.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { SwarmContent, SwarmMember } from "../swarm/member.ts";
import { type Job, sizeOf } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import { EarlyFiles, type SwarmFile } from "./early_files.ts";
import type { Peers } from "./peers.ts";
import type { SwarmEvent } from "./swarm_events.ts";

/** Options of a fetch that takes part in swarms. */
export interface SwarmOptions {
  /** The most bytes a second to send to others; by default no limit. */
  limitUpload?: number;
  /**
   * How long to serve after all files are saved, in milliseconds, while there
   * are readers; 0 by default.
   */
  lingerMs?: number;
}

/** Options of {@linkcode Swarming}. */
export interface SwarmingOptions extends SwarmOptions {
  readonly emit: (event: SwarmEvent) => void;
  /**
   * Whether everybody may have a file with these sources: open relays alone list
   * the nodes among them.
   */
  readonly isOpen: (sources: Iterable<string>) => boolean;
}

// How often to check whether something is still being sent.
const LOOK_MS = 500;
// A person sees the remaining time.
const TELL_MS = 1_000;

/** The fields that are unknown for a client that has dialled this one. */
const UNLISTED = {
  ...{ number: 0, certificate: new Uint8Array(), isAttached: false },
  signed: { record: "", certificate: "", signature: "" },
};

/** Takes part in swarms. Disposing stops serving. */
export class Swarming implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: SwarmingOptions;
  #opening: Promise<SwarmMember | undefined> | undefined;
  #member: SwarmMember | undefined;
  readonly #contents = new Map<string, SwarmContent>();
  /** Files whose swarms are joined once that helps, and this client listens. */
  readonly #early: EarlyFiles;
  /** Clients that were met, by their ids as sources. */
  readonly #met = new Map<string, ListedNode>();
  #why: string | undefined;

  /** Opens nothing before there is a file for it. */
  constructor(peers: Peers, options: SwarmingOptions) {
    const { lingerMs = 0 } = options;
    this.#peers = peers;
    this.#options = options;
    this.#early = new EarlyFiles({
      limits: peers.limits,
      keepsComplete: lingerMs > 0,
      onOfUse: () => this.#joinSoon(),
    });
  }

  /** Whether a file is fetched in a swarm. */
  wants(job: Job): boolean {
    return sizeOf(job) >= this.#peers.limits.swarmFromBytes &&
      job.group.content !== undefined;
  }

  /** A client that was met, by its id as a source. */
  metOf(source: string): ListedNode | undefined {
    return this.#met.get(source);
  }

  /** Listens, so that others can dial, and joins what waits for that. */
  async #joinEarly(): Promise<void> {
    this.#opening ??= this.#open();
    this.#member = await this.#opening;
    for (const { file, descriptor, have } of this.#early.takeAll()) {
      if (this.#member === undefined || !this.#makeRoom()) {
        closeSync(descriptor);
      } else this.#joinNow(this.#member, { ...file, have }, descriptor);
    }
  }

  /** The same in the background. */
  #joinSoon(): void {
    // Only a bug makes it reject, and disposing reports that.
    this.#joinEarly().catch(() => {});
  }

  async #open(): Promise<SwarmMember | undefined> {
    const { limitUpload, emit } = this.#options;
    const { dialers, limits, clock, options } = this.#peers;
    try {
      // Other commands do not need it, and start sooner without it.
      const { SwarmMember } = await import("../swarm/member.ts");
      return await SwarmMember.open({
        ...{ dialers, limits, clock },
        plaintext: options.plaintext ?? false,
        rate: limitUpload === undefined
          ? undefined
          : new SharedRate(limitUpload),
        dial: async (holder, signal) =>
          (await this.#peers.open(holder, { signal })).session,
        onEvent: (event) => {
          // Refused or interrupted clients are not errors of our files.
          if ("relay" in event) emit(event);
        },
      });
    } catch (error) {
      if (isBug(error)) throw error;
      this.#why = describeCause(error);
      return undefined;
    }
  }

  /**
   * Joins the swarm of a file if it does not arrive quickly from nodes alone,
   * and stays until it is left. Returns at once: nodes deliver it in the
   * meantime.
   */
  join(file: SwarmFile): void {
    const { contentId } = file.manifest;
    const isTwice = this.#contents.has(contentId) || this.#early.has(contentId);
    if (isTwice || this.#why !== undefined) return;
    if (this.#member !== undefined) {
      if (!this.#makeRoom()) return;
      return this.#joinNow(this.#member, file, file.openToRead());
    }
    this.#early.add(file);
    if (this.#opening !== undefined) this.#joinSoon();
  }

  #joinNow(
    member: SwarmMember,
    { name, manifest, have, sources, onSource }: SwarmFile,
    descriptor: number,
  ): void {
    const { contentId } = manifest;
    const isOpen = this.#options.isOpen(sources.keys());
    const held = { name, manifest, have, descriptor, isOpen };
    const content = member.join(held, ({ holder, source }) => {
      const name = `client ${holder.id.slice(0, 6)}`;
      this.#met.set(source.id, { ...UNLISTED, ...holder, name });
      onSource(source);
    });
    this.#contents.set(contentId, content);
  }

  /** Makes room for one more content; a complete one may be removed for it. */
  #makeRoom(): boolean {
    if (this.#contents.size < this.#peers.limits.contentsPerHolderCount) {
      return true;
    }
    for (const [id, { isComplete }] of this.#contents) {
      if (!isComplete) continue;
      this.leave(id);
      return true;
    }
    return false;
  }

  /** Pieces of a content have been verified, and are on the disk. */
  saved(contentId: string, run: PieceRun): void {
    this.#early.saved(contentId, run);
    this.#contents.get(contentId)?.saved(run);
  }

  /** Stops serving a content. */
  leave(contentId: string): void {
    this.#early.leave(contentId);
    this.#contents.get(contentId)?.[Symbol.dispose]();
    this.#contents.delete(contentId);
  }

  /** The fetch has failed as a whole. */
  failed(error: unknown): void {
    this.#why ??= describeCause(error);
    this.#leaveAll();
  }

  #leaveAll(): void {
    this.#early[Symbol.dispose]();
    for (const id of [...this.#contents.keys()]) this.leave(id);
  }

  /** Continues to serve while there are readers, until `signal` is aborted. */
  async linger(signal: AbortSignal | undefined): Promise<void> {
    const { lingerMs = 0, emit } = this.#options;
    const isWanted = lingerMs > 0 && !signal?.aborted;
    if (isWanted && this.#early.size > 0) await this.#joinEarly();
    if (lingerMs > 0) await this.#opening;
    const member = this.#member;
    for (const [id, { isComplete }] of [...this.#contents]) {
      if (!isComplete) this.leave(id);
    }
    if (member === undefined || this.#contents.size === 0) return;
    if (lingerMs === 0 || signal?.aborted) return;
    emit({ event: "swarm_lingers", ms: lingerMs });
    const startedAt = performance.now();
    while (!signal?.aborted) {
      const now = performance.now();
      const quietAt = member.holder.isGiving
        ? now + LOOK_MS
        : Math.max(startedAt, member.holder.gaveAt) +
          this.#peers.limits.swarmQuietMs;
      const leftMs = Math.min(startedAt + lingerMs, quietAt) - now;
      if (leftMs <= 0) return;
      emit({
        event: "swarm_serving",
        readers: member.holder.readerCount,
        leftMs: Math.round(startedAt + lingerMs - now),
      });
      // An abort ends it at once.
      await delay(Math.min(leftMs, TELL_MS), signal && { signal }).catch(
        () => {},
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaveAll();
    const member = await this.#opening;
    await member?.[Symbol.asyncDispose]();
    if (this.#opening === undefined) return;
    this.#opening = undefined;
    const why = this.#why;
    this.#options.emit({
      event: "swarm_ended",
      given: member?.holder.sentBytes ?? 0,
      ...why === undefined ? {} : { why },
    });
  }
}
