/**
 * The files of a share, in columns: the last known state of each, and the
 * digests of hashed files. It takes about 200 bytes a file, where objects would
 * take 2,000. Finds a file by name, version or content, and iterates over names
 * in order. Pure. Every call is short, whatever the number of files.
 *
 * @module
 */

import {
  BLOCK_ROWS,
  copied,
  FREE,
  hashAt,
  HASHED,
  RowBlock,
  STAMP_NUMBERS,
  TRIED,
  UNHASHED,
  VERSION_WORDS,
  wordOf,
  wordsOf,
} from "./row_block.ts";
import { type Indexable, IndexMarks, KNOWN, NAMED } from "./index_marks.ts";
import type { NameListener } from "./index_marks.ts";
import { RowHash } from "./row_hash.ts";
import type { ShareFile } from "./shared_file.ts";
import { SortedRows } from "./sorted_rows.ts";

/** The digests of a file's content. */
export interface FileDigest {
  /** Content id: the hash of the manifest, 64 hexadecimal digits. */
  readonly content: string;
  /** SHA-256 of the whole file, as `sha256sum` prints it. */
  readonly sha256: string;
}

/** The part of the files to iterate over. */
export interface Stretch {
  /** The names begin with this. */
  readonly prefix: string;
  /** The names come after this one. */
  readonly after?: string | undefined;
  /** The most files to return. */
  readonly most: number;
}

/** A folder that holds files; its base is added to its name and path. */
interface Folder {
  /** The start of its files' names. */
  readonly name: string;
  /** The start of its files' paths. */
  readonly path: string;
  fileCount: number;
}

/** The files of one share. */
export class FileTable {
  readonly #separator: string;
  readonly #blocks: RowBlock[] = [];
  readonly #freeRows: number[] = [];
  #rowCount = 0;
  readonly #folders: (Folder | null)[] = [];
  readonly #freeFolders: number[] = [];
  readonly #folderByPath = new Map<string, number>();
  /** Bases as they are on the disk, if that is not NFC. */
  readonly #diskBases = new Map<number, string>();
  readonly #byName = new SortedRows((row, name) => this.#compare(row, name));
  /**
   * The last comparison: a name, a folder, and the rest of the name below that
   * folder.
   */
  #compared = { name: "", folder: "", rest: "" };
  readonly #byVersion = new RowHash((row) => {
    const { versions } = this.#block(row);
    return versions[(row % BLOCK_ROWS) * VERSION_WORDS]!;
  });
  readonly #byContent = new RowHash((row) => wordOf(this.#contentOf(row)));
  #look = 0;
  #fileCount = 0;
  #unhashedCount = 0;
  readonly #marks = new IndexMarks();

  /** `separator` separates the components of a path. */
  constructor(separator: string) {
    this.#separator = separator;
  }

  /**
   * Adds an index of names and contents; returns its number. All of them are
   * new to it.
   */
  addIndex(listener: NameListener): number {
    return this.#marks.add(listener, this.#blocks);
  }

  get fileCount(): number {
    return this.#fileCount;
  }

  /** Files that have not been hashed, and have not failed to hash. */
  get unhashedCount(): number {
    return this.#unhashedCount;
  }

  /** The file with this name. */
  named(name: string): ShareFile | undefined {
    const row = this.#byName.find(name);
    return row === undefined ? undefined : this.#fileOf(row);
  }

  /** The file with this version. */
  versioned(version: string): ShareFile | undefined {
    const row = this.#rowOf(version);
    return row === undefined ? undefined : this.#fileOf(row);
  }

  /** Files in the order of their names. Visits no others. */
  stretch({ prefix, after, most }: Stretch): ShareFile[] {
    const files: ShareFile[] = [];
    const isLater = after !== undefined && after >= prefix;
    for (const row of this.#byName.from(isLater ? after : prefix)) {
      const name = this.#nameOf(row);
      if (!name.startsWith(prefix) || files.length >= most) break;
      if (name !== after) files.push(this.#fileOf(row));
    }
    return files;
  }

  /** Adds a file, or replaces the one with the same name. */
  put(file: ShareFile): void {
    const marks = this.#remove(file.name);
    const row = this.#freeRows.pop() ?? this.#newRow();
    const block = this.#block(row);
    const at = row % BLOCK_ROWS;
    this.#place(row, file);
    block.stamps.set(
      [
        file.size,
        file.modifiedMs,
        file.changedAt,
        file.device,
        file.inode ?? -1, // if the system has none
      ],
      at * STAMP_NUMBERS,
    );
    block.executables[at] = Number(file.isExecutable);
    block.versions.set(wordsOf(file.version), at * VERSION_WORDS);
    block.states[at] = UNHASHED;
    block.seen[at] = this.#look;
    this.#byVersion.add(row);
    this.#byName.add(row, file.name);
    this.#fileCount++;
    this.#unhashedCount++;
    this.#marks.placed(block, at, marks);
  }

  /** Removes a file and its digest. */
  delete(name: string): void {
    this.#marks.notifyRemoved(this.#remove(name), NAMED, { name });
  }

  /** Removes a file; returns its marks: indexes still count its name. */
  #remove(name: string): number {
    const row = this.#byName.find(name);
    if (row === undefined) return 0;
    const block = this.#block(row);
    const at = row % BLOCK_ROWS;
    if (block.states[at] === UNHASHED) this.#unhashedCount--;
    const marks = this.#marks.removed(block, at);
    if (block.states[at] === HASHED) {
      const content = this.#contentOf(row).toHex();
      this.#marks.notifyRemoved(marks, KNOWN, { content });
      this.#unchain(row);
    }
    this.#byVersion.delete(row);
    this.#byName.delete(name);
    this.#displace(row);
    block.states[at] = FREE;
    this.#freeRows.push(row);
    this.#fileCount--;
    return marks;
  }

  /**
   * Names and contents that an index does not count yet. The caller counts each
   * before it asks for the next.
   */
  *takeUnindexed(index: number): Generator<Indexable, void> {
    for (const { row, lacks } of this.#marks.take(index, this.#blocks)) {
      yield {
        ...lacks & NAMED ? { name: this.#nameOf(row) } : {},
        ...lacks & KNOWN ? { content: this.#contentOf(row).toHex() } : {},
      };
    }
  }

  /** Lets an index count all of them again. */
  unindexAll(index: number): void {
    this.#marks.clear(index, this.#blocks);
  }

  /** Begins a scan. Files that it does not see no longer exist. */
  beginLook(): void {
    this.#look = (this.#look + 1) % 256;
  }

  /** Notes that the scan has seen a file. */
  see(name: string): void {
    const row = this.#byName.find(name);
    if (row !== undefined) this.#block(row).seen[row % BLOCK_ROWS] = this.#look;
  }

  /**
   * The first file from `row` on that the last scan did not see, and the row to
   * continue from.
   */
  unseenFrom(row: number): { name: string; next: number } | undefined {
    let number = Math.floor(row / BLOCK_ROWS);
    let at = row % BLOCK_ROWS;
    for (; number < this.#blocks.length; number++, at = 0) {
      const { states, seen } = this.#blocks[number]!;
      for (; at < BLOCK_ROWS; at++) {
        if (states[at] === FREE || seen[at] === this.#look) continue;
        const next = number * BLOCK_ROWS + at;
        return { name: this.#nameOf(next), next: next + 1 };
      }
    }
    return undefined;
  }

  /** The digest of a file's content, if the file has this version. */
  digestOf(version: string): FileDigest | undefined {
    const row = this.#rowOf(version);
    if (row === undefined) return undefined;
    const { states, sums } = this.#block(row);
    const at = row % BLOCK_ROWS;
    if (states[at] !== HASHED) return undefined;
    return {
      content: this.#contentOf(row).toHex(),
      sha256: hashAt(sums, at).toHex(),
    };
  }

  /** Stores a file's digest, if the file still has this version. */
  learn(version: string, { content, sha256 }: FileDigest): void {
    const row = this.#rowOf(version);
    if (row === undefined) return;
    const { states, contents, sums } = this.#block(row);
    const at = row % BLOCK_ROWS;
    if (states[at] === HASHED) return;
    if (states[at] === UNHASHED) this.#unhashedCount--;
    states[at] = HASHED;
    hashAt(contents, at).setFromHex(content);
    hashAt(sums, at).setFromHex(sha256);
    this.#chain(row, content);
    this.#marks.hashed();
  }

  /**
   * Notes that a file could not be hashed: it is tried again only on request.
   */
  giveUp(version: string): void {
    const row = this.#rowOf(version);
    if (row === undefined) return;
    const { states } = this.#block(row);
    if (states[row % BLOCK_ROWS] !== UNHASHED) return;
    states[row % BLOCK_ROWS] = TRIED;
    this.#unhashedCount--;
  }

  /**
   * The first file from `row` on that is unhashed and untried, and the row to
   * continue from.
   */
  unhashedFrom(row: number): { file: ShareFile; next: number } | undefined {
    if (this.#unhashedCount === 0) return undefined;
    let number = Math.floor(row / BLOCK_ROWS);
    let at = row % BLOCK_ROWS;
    for (; number < this.#blocks.length; number++, at = 0) {
      const found = this.#blocks[number]!.states.indexOf(UNHASHED, at);
      if (found < 0) continue;
      const next = number * BLOCK_ROWS + found;
      return { file: this.#fileOf(next), next: next + 1 };
    }
    return undefined;
  }

  /** All files with a content, the most recently hashed first. */
  *withContent(content: string): Generator<ShareFile> {
    let row = this.#headOf(content);
    while (row !== undefined) {
      yield this.#fileOf(row);
      const { after } = this.#block(row);
      const next = after[row % BLOCK_ROWS]!;
      row = next === 0 ? undefined : next - 1;
    }
  }

  #newRow(): number {
    if (this.#rowCount % BLOCK_ROWS === 0) this.#blocks.push(new RowBlock());
    return this.#rowCount++;
  }

  #block(row: number): RowBlock {
    return this.#blocks[Math.floor(row / BLOCK_ROWS)]!;
  }

  /**
   * Compares names without joining their parts, because joining takes most of
   * the time.
   */
  #compare(row: number, name: string): number {
    const { folders, bases } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const folder = this.#folders[folders[at]!]!.name;
    let last = this.#compared;
    if (last.name !== name || last.folder !== folder) {
      if (!name.startsWith(folder)) return folder < name ? -1 : 1;
      last = { name, folder, rest: name.slice(folder.length) };
      this.#compared = last;
    }
    const base = bases[at]!;
    return base < last.rest ? -1 : base > last.rest ? 1 : 0;
  }

  #nameOf(row: number): string {
    const { folders, bases } = this.#block(row);
    const at = row % BLOCK_ROWS;
    return this.#folders[folders[at]!]!.name + bases[at];
  }

  #fileOf(row: number): ShareFile {
    const { folders, bases, executables, stamps, versions } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const folder = this.#folders[folders[at]!]!;
    const base = bases[at]!;
    const inode = stamps[at * STAMP_NUMBERS + 4]!;
    let version = "";
    for (let word = 0; word < VERSION_WORDS; word++) {
      version += versions[at * VERSION_WORDS + word]!
        .toString(16).padStart(8, "0");
    }
    return {
      name: folder.name + base,
      size: stamps[at * STAMP_NUMBERS]!,
      modifiedMs: stamps[at * STAMP_NUMBERS + 1]!,
      isExecutable: executables[at] === 1,
      changedAt: stamps[at * STAMP_NUMBERS + 2]!,
      device: stamps[at * STAMP_NUMBERS + 3]!,
      inode: inode === -1 ? null : inode,
      version,
      path: folder.path + (this.#diskBases.get(row) ?? base),
    };
  }

  #rowOf(version: string): number | undefined {
    if (!/^[0-9a-f]{32}$/.test(version)) return undefined;
    const words = wordsOf(version);
    return this.#byVersion.find(words[0]!, (row) => {
      const { versions } = this.#block(row);
      const start = (row % BLOCK_ROWS) * VERSION_WORDS;
      return words.every((word, index) => versions[start + index] === word);
    });
  }

  #place(row: number, { name, path }: ShareFile): void {
    const { folders, bases } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const base = copied(name.slice(name.lastIndexOf("/") + 1));
    const cut = path.lastIndexOf(this.#separator) + 1;
    const diskBase = path.slice(cut);
    folders[at] = this.#folderAt(
      path.slice(0, cut),
      name.slice(0, name.lastIndexOf("/") + 1),
    );
    bases[at] = base;
    if (diskBase !== base) this.#diskBases.set(row, copied(diskBase));
  }

  #displace(row: number): void {
    const { folders, bases } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const number = folders[at]!;
    const folder = this.#folders[number]!;
    bases[at] = "";
    this.#diskBases.delete(row);
    if (--folder.fileCount > 0) return;
    this.#folderByPath.delete(folder.path);
    this.#folders[number] = null;
    this.#freeFolders.push(number);
  }

  #folderAt(path: string, name: string): number {
    let number = this.#folderByPath.get(path);
    if (number === undefined) {
      number = this.#freeFolders.pop() ?? this.#folders.length;
      const own = copied(path);
      this.#folders[number] = { name: copied(name), path: own, fileCount: 0 };
      this.#folderByPath.set(own, number);
    }
    this.#folders[number]!.fileCount++;
    return number;
  }

  #contentOf(row: number): Uint8Array {
    return hashAt(this.#block(row).contents, row % BLOCK_ROWS);
  }

  #headOf(content: string): number | undefined {
    const wanted = Uint8Array.fromHex(content);
    return this.#byContent.find(wordOf(wanted), (row) => {
      const own = this.#contentOf(row);
      return wanted.every((byte, index) => own[index] === byte);
    });
  }

  /** Puts a row at the head of the list for its content. */
  #chain(row: number, content: string): void {
    const { before, after } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const head = this.#headOf(content);
    before[at] = 0;
    after[at] = head === undefined ? 0 : head + 1;
    if (head !== undefined) {
      this.#byContent.delete(head);
      this.#block(head).before[head % BLOCK_ROWS] = row + 1;
    }
    this.#byContent.add(row);
  }

  #unchain(row: number): void {
    const { before, after } = this.#block(row);
    const at = row % BLOCK_ROWS;
    const [previous, next] = [before[at]! - 1, after[at]! - 1];
    if (previous < 0) this.#byContent.delete(row);
    else this.#block(previous).after[previous % BLOCK_ROWS] = next + 1;
    if (next < 0) return;
    this.#block(next).before[next % BLOCK_ROWS] = previous + 1;
    if (previous < 0) this.#byContent.add(next);
  }
}
