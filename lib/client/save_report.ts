/**
 * Records, counts and reports the outcome of each file.
 *
 * @module
 */

import type { Failure } from "../base/errors.ts";
import { Manifest } from "../content/manifest.ts";
import { Deliveries, type Delivery } from "./deliveries.ts";
import type { ClientEvent } from "./events.ts";
import { type Job, sizeOf } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import type { Placed } from "../disk/places.ts";
import { Tally } from "./tally.ts";

/** Bytes of a file that no node has to send. */
export interface ReusedBytes {
  /** Files of earlier runs. */
  readonly earlier: number;
  /** What is zeros. */
  readonly zeros: number;
}

/** The nodes that deliver, by the id of a source. */
export interface DelivererNames {
  readonly nodeOf: (id: string) => ListedNode;
  /** Whether it is another client, which serves while it fetches. */
  readonly isHolder: (id: string) => boolean;
}

/** The outcomes of files. */
export class SaveReport {
  readonly #saved: Placed[] = [];
  /** Files that could not be fetched, by name. */
  readonly failed = new Map<string, Failure>();
  /** The progress. */
  readonly tally = new Tally();
  readonly #emit: (event: ClientEvent) => void;
  readonly #names: DelivererNames;
  readonly #deliveries = new Map<string, Deliveries>();
  /** Bytes that no node had to send, by name. */
  readonly #earlier = new Map<string, number>();

  constructor(
    emit: (event: ClientEvent) => void,
    names: DelivererNames,
  ) {
    this.#emit = emit;
    this.#names = names;
  }

  /** Adds files to be saved; `more` says that others may follow. */
  expect(jobs: readonly Job[], { more }: { more: boolean }): void {
    for (const job of jobs) this.tally.expect(sizeOf(job));
    if (more) return;
    this.tally.expectNoMore();
    this.#emit({ event: "files_wanted", ...this.tally.wanted });
  }

  /** The path of each saved file, by name. */
  get saved(): ReadonlyMap<string, string> {
    return new Map(this.#saved.map(({ name, path }) => [name, path]));
  }

  /** The deliveries of a file, to add to. */
  deliveriesOf(name: string): Deliveries {
    const deliveries = this.#deliveries.get(name) ?? new Deliveries();
    this.#deliveries.set(name, deliveries);
    return deliveries;
  }

  /** Forgets the deliveries of a file after they were reported. */
  forget(name: string): void {
    this.#deliveries.delete(name);
  }

  /** A file failed; `job` is given if it was to be saved. */
  fail(name: string, failure: Failure, job?: Job): void {
    if (job !== undefined && !this.failed.has(name)) {
      this.tally.forgo(this.#missingOf(job));
    }
    this.failed.set(name, failure);
    const from = this.#fromOf(name);
    this.#emit({ event: "file_failed", name, error: failure, from });
  }

  /**
   * A file already exists, with the digest that it was compared with. It may
   * have been received as well, while another program saved it.
   */
  present(
    { name, path, group: { size }, placed }: Job,
    { content, sha256 }: {
      readonly content?: string | undefined;
      readonly sha256?: string | undefined;
    },
    { isReceived = false } = {},
  ): void {
    if (!isReceived) this.tally.start(name, size);
    this.tally.complete();
    this.#saved.push(placed ?? { name, path });
    this.#emit({
      ...{ event: "file_present", name, path, bytes: size },
      ...content === undefined ? {} : { content },
      ...sha256 === undefined ? {} : { sha256 },
    });
  }

  /** A file will be received, and some of its bytes need not be sent. */
  start({ name, path }: Job, { earlier, zeros }: ReusedBytes): void {
    const spared = earlier + zeros;
    this.tally.start(name, spared);
    if (spared === 0) return;
    this.#earlier.set(name, spared + (this.#earlier.get(name) ?? 0));
    if (earlier > 0) {
      this.#emit({ event: "file_resumed", name, path, bytes: earlier });
    }
    if (zeros > 0) {
      this.#emit({ event: "zeros_skipped", name, path, bytes: zeros });
    }
  }

  /** More of a file that was started need not be sent. */
  keep({ name }: Job, bytes: number): void {
    this.tally.keep(bytes);
    this.#earlier.set(name, bytes + (this.#earlier.get(name) ?? 0));
  }

  /** Total bytes that were kept of an older file. */
  kept(
    { name, path }: Job,
    { base, bytes }: { base: string; bytes: number },
  ): void {
    this.#emit({ event: "file_kept", name, path, base, bytes });
  }

  /**
   * A file starts again: its nodes have another version now, or the bytes so
   * far belong to another file and are lost.
   */
  restart(
    job: Job,
    next: Job,
    { isStarted, isLost }: { isStarted: boolean; isLost: boolean },
  ): void {
    const { name } = job;
    const come = this.#deliveries.get(name)?.total ?? 0;
    if (isStarted) this.tally.restart(come + (this.#earlier.get(name) ?? 0));
    // The bytes so far no longer count.
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
    this.#emit({
      event: "file_received",
      name,
      bytes: size,
      content: content ?? new Manifest(size, hashes).contentId,
      from: this.#fromOf(name),
      holders: offers.length,
      path,
    });
  }

  #fromOf(name: string): Delivery<ListedNode>[] {
    const { nodeOf, isHolder } = this.#names;
    return this.#deliveries.get(name)?.by(nodeOf, isHolder) ?? [];
  }

  /** Bytes of a file that have not arrived. */
  #missingOf({ name, group: { size } }: Job): number {
    const come = this.#deliveries.get(name)?.total ?? 0;
    return Math.max(0, size - come - (this.#earlier.get(name) ?? 0));
  }

  /** Reports the progress, with the nodes and holders that take part. */
  reportProgress({ nodes, holders }: { nodes: number; holders: number }): void {
    const progress = this.tally.progress(performance.now(), nodes, holders);
    this.#emit({ event: "progress", ...progress });
  }
}
