/**
 * Standard input and output as the roles need them.
 *
 * @module
 */

import { describeCause, Failure } from "../../base/errors.ts";

/** Writes all of `bytes`; a reader that has left is a {@linkcode Failure}. */
export async function writeAll(
  output: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  try {
    for (let written = 0; written < bytes.length;) {
      written += await output.write(bytes.subarray(written));
    }
  } catch (error) {
    throw cannotWrite(error);
  }
}

/** Stdout is full, or nobody reads it. */
export function cannotWrite(error: unknown): Failure {
  return new Failure("local", {
    what: "Cannot write to stdout",
    why: describeCause(error),
    cause: error,
  });
}

/** Whether a failure says only that whoever read our output has left. */
export function isClosedOutput(error: unknown): boolean {
  return error instanceof Failure &&
    error.cause instanceof Deno.errors.BrokenPipe;
}

// What a person types is short; a pipe without line breaks could go on for ever.
const MOST_LINE_BYTES = 64 * 1024;

/**
 * Standard input, by lines or as it comes. Reads no further than it must: what
 * it does not need is left for whoever asks next, Deno's own questions included.
 */
export class Input {
  #left = new Uint8Array();
  #isEnd = false;
  /** A read that is under way: nothing can call it back. */
  #reading: Promise<void> | null = null;

  /**
   * The next line, without its end; `null` at the end of the input. Rejects with
   * the signal's reason when aborted.
   */
  async line(signal: AbortSignal | undefined): Promise<string | null> {
    for (let looked = 0;;) {
      const end = this.#left.indexOf(NEWLINE, looked);
      if (end >= 0) return this.#take(end, end + 1);
      if (this.#left.length >= MOST_LINE_BYTES) {
        return this.#take(MOST_LINE_BYTES, this.#left.length);
      }
      if (this.#isEnd) {
        this.#isEnd = false; // a terminal may go on
        return this.#left.length === 0
          ? null
          : this.#take(this.#left.length, this.#left.length);
      }
      looked = this.#left.length;
      await orAborted(this.#fill(), signal);
    }
  }

  /** Whether a read waits for input: what comes next goes to it. */
  get isReading(): boolean {
    return this.#reading !== null;
  }

  /** Resolves once {@linkcode Input.taken} has something. Takes nothing. */
  async ready(): Promise<void> {
    if (this.#left.length === 0 && !this.#isEnd) await this.#fill();
  }

  /** What has come; `null` at the end of the input, empty where nothing has. */
  taken(): Uint8Array | null {
    if (this.#left.length === 0 && this.#isEnd) {
      this.#isEnd = false;
      return null;
    }
    const bytes = this.#left;
    this.#left = new Uint8Array();
    return bytes;
  }

  #fill(): Promise<void> {
    this.#reading ??= this.#read().finally(() => this.#reading = null);
    return this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    const count = await Deno.stdin.read(buffer);
    this.#isEnd = count === null;
    const left = new Uint8Array(this.#left.length + (count ?? 0));
    left.set(this.#left);
    left.set(buffer.subarray(0, count ?? 0), this.#left.length);
    this.#left = left;
  }

  /** The first `end` bytes as text; goes on after `next`. */
  #take(end: number, next: number): string {
    const line = new TextDecoder().decode(this.#left.subarray(0, end));
    this.#left = this.#left.slice(next);
    return line.replace(/\r$/, "");
  }
}

const NEWLINE = 0x0a;

/** `promise`, or a rejection with the signal's reason. */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
