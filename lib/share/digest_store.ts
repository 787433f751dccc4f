/**
 * Digests on the disk, in a folder of `--state`: one line for each file in
 * `index`, and the piece hashes of larger files in their own files, named by
 * content id. Everything in it can be computed again, so damaged parts are
 * ignored. Only the positions of the lines stay in memory.
 *
 * @module
 */

import { join } from "@std/path/join";
import { DigestIndex } from "./digest_index.ts";
import {
  copyIndex,
  encodeLine,
  LINE_BYTES,
  NEWLINE,
  type ParsedLine,
  parseLine,
  readIndex,
  writeAll,
} from "./digest_lines.ts";
import { DigestPruning } from "./digest_pruning.ts";
import type { DescribedFile, Standing } from "./digesting.ts";
import type { DigestStore } from "./manifest_cache.ts";
import { describeCause, Failure, isBug, localKindOf } from "../base/errors.ts";
import type { FileDigest } from "./file_table.ts";
import { HASH_BYTES } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";
import { isContentId } from "../content/manifest.ts";
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { show } from "../base/text.ts";

const FLUSH_MS = 1_000;
const FLUSH_LINES = 256;
// The most lines kept while the disk is full; beyond that the oldest are
// dropped.
const PENDING_LINES = 4_096;
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
  readonly #pruning: DigestPruning;
  /** While the index is copied, nothing is appended to it. */
  #isPruned = false;
  /** Whether the index may end in a part of a line: the disk was full. */
  #isCut = false;

  private constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#pruning = new DigestPruning(folder, now);
  }

  /**
   * Opens the folder, or makes it if there is none. Reads the clock by `now`,
   * in milliseconds since 1970.
   *
   * @throws {Failure} of kind `local` if it cannot be used.
   */
  static async open(
    folder: string,
    now: () => number = () => Date.now(),
  ): Promise<DigestFolder> {
    try {
      requireAccess(folder, "read", "write");
      await Deno.mkdir(join(folder, "manifests"), {
        recursive: true,
        mode: 0o700,
      });
      const store = new DigestFolder(folder, now);
      const { lines, lineCount, isCut } = await readIndex(store.#indexPath);
      store.#lines = lines;
      store.#isCut = isCut;
      if (isCut || lineCount > 2 * lines.count + 100) await store.#rewrite();
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
    if (parsed?.key !== key) return undefined;
    if (parsed.age > 0) this.#write(key, parsed.digest); // it is back
    return parsed.digest;
  }

  /** Stores a digest, and writes it soon. */
  put(key: string, { content, sha256, manifest }: DescribedFile): void {
    if (manifest.pieceCount > 1) this.#writeManifest(content, manifest.hashes);
    this.#write(key, { content, sha256 });
  }

  /**
   * Forgets the digests of files that have been missing for long, if it is
   * time. `standingOf` says what became of the file that a key was made for.
   * After a failure it is tried again later.
   */
  async prune(
    standingOf: (key: string) => Standing,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      const task = this.#pruning.due();
      if (task === undefined) return;
      this.#flush();
      this.#isPruned = true;
      const lines = await this.#pruning.run(task, standingOf, signal);
      if (lines !== undefined) this.#use(lines);
    } catch (error) {
      if (isBug(error)) throw error;
    } finally {
      this.#isPruned = false;
      this.#flush();
    }
  }

  /** Reads from a new file from now on. */
  #use(lines: DigestIndex): void {
    this.#lines = lines;
    this.#file?.close();
    this.#file = null;
  }

  #write(key: string, digest: FileDigest): void {
    this.#pending.delete(key); // moves the key to the end
    this.#pending.set(key, digest);
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
    this.#pruning.grown(hashes.length);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.size === 0 || this.#isPruned) return;
    const isWritten = this.#attempt(() => this.#append([...this.#pending]));
    if (isWritten) return this.#pending.clear();
    for (const key of this.#pending.keys()) {
      if (this.#pending.size <= PENDING_LINES) return;
      this.#pending.delete(key);
    }
  }

  #append(digests: readonly (readonly [string, FileDigest])[]): void {
    const path = this.#indexPath;
    const lines = digests.map(([key, digest]) => encodeLine(key, digest));
    using file = Deno.openSync(path, {
      append: true,
      create: true,
      mode: 0o600,
    });
    const start = this.#isCut ? [Uint8Array.of(NEWLINE)] : [];
    let offset = file.statSync().size + start.length;
    this.#isCut = true;
    writeAll(file, [...start, ...lines]);
    this.#isCut = false;
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
   * key. On a full disk it stays as it is.
   */
  async #rewrite(): Promise<void> {
    const path = this.#indexPath;
    const target = join(this.#folder, `index.${crypto.randomUUID()}`);
    const file = { path, lines: this.#lines, target };
    try {
      const lines = await copyIndex(file, ({ age }) => age);
      await Deno.rename(target, path);
      this.#use(lines);
      this.#isCut = false;
    } catch (error) {
      if (isBug(error)) throw error;
      await Deno.remove(target).catch(() => {});
    }
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
