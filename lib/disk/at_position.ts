/**
 * Reads and writes whole buffers at a position of an open file.
 *
 * @module
 */

import { systemErrorCode } from "../base/errors.ts";

/** Fills a buffer from a position; `false` if the file ends before. */
export async function readAt(
  file: Deno.FsFile,
  start: number,
  buffer: Uint8Array,
): Promise<boolean> {
  file.seekSync(start, Deno.SeekMode.Start);
  for (let filled = 0; filled < buffer.length;) {
    const read = await file.read(buffer.subarray(filled));
    if (read === null) return false;
    filled += read;
  }
  return true;
}

/** Writes all bytes to a position, in as many steps as the disk takes. */
export async function writeAt(
  file: Deno.FsFile,
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  file.seekSync(position, Deno.SeekMode.Start);
  for (let written = 0; written < bytes.length;) {
    written += await uninterrupted(() => file.write(bytes.subarray(written)));
  }
}

/** Repeats a call that a signal has interrupted. */
async function uninterrupted<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (systemErrorCode(error) !== "EINTR") throw error;
    }
  }
}
