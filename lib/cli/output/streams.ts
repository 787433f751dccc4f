/**
 * Standard input and output as the roles need them.
 *
 * @module
 */

import { describeCause, Failure } from "../../base/errors.ts";
import { orAborted } from "../../base/waiting.ts";

/**
 * Writes all of `bytes`. If the reader has closed, throws a {@linkcode
 * Failure}.
 */
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

/** The failure of a write to stdout: it is full, or nobody reads it. */
export function cannotWrite(error: unknown): Failure {
  return new Failure("local", {
    what: "Cannot write to stdout",
    why: describeCause(error),
    cause: error,
  });
}

/** Whether a failure only says that the reader of our output has closed. */
export function isClosedOutput(error: unknown): boolean {
  return error instanceof Failure &&
    error.cause instanceof Deno.errors.BrokenPipe;
}

// Typed lines are short, but a pipe without line breaks could be endless.
const MOST_LINE_BYTES = 64 * 1024;

/**
 * Standard input, as lines or as bytes. Reads no more than needed; the rest
 * stays for the next reader, including Deno's own prompts.
 */
export class Input {
  #left = new Uint8Array();
  #isEnd = false;
  /** The current read; it cannot be cancelled. */
  #reading: Promise<void> | null = null;

  /**
   * The next line, without its line break; `null` at the end of the input.
   * Rejects with the signal's reason when aborted.
   */
  async line(signal: AbortSignal | undefined): Promise<string | null> {
    for (let looked = 0;;) {
      const end = this.#left.indexOf(NEWLINE, looked);
      if (end >= 0) return this.#take(end, end + 1);
      if (this.#left.length >= MOST_LINE_BYTES) {
        return this.#take(MOST_LINE_BYTES, this.#left.length);
      }
      if (this.#isEnd) {
        this.#isEnd = false; // a terminal may continue
        return this.#left.length === 0
          ? null
          : this.#take(this.#left.length, this.#left.length);
      }
      looked = this.#left.length;
      await orAborted(this.#fill(), signal);
    }
  }

  /** Whether a read is waiting for input: the next bytes go to it. */
  get isReading(): boolean {
    return this.#reading !== null;
  }

  /** Resolves when {@linkcode Input.taken} has something. Takes nothing. */
  async ready(): Promise<void> {
    if (this.#left.length === 0 && !this.#isEnd) await this.#fill();
  }

  /** The bytes read so far; `null` at the end of the input. */
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

  /** The first `end` bytes as text; continues after `next`. */
  #take(end: number, next: number): string {
    const line = new TextDecoder().decode(this.#left.subarray(0, end));
    this.#left = this.#left.slice(next);
    return line.replace(/\r$/, "");
  }
}

const NEWLINE = 0x0a;
