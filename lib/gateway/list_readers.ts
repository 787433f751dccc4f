/**
 * Lists in progress. Each is written in parts while its client reads, with
 * turns for others between the parts. A slow client keeps its snapshot in
 * memory, so the gateway closes readers of old snapshots.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { othersTurn } from "../base/waiting.ts";
import type { BodyStream } from "../http/answer.ts";
import type { Snapshot } from "./file_index.ts";

const encoder = new TextEncoder();
// Parts of this many characters are written at once.
const PART_LENGTH = 64 * 1024;
// Texts walked at once: a few milliseconds.
const TEXTS_AT_ONCE = 2_000;

/** A snapshot, and the place where its readers are counted. */
export interface SnapshotToSend {
  readonly snapshot: Snapshot;
  readonly readers: ListReaders;
}

/** A list under way. */
interface Reader {
  readonly files: Snapshot["files"];
  readonly ending: AbortController;
}

/** Texts joined to large parts; others have a turn after each. */
export async function* inParts(
  texts: Iterable<string>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let part = "";
  let count = 0;
  for (const text of texts) {
    part += text;
    count++;
    if (part.length < PART_LENGTH && count < TEXTS_AT_ONCE) continue;
    const bytes = encoder.encode(part);
    part = ""; // not kept while the client does not read
    count = 0;
    yield bytes;
    await othersTurn();
  }
  yield encoder.encode(part);
}

/** Knows which snapshots are being read. */
export class ListReaders {
  readonly #limits: Limits;
  readonly #readers = new Set<Reader>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Number of snapshots that are being read. */
  get snapshotCount(): number {
    return new Set([...this.#readers].map(({ files }) => files)).size;
  }

  /** A list as a body. `texts` must read from `snapshot` alone. */
  bodyOf({ files }: Snapshot, texts: () => Iterable<string>): BodyStream {
    const reader = { files, ending: new AbortController() };
    this.#readers.add(reader);
    return {
      parts: () => inParts(texts()),
      stallMs: this.#limits.gatewayListStallMs,
      signal: reader.ending.signal,
      close: () => void this.#readers.delete(reader),
    };
  }

  /** Whether another snapshot than this one is being read. */
  hasOthers({ files }: Snapshot): boolean {
    return [...this.#readers].some((reader) => reader.files !== files);
  }

  /** Ends the lists of all other snapshots. */
  endOthers({ files }: Snapshot): void {
    for (const reader of [...this.#readers]) {
      if (reader.files === files) continue;
      this.#readers.delete(reader);
      reader.ending.abort(new Error("there are newer lists"));
    }
  }
}
