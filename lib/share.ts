/**
 * The folder a node serves. The only module that turns a stranger's name into a
 * file, and it does so by looking the name up among those it found itself,
 * never by joining a path. Links, pipes, sockets and devices are not followed
 * or opened; what was opened is compared with what was found.
 *
 * @module
 */

import { join } from "@std/path";
import { delay } from "@std/async/delay";
import { describeCause, Failure } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { safeName } from "./names.ts";
import { show } from "./text.ts";

/** A file that can be served. */
export interface ShareFile {
  /** Its name in the share: components joined by `/`, NFC. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Changes whenever the file does; tells nothing else. */
  readonly version: string;
}

/** Why entries of a folder are not shared, and how many. */
export interface SkipCounts {
  /** Symbolic links. */
  readonly link: number;
  /** Pipes, sockets, devices. */
  readonly special: number;
  /** Names that are not valid or not portable. */
  readonly name: number;
  /** Names equal to another's after normalisation. */
  readonly clash: number;
  /** Entries that could not be looked at. */
  readonly unreadable: number;
  /** Files beyond the number that one share may hold, or the largest size. */
  readonly excess: number;
}

/** A file of the share, open. The caller closes it. */
export interface OpenedFile extends Disposable {
  /** What was opened. */
  readonly file: ShareFile;
  /** Reads on from where the last read ended; `null` at the end of the file. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Whether the file is still what it was when it was opened. */
  isUnchanged(): Promise<boolean>;
}

/** A file that was opened, or why not. */
export type OpenOutcome =
  | { readonly kind: "opened"; readonly opened: OpenedFile }
  | {
    readonly kind: "refused";
    readonly reason: "gone" | "changed" | "unreadable";
  };

/** What `lstat` said of a file, as far as it matters. */
interface Entry extends ShareFile {
  readonly path: string;
}

interface Scan {
  readonly entries: Map<string, Entry>;
  readonly skipped: Record<keyof SkipCounts, number>;
}

// Between two slices of a scan other work of the process gets its turn.
const SLICE_ENTRIES = 512;

/** The files below one folder. */
export class Share {
  /** The folder, as it was given. */
  readonly root: string;
  readonly #realRoot: string;
  readonly #limits: Limits;
  #scan: Scan;
  #scannedAt: number;
  #scanning: Promise<void> | null = null;

  private constructor(
    root: { given: string; real: string },
    limits: Limits,
    scan: Scan,
  ) {
    this.root = root.given;
    this.#realRoot = root.real;
    this.#limits = limits;
    this.#scan = scan;
    this.#scannedAt = performance.now();
  }

  /**
   * Looks through `root` and all its sub-folders.
   *
   * @throws {Failure} of kind `local` when it is no folder or cannot be read.
   */
  static async open(root: string, limits: Limits): Promise<Share> {
    try {
      if (!(await Deno.stat(root)).isDirectory) {
        throw new Deno.errors.NotADirectory(root);
      }
      const real = await Deno.realPath(root);
      return new Share({ given: root, real }, limits, await scan(real, limits));
    } catch (error) {
      throw new Failure("local", {
        what: "Cannot share folder",
        where: show(root),
        why: describeCause(error),
        remedy: error instanceof Deno.errors.NotCapable
          ? `grant it with --allow-read=${show(root)}`
          : "name a folder that exists and can be read",
        cause: error,
      });
    }
  }

  /** Number of files. */
  get fileCount(): number {
    return this.#scan.entries.size;
  }

  /** What lies in the folder and is not shared. */
  get skipped(): SkipCounts {
    return this.#scan.skipped;
  }

  /**
   * The file of that name as it is now; the folder is looked through again,
   * though not too often, for a name that is not known.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused") return undefined;
    const known = this.#scan.entries.get(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await this.#rescan();
    return this.#scan.entries.get(verdict.name);
  }

  /** Opens `name` for reading if it still is the version asked for. */
  async open(name: string, version: string): Promise<OpenOutcome> {
    const entry = this.#scan.entries.get(name.normalize("NFC"));
    if (entry === undefined) return { kind: "refused", reason: "gone" };
    if (entry.version !== version) {
      return { kind: "refused", reason: "changed" };
    }
    try {
      const file = await Deno.open(entry.path, { read: true });
      try {
        if (!await isEntry(file, entry)) {
          file.close();
          return { kind: "refused", reason: "changed" };
        }
      } catch (error) {
        file.close();
        throw error;
      }
      return { kind: "opened", opened: openedFile(file, entry) };
    } catch (error) {
      const isGone = error instanceof Deno.errors.NotFound;
      return { kind: "refused", reason: isGone ? "gone" : "unreadable" };
    }
  }

  /** What the disk says of `entry` now; `undefined` once it is gone. */
  async #refresh(entry: Entry): Promise<Entry | undefined> {
    let now: Entry | undefined;
    try {
      now = await lookAgain(entry);
    } catch {
      now = undefined; // gone, or no longer to be looked at
    }
    if (now === undefined) this.#scan.entries.delete(entry.name);
    else this.#scan.entries.set(entry.name, now);
    return now;
  }

  async #rescan(): Promise<void> {
    const age = performance.now() - this.#scannedAt;
    if (age < this.#limits.rescanPauseMs) return;
    this.#scanning ??= scan(this.#realRoot, this.#limits)
      .then((result) => {
        this.#scan = result;
      })
      .finally(() => {
        this.#scannedAt = performance.now();
        this.#scanning = null;
      });
    await this.#scanning;
  }
}

function openedFile(file: Deno.FsFile, entry: Entry): OpenedFile {
  return {
    file: entry,
    read: (buffer) => file.read(buffer),
    isUnchanged: async () =>
      entryOf(await file.stat(), entry)?.version === entry.version,
    [Symbol.dispose]: () => file.close(),
  };
}

/** The entry that `info` describes; `undefined` unless it is a regular file. */
function entryOf(
  info: Deno.FileInfo,
  { name, path }: { name: string; path: string },
): Entry | undefined {
  if (!info.isFile) return undefined;
  const modifiedMs = info.mtime?.getTime() ?? 0;
  const facts = [
    info.size,
    modifiedMs,
    info.ctime?.getTime(),
    info.dev,
    info.ino,
  ];
  const version = sha256(new TextEncoder().encode(facts.join())).toHex();
  return {
    name,
    path,
    size: info.size,
    modifiedMs,
    version: version.slice(0, 32),
  };
}

/** The entry now, unless a link has been put into its path meanwhile. */
async function lookAgain(entry: Entry): Promise<Entry | undefined> {
  if (await Deno.realPath(entry.path) !== entry.path) return undefined;
  return entryOf(await Deno.lstat(entry.path), entry);
}

/** Whether the open file is the one that was found, and is still there. */
async function isEntry(file: Deno.FsFile, entry: Entry): Promise<boolean> {
  const opened = entryOf(await file.stat(), entry);
  return opened?.version === entry.version &&
    (await lookAgain(entry))?.version === entry.version;
}

async function scan(root: string, limits: Limits): Promise<Scan> {
  const result: Scan = {
    entries: new Map(),
    skipped: {
      link: 0,
      special: 0,
      name: 0,
      clash: 0,
      unreadable: 0,
      excess: 0,
    },
  };
  const walk = walkFolder(root, "", result, limits.shareFileCount);
  while (!walkSlice(walk)) await delay(0);
  return result;
}

/** Takes some steps of a walk; whether it is done. */
function walkSlice(walk: Iterator<void>): boolean {
  for (let step = 0; step < SLICE_ENTRIES; step++) {
    if (walk.next().done) return true;
  }
  return false;
}

/**
 * Looks at every entry below `folder`, one a step. Synchronous calls inside a
 * step: they are five times as fast as asynchronous ones, 10,000 files in 60 ms.
 */
function* walkFolder(
  folder: string,
  prefix: string,
  result: Scan,
  mostFiles: number,
): Generator<void> {
  let listing: Deno.DirEntry[];
  try {
    listing = [...Deno.readDirSync(folder)];
  } catch {
    result.skipped.unreadable++;
    return;
  }
  for (const item of listing) {
    const name = prefix + item.name;
    const path = join(folder, item.name);
    if (!item.isDirectory) addFile(item, { name, path }, result, mostFiles);
    // Below a name that is refused every name is.
    else if (safeName(name).kind === "refused") result.skipped.name++;
    else yield* walkFolder(path, `${name}/`, result, mostFiles);
    yield;
  }
}

function addFile(
  item: Deno.DirEntry,
  { name, path }: { name: string; path: string },
  { entries, skipped }: Scan,
  mostFiles: number,
): void {
  const verdict = safeName(name);
  if (item.isSymlink) skipped.link++;
  else if (!item.isFile) skipped.special++;
  else if (verdict.kind === "refused") skipped.name++;
  else if (entries.has(verdict.name)) skipped.clash++;
  else if (entries.size >= mostFiles) skipped.excess++;
  else {
    const entry = lookAt({ name: verdict.name, path });
    if (entry === undefined) skipped.unreadable++;
    else if (entry.size > LIMITS.fileBytes) skipped.excess++;
    else entries.set(entry.name, entry);
  }
}

function lookAt(file: { name: string; path: string }): Entry | undefined {
  try {
    return entryOf(Deno.lstatSync(file.path), file);
  } catch {
    return undefined; // gone between the listing and this
  }
}
