/**
 * Digests on the disk, in a folder of `--state`: one line for each file in
 * `index`, and the piece hashes of larger files in their own files, named by
 * content id. Everything in it can be computed again, so damaged parts are
 * ignored. Only the positions of the lines stay in memory.
 *
 * @module
 */

import { joinBytes } from "../base/bytes.ts";
import { crc32 } from "node:zlib";
import { join } from "@std/path/join";
import { DigestIndex } from "./digest_index.ts";
import type { DescribedFile } from "./digesting.ts";
import type { DigestStore } from "./manifest_cache.ts";
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import type { FileDigest } from "./file_table.ts";
import { HASH_BYTES } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";
import { isContentId } from "../content/manifest.ts";
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { show } from "../base/text.ts";
import { Turns } from "../base/turns.ts";

const FLUSH_MS = 1_000;
const FLUSH_LINES = 256;
// The most lines kept while the disk is full; beyond that the oldest are
// dropped.
const PENDING_LINES = 4_096;
// Two digests and a key, which JSON can make six times as long.
const LINE_BYTES = 8 * 1024;
const READ_BYTES = 256 * 1024;
const MANIFEST_BYTES = LIMITS.pieceCount * HASH_BYTES;

/** Stores digests in a folder. Disposing writes what is pending. */
export class DigestFolder implements DigestStore, Disposable {
  readonly #folder: string;
  #lines = new DigestIndex();
  /** The line that is being read: a buffer for each would be garbage. */
  readonly #line = new Uint8Array(LINE_BYTES);
  /** Open for reading single lines. */
  #file: Deno.FsFile | null = null;
  /** Digests that are not written yet. */
  readonly #pending = new Map<string, FileDigest>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Opens the folder, or makes it if there is none.
   *
   * @throws {Failure} of kind `local` if it cannot be used.
   */
  static async open(folder: string): Promise<DigestFolder> {
    try {
      requireAccess(folder, "read", "write");
      await Deno.mkdir(join(folder, "manifests"), {
        recursive: true,
        mode: 0o700,
      });
      const store = new DigestFolder(folder);
      const { lineCount, isCut } = await store.#readIndex();
      if (isCut || lineCount > 2 * store.#lines.count + 100) {
        await store.#rewrite();
      }
      return store;
    } catch (error) {
      throw new Failure(localKindOf(error), {
        what: "Cannot use state folder",
        where: show(folder),
        why: describeCause(error),
        ...(error instanceof Deno.errors.NotCapable
          ? { remedy: grantRemedy([folder], "read", "write") }
          : { remedyCode: "other_state" }),
        cause: error,
      });
    }
  }

  /** The stored digest of a file. */
  get(key: string): FileDigest | undefined {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const offset = this.#lines.get(key);
    if (offset === undefined) return undefined;
    const parsed = this.#lineAt(offset);
    return parsed?.key === key ? parsed.digest : undefined;
  }

  /** Stores a digest, and writes it soon. */
  put(key: string, { content, sha256, manifest }: DescribedFile): void {
    if (manifest.pieceCount > 1) this.#writeManifest(content, manifest.hashes);
    this.#pending.delete(key); // moves the key to the end
    this.#pending.set(key, { content, sha256 });
    if (this.#pending.size % FLUSH_LINES === 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  /** The piece hashes of a stored manifest, by content id. */
  hashesOf(content: string): Uint8Array | undefined {
    if (!isContentId(content)) return undefined;
    const path = join(this.#folder, "manifests", content);
    try {
      const { isFile, size } = Deno.statSync(path);
      return isFile && size <= MANIFEST_BYTES
        ? Deno.readFileSync(path)
        : undefined;
    } catch {
      return undefined; // will be computed again
    }
  }

  #writeManifest(content: string, hashes: Uint8Array): void {
    const path = join(this.#folder, "manifests", content);
    this.#attempt(() => Deno.writeFileSync(path, hashes, { mode: 0o600 }));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    const isWritten = this.#attempt(() => this.#append([...this.#pending]));
    if (isWritten) return this.#pending.clear();
    for (const key of this.#pending.keys()) {
      if (this.#pending.size <= PENDING_LINES) return;
      this.#pending.delete(key);
    }
  }

  #append(digests: readonly (readonly [string, FileDigest])[]): void {
    const path = this.#indexPath;
    const lines = digests.map(([key, digest]) =>
      encoder.encode(formatLine(key, digest))
    );
    using file = Deno.openSync(path, {
      append: true,
      create: true,
      mode: 0o600,
    });
    let offset = file.statSync().size;
    writeAll(file, lines);
    for (const [index, [key]] of digests.entries()) {
      this.#lines.set(key, offset);
      offset += lines[index]!.length;
    }
  }

  #lineAt(offset: number): ParsedLine | undefined {
    let parsed: ParsedLine | undefined;
    this.#attempt(() => {
      this.#file ??= Deno.openSync(this.#indexPath);
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      const bytes = this.#line;
      const count = this.#file.readSync(bytes) ?? 0;
      const end = bytes.subarray(0, count).indexOf(NEWLINE);
      parsed = parseLine(bytes.subarray(0, end < 0 ? count : end));
    });
    return parsed;
  }

  /** Finds the last line of each key. */
  async #readIndex(): Promise<{ lineCount: number; isCut: boolean }> {
    let lineCount = 0;
    let isCut = false;
    for await (const { offset, bytes, isWhole } of linesOf(this.#indexPath)) {
      lineCount++;
      isCut = !isWhole;
      const parsed = parseLine(bytes);
      if (parsed !== undefined) this.#lines.set(parsed.key, offset);
    }
    return { lineCount, isCut };
  }

  /**
   * Whether `write` worked. After a failure, such as a full disk, the next
   * start only takes longer.
   */
  #attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (error instanceof TypeError) throw error;
      return false;
    }
  }

  /**
   * Rewrites the file without damaged lines and with only the last line of each
   * key.
   */
  async #rewrite(): Promise<void> {
    const temporary = join(this.#folder, `index.${crypto.randomUUID()}`);
    const lines = new DigestIndex();
    {
      using file = await Deno.open(temporary, {
        write: true,
        createNew: true,
        mode: 0o600,
      });
      let end = 0;
      let batch: Uint8Array[] = [];
      for await (const { offset, bytes } of linesOf(this.#indexPath)) {
        const parsed = parseLine(bytes);
        if (parsed === undefined) continue;
        if (this.#lines.get(parsed.key) !== offset) continue;
        const line = encoder.encode(formatLine(parsed.key, parsed.digest));
        lines.set(parsed.key, end);
        end += line.length;
        if (batch.push(line) < FLUSH_LINES) continue;
        writeAll(file, batch);
        batch = [];
      }
      writeAll(file, batch);
    }
    await Deno.rename(temporary, this.#indexPath);
    this.#lines = lines;
  }

  get #indexPath(): string {
    return join(this.#folder, "index");
  }

  /** Writes what is pending. */
  [Symbol.dispose](): void {
    this.#flush();
    this.#file?.close();
    this.#file = null;
  }
}

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

interface Line {
  /** Offset of the line. */
  readonly offset: number;
  /** The line without its end; valid only until the next one. */
  readonly bytes: Uint8Array;
  /** Whether the line is complete. */
  readonly isWhole: boolean;
}

/** Yields the lines of a file; none if there is no file. Gives others turns. */
async function* linesOf(path: string): AsyncGenerator<Line> {
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

function writeAll(file: Deno.FsFile, parts: readonly Uint8Array[]): void {
  const bytes = joinBytes(parts);
  for (let written = 0; written < bytes.length;) {
    written += file.writeSync(bytes.subarray(written));
  }
}

function formatLine(key: string, { content, sha256 }: FileDigest): string {
  const quoted = JSON.stringify(key);
  const check = checkOf(content, sha256, quoted);
  return `${content} ${sha256} ${check} ${quoted}\n`;
}

/**
 * A checksum, which detects damage. Without it, a wrong SHA-256 of a file with
 * several pieces would be noticed only after a client has fetched all of it.
 */
function checkOf(content: string, sha256: string, quoted: string): string {
  return crc32(`${content} ${sha256} ${quoted}`).toString(16).padStart(8, "0");
}

interface ParsedLine {
  readonly key: string;
  readonly digest: FileDigest;
}

/** Parses a line; `undefined` if it is damaged. */
function parseLine(bytes: Uint8Array): ParsedLine | undefined {
  if (bytes.length > LINE_BYTES) return undefined;
  const match = /^([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9a-f]{8}) (".*")$/s
    .exec(decoder.decode(bytes));
  if (match === null) return undefined;
  const [, content = "", sha256 = "", check, quoted = ""] = match;
  if (check !== checkOf(content, sha256, quoted)) return undefined;
  try {
    return { key: JSON.parse(quoted) as string, digest: { content, sha256 } };
  } catch {
    return undefined; // cut off
  }
}
