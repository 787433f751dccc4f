/**
 * Records, counts and reports what becomes of each file.
 *
 * @module
 */

import type { Failure } from "../base/errors.ts";
import { Manifest } from "../content/manifest.ts";
import { Deliveries } from "./deliveries.ts";
import type { ClientEvent } from "./events.ts";
import { type Job, sizeOf } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import type { Placed } from "../disk/places.ts";
import { Tally } from "./tally.ts";

/** Bytes of a file that no node has to send. */
export interface SparedBytes {
  /** What earlier runs have left. */
  readonly earlier: number;
  /** What is zeros. */
  readonly zeros: number;
}

/** Notes what becomes of files. */
export class SaveReport {
  readonly #saved: Placed[] = [];
  /** Files that could not be had, by name. */
  readonly failed = new Map<string, Failure>();
  /** How much is there. */
  readonly tally = new Tally();
  readonly #tell: (event: ClientEvent) => void;
  readonly #nodeOf: (id: string) => ListedNode;
  readonly #deliveries = new Map<string, Deliveries>();
  /** Bytes that no node had to send, by name. */
  readonly #earlier = new Map<string, number>();

  /** Nothing has become of any. */
  constructor(
    tell: (event: ClientEvent) => void,
    nodeOf: (id: string) => ListedNode,
  ) {
    this.#tell = tell;
    this.#nodeOf = nodeOf;
  }

  /** These are to be saved, after which there may be more. */
  expect(jobs: readonly Job[], { more }: { more: boolean }): void {
    for (const job of jobs) this.tally.expect(sizeOf(job));
    if (!more) this.tally.expectNoMore();
  }

  /** Files that are there now, by name: where. */
  get saved(): ReadonlyMap<string, string> {
    return new Map(this.#saved.map(({ name, path }) => [name, path]));
  }

  /** What nodes deliver of a file, to be added to. */
  deliveriesOf(name: string): Deliveries {
    const deliveries = this.#deliveries.get(name) ?? new Deliveries();
    this.#deliveries.set(name, deliveries);
    return deliveries;
  }

  /** What nodes delivered of a file has been told. */
  forget(name: string): void {
    this.#deliveries.delete(name);
  }

  /** A file cannot be had, which was to be saved if there is a `job`. */
  fail(name: string, failure: Failure, job?: Job): void {
    if (job !== undefined && !this.failed.has(name)) {
      this.tally.forgo(this.#missingOf(job));
    }
    this.failed.set(name, failure);
    const from = this.#deliveries.get(name)?.by(this.#nodeOf) ?? [];
    this.#tell({ event: "file_failed", name, error: failure, from });
  }

  /** A file is there already. */
  present({ name, path, group: { size }, placed }: Job): void {
    this.tally.start(name, size);
    this.tally.complete();
    this.#saved.push(placed ?? { name, path });
    this.#tell({ event: "file_present", name, path, bytes: size });
  }

  /** A file is to be received, of which some need not be sent. */
  start({ name, path }: Job, { earlier, zeros }: SparedBytes): void {
    const spared = earlier + zeros;
    this.tally.start(name, spared);
    if (spared === 0) return;
    this.#earlier.set(name, spared + (this.#earlier.get(name) ?? 0));
    if (earlier > 0) {
      this.#tell({ event: "file_resumed", name, path, bytes: earlier });
    }
    if (zeros > 0) {
      this.#tell({ event: "zeros_skipped", name, path, bytes: zeros });
    }
  }

  /**
   * A file is fetched anew: its nodes have another version of it now, or all that
   * has come is of another file, and lost.
   */
  restart(
    job: Job,
    next: Job,
    { isStarted, isLost }: { isStarted: boolean; isLost: boolean },
  ): void {
    const { name } = job;
    const come = this.#deliveries.get(name)?.total ?? 0;
    if (isStarted) this.tally.restart(come + (this.#earlier.get(name) ?? 0));
    // What has come until now counts no more.
    this.#earlier.set(name, -come);
    if (isLost) {
      this.#earlier.delete(name);
      this.#deliveries.delete(name);
    }
    this.tally.forgo(job.group.size - next.group.size);
  }

  /** A file has been saved. */
  receive(
    { name, path, group: { size, content, offers }, placed }: Job,
    hashes: Uint8Array,
  ): void {
    this.#saved.push(placed ?? { name, path });
    this.tally.complete();
    this.#tell({
      event: "file_received",
      name,
      bytes: size,
      content: content ?? new Manifest(size, hashes).contentId,
      from: this.deliveriesOf(name).by(this.#nodeOf),
      holders: offers.length,
      path,
    });
  }

  /** Bytes of a file that is to be saved that have not come. */
  #missingOf({ name, group: { size } }: Job): number {
    const come = this.#deliveries.get(name)?.total ?? 0;
    return Math.max(0, size - come - (this.#earlier.get(name) ?? 0));
  }

  /** How things stand, while so many nodes take part. */
  tellProgress(nodes: number): void {
    const progress = this.tally.progress(performance.now(), nodes);
    this.#tell({ event: "progress", ...progress });
  }
}
