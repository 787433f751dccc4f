/**
 * The hasher of all readers of a gateway: one worker, started for the first
 * reader that reads much.
 *
 * @module
 */

import type { Section } from "../content/section.ts";
import { type Hasher, PlainHasher } from "../transfer/hashing.ts";
import { startLane } from "../transfer/lane.ts";
import { hasRoomForWorker } from "../transport/descriptors.ts";

// For less, starting a worker takes longer than it saves.
const WORKER_FROM_BYTES = 16 * 1024 * 1024;

/** Chooses where a section is hashed. Disposing ends the worker. */
export class Hashers implements Disposable {
  readonly #hasRoom: () => boolean;
  readonly #plain = new PlainHasher();
  #lane: Hasher | undefined;

  /** `hasRoom` says whether a worker may be started. */
  constructor(hasRoom: () => boolean = hasRoomForWorker) {
    this.#hasRoom = hasRoom;
  }

  /** The hasher for a reader of `section`. */
  for({ start, end }: Section): Hasher {
    const isSmall = end - start < WORKER_FROM_BYTES;
    if (isSmall || this.#lane === undefined && !this.#hasRoom()) {
      return this.#plain;
    }
    return this.#lane ??= startLane();
  }

  [Symbol.dispose](): void {
    this.#lane?.[Symbol.dispose]();
    this.#lane = undefined;
  }
}
