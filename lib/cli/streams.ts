/**
 * Standard input and output as the roles need them.
 *
 * @module
 */

import { LimitedBytesTransformStream, TextLineStream } from "@std/streams";
import { describeCause, Failure } from "../errors.ts";

/** Writes all of `bytes`; a reader that has left is a {@linkcode Failure}. */
export async function writeAll(
  output: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  try {
    for (let written = 0; written < bytes.length;) {
      written += await output.write(bytes.subarray(written));
    }
  } catch (cause) {
    throw new Failure("local", {
      what: "Cannot write to stdout",
      why: describeCause(cause),
      cause,
    });
  }
}

// What a person types is short; a pipe without line breaks could go on for ever.
const MOST_INPUT_BYTES = 64 * 1024;

/** Lines of standard input, without their ends. The caller returns it. */
export async function* inputLines(): AsyncGenerator<string> {
  const lines = Deno.stdin.readable
    .pipeThrough(new LimitedBytesTransformStream(MOST_INPUT_BYTES))
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) yield line;
}
