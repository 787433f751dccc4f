/**
 * What becomes of each file that is to be saved: noted, counted and told.
 *
 * @module
 */

import type { Failure } from "../errors.ts";
import { Manifest } from "../manifest.ts";
import { Deliveries } from "./deliveries.ts";
import type { ClientEvent } from "./events.ts";
import type { Job } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import { Tally } from "./tally.ts";

/** Notes what becomes of files. */
export class Outcomes {
  /** Files that are there now, by name: where. */
  readonly saved = new Map<string, string>();
  /** Files that could not be had, by name. */
  readonly failed = new Map<string, Failure>();
  /** How much is there. */
  readonly tally = new Tally();
  readonly #tell: (event: ClientEvent) => void;
  readonly #nodeOf: (id: string) => ListedNode;
  readonly #deliveries = new Map<string, Deliveries>();
  /** What is to be saved, by name. */
  readonly #wanted = new Map<string, Job>();
  /** Bytes that were there from earlier runs, by name. */
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
    for (const job of jobs) {
      this.#wanted.set(job.name, job);
      this.tally.expect(job.group.size);
    }
    if (!more) this.tally.expectNoMore();
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

  /** A file cannot be had. */
  fail(name: string, failure: Failure): void {
    if (!this.failed.has(name)) this.tally.forgo(this.#missingOf(name));
    this.failed.set(name, failure);
    const from = this.#deliveries.get(name)?.by(this.#nodeOf) ?? [];
    this.#tell({ event: "file_failed", name, error: failure, from });
  }

  /** A file is there already. */
  present({ name, path, group: { size } }: Job): void {
    this.tally.start(name, size);
    this.tally.complete();
    this.saved.set(name, path);
    this.#tell({ event: "file_present", name, path, bytes: size });
  }

  /** A file is to be received, of which so many bytes are there. */
  start({ name, path }: Job, have: number): void {
    this.tally.start(name, have);
    if (have === 0) return;
    this.#earlier.set(name, have + (this.#earlier.get(name) ?? 0));
    this.#tell({ event: "file_resumed", name, path, bytes: have });
  }

  /** A file is fetched anew, for its nodes have another version of it now. */
  restart(job: Job, next: Job, { isStarted }: { isStarted: boolean }): void {
    const { name } = job;
    const come = this.#deliveries.get(name)?.total ?? 0;
    if (isStarted) this.tally.restart(come + (this.#earlier.get(name) ?? 0));
    // What has come until now counts no more.
    this.#earlier.set(name, -come);
    this.tally.forgo(job.group.size - next.group.size);
    this.#wanted.set(name, next);
  }

  /** A file has been saved. */
  receive(
    { name, path, group: { size, content, offers } }: Job,
    hashes: Uint8Array,
  ): void {
    this.saved.set(name, path);
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
  #missingOf(name: string): number {
    const size = this.#wanted.get(name)?.group.size ?? 0;
    const come = this.#deliveries.get(name)?.total ?? 0;
    return Math.max(0, size - come - (this.#earlier.get(name) ?? 0));
  }

  /** How things stand, while so many nodes take part. */
  tellProgress(nodes: number): void {
    const progress = this.tally.progress(performance.now(), nodes);
    this.#tell({ event: "progress", ...progress });
  }
}
