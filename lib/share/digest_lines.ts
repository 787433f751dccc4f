/**
 * The lines of an index of digests: one for each file, `CONTENT SHA256 CHECK
 * "KEY"`, and its age after that if it has one.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { joinBytes } from "../base/bytes.ts";
import { LIMITS } from "../base/limits.ts";
import { Turns } from "../base/turns.ts";
import { DigestIndex } from "./digest_index.ts";
import type { FileDigest } from "./file_table.ts";

/** Two digests and a key, which JSON can make six times as long. */
export const LINE_BYTES = 8 * 1024;
const READ_BYTES = 256 * 1024;
const BATCH_LINES = 256;

/** Ends a line. */
export const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A line of the file, parsed or not. */
interface Line {
  /** Offset of the line. */
  readonly offset: number;
  /** The line without its end; valid only until the next one. */
  readonly bytes: Uint8Array;
  /** Whether the line is complete. */
  readonly isWhole: boolean;
}

/** Yields the lines of a file; none if there is no file. Gives others turns. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  using file = await openIfThere(path);
  if (file === null) return;
  const turns = new Turns(LIMITS.turnMs);
  const buffer = new Uint8Array(READ_BYTES);
  let [offset, filled] = [0, 0];
  for (;;) {
    const count = await file.read(buffer.subarray(filled));
    filled += count ?? 0;
    let start = 0;
    for (;;) {
      const end = buffer.subarray(0, filled).indexOf(NEWLINE, start);
      if (end < 0) break;
      const bytes = buffer.subarray(start, end);
      yield { offset: offset + start, bytes, isWhole: true };
      start = end + 1;
      if (turns.isOver) await turns.give();
    }
    // None of our lines is as long as the buffer.
    if (start === 0 && filled === buffer.length) start = filled;
    const bytes = buffer.subarray(start, filled);
    if (count === null) {
      if (bytes.length > 0) {
        yield { offset: offset + start, bytes, isWhole: false };
      }
      return;
    }
    buffer.copyWithin(0, start, filled);
    filled -= start;
    offset += start;
  }
}

async function openIfThere(path: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Writes all parts. */
export function writeAll(
  file: Deno.FsFile,
  parts: readonly Uint8Array[],
): void {
  const bytes = joinBytes(parts);
  for (let written = 0; written < bytes.length;) {
    written += file.writeSync(bytes.subarray(written));
  }
}

/** The bytes of a line. */
export function encodeLine(
  key: string,
  { content, sha256 }: FileDigest,
  age = 0,
): Uint8Array {
  const quoted = JSON.stringify(key);
  const check = checkOf(content, sha256, quoted);
  const end = age === 0 ? "\n" : ` ${age}\n`;
  return encoder.encode(`${content} ${sha256} ${check} ${quoted}${end}`);
}

/**
 * A checksum, which detects damage. Without it, a wrong SHA-256 of a file with
 * several pieces would be noticed only after a client has fetched all of it.
 */
function checkOf(content: string, sha256: string, quoted: string): string {
  return crc32(`${content} ${sha256} ${quoted}`).toString(16).padStart(8, "0");
}

/** What a line says. */
export interface ParsedLine {
  readonly key: string;
  readonly digest: FileDigest;
  /** How many prunings in sequence found no file for it. */
  readonly age: number;
}

/** Parses a line; `undefined` if it is damaged. */
export function parseLine(bytes: Uint8Array): ParsedLine | undefined {
  if (bytes.length > LINE_BYTES) return undefined;
  const match =
    /^([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9a-f]{8}) (".*")(?: ([1-9]))?$/s
      .exec(decoder.decode(bytes));
  if (match === null) return undefined;
  const [, content = "", sha256 = "", check, quoted = "", age = 0] = match;
  if (check !== checkOf(content, sha256, quoted)) return undefined;
  try {
    const key = JSON.parse(quoted) as string;
    return { key, digest: { content, sha256 }, age: Number(age) };
  } catch {
    return undefined; // cut off
  }
}

/** An index as it was read. */
export interface ReadIndex {
  /** The last line of each key. */
  readonly lines: DigestIndex;
  readonly lineCount: number;
  /** Whether the last line has no end. */
  readonly isCut: boolean;
}

/** Finds the last line of each key. */
export async function readIndex(path: string): Promise<ReadIndex> {
  const lines = new DigestIndex();
  let [lineCount, isCut] = [0, false];
  for await (const { offset, bytes, isWhole } of linesOf(path)) {
    lineCount++;
    isCut = !isWhole;
    const parsed = parseLine(bytes);
    if (parsed !== undefined) lines.set(parsed.key, offset);
  }
  return { lines, lineCount, isCut };
}

/**
 * Writes the last line of each key to a new file at `target`, with the age that
 * `ageOf` gives it, or not at all if that is `undefined`.
 */
export async function copyIndex(
  { path, lines, target }: {
    path: string;
    lines: DigestIndex;
    target: string;
  },
  ageOf: (line: ParsedLine) => number | undefined,
): Promise<DigestIndex> {
  const copied = new DigestIndex();
  using file = await Deno.open(target, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  let end = 0;
  let batch: Uint8Array[] = [];
  for await (const { offset, bytes } of linesOf(path)) {
    const parsed = parseLine(bytes);
    if (parsed === undefined || lines.get(parsed.key) !== offset) continue;
    const age = ageOf(parsed);
    if (age === undefined) continue;
    const line = encodeLine(parsed.key, parsed.digest, age);
    copied.set(parsed.key, end);
    end += line.length;
    if (batch.push(line) < BATCH_LINES) continue;
    writeAll(file, batch);
    batch = [];
  }
  writeAll(file, batch);
  await file.sync();
  return copied;
}
