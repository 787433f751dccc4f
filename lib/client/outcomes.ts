/**
 * What becomes of each file that is to be saved: noted, counted and told.
 *
 * @module
 */

import type { Failure } from "../errors.ts";
import { Manifest } from "../manifest.ts";
import type { Deliveries } from "./deliveries.ts";
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
  readonly tally = new Tally(performance.now());
  readonly #tell: (event: ClientEvent) => void;

  /** Nothing has become of any. */
  constructor(tell: (event: ClientEvent) => void) {
    this.#tell = tell;
  }

  /** A file cannot be had. */
  fail(name: string, failure: Failure): void {
    this.failed.set(name, failure);
    this.#tell({ event: "file_failed", name, error: failure });
  }

  /** A file is there already. */
  present({ name, path, group: { size } }: Job): void {
    this.tally.expect(size, size);
    this.tally.complete();
    this.saved.set(name, path);
    this.#tell({ event: "file_present", name, path });
  }

  /** A file is to be received, of which so many bytes are there. */
  expect({ name, path, group: { size } }: Job, have: number): void {
    this.tally.expect(size, have);
    if (have === 0) return;
    this.#tell({ event: "file_resumed", name, path, bytes: have });
  }

  /** A file has been saved. */
  receive(
    { name, path, group: { size, content } }: Job,
    { hashes, deliveries, nodeOf }: {
      hashes: Uint8Array;
      deliveries: Deliveries;
      nodeOf: (id: string) => ListedNode;
    },
  ): void {
    this.saved.set(name, path);
    this.tally.complete();
    this.#tell({
      event: "file_received",
      name,
      bytes: size,
      content: content ?? new Manifest(size, hashes).contentId,
      from: deliveries.by(nodeOf),
      path,
    });
  }

  /** How things stand, while so many nodes take part. */
  tellProgress(nodes: number): void {
    const progress = this.tally.progress(performance.now(), nodes);
    this.#tell({ event: "progress", ...progress });
  }
}
