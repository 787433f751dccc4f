/**
 * The folder a node serves. The only module that turns a stranger's name into a
 * file, and it does so by looking the name up among those it found itself,
 * never by joining a path. `share_scan` finds them, `opened_file` opens them.
 *
 * @module
 */

import { describeCause, Failure, localKindOf } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { safeName } from "./names.ts";
import {
  DiskPace,
  openedFile,
  openNow,
  type OpenOutcome,
  refusalOf,
  type SmallFileOutcome,
} from "./opened_file.ts";
import { grantRemedy, requireAccess } from "./permission.ts";
import { fileOf, type ShareFile } from "./share_file.ts";
import {
  addTo,
  type Scan,
  scan,
  type SkipCounts,
  walkFolder,
} from "./share_scan.ts";
import { show } from "./text.ts";

// Changes that come together are looked at together.
const SETTLE_MS = 100;
// More changes than this, and looking through everything is quicker.
const MOST_CHANGES = 1000;

/** The files below one folder. Disposing stops watching it. */
export class Share implements Disposable {
  /** The folder, as it was given. */
  readonly root: string;
  readonly #realRoot: string;
  readonly #limits: Limits;
  #scan: Scan;
  #scannedAt: number;
  #scanning: Promise<void> | null = null;
  #looking: Promise<boolean> | null = null;
  #watcher: Deno.FsWatcher | null = null;
  readonly #pace = new DiskPace();

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
    let real = root;
    try {
      requireAccess(root, "read");
      if (!(await Deno.stat(root)).isDirectory) {
        throw new Deno.errors.NotADirectory(root);
      }
      real = await Deno.realPath(root);
      requireAccess(real, "read"); // elsewhere, where `root` is a link
      Deno.readDirSync(real)[Symbol.iterator]().next(); // may it be read at all?
      return new Share({ given: root, real }, limits, await scan(real, limits));
    } catch (error) {
      throw new Failure(localKindOf(error), {
        what: "Cannot share folder",
        where: show(root),
        why: describeCause(error),
        remedy: error instanceof Deno.errors.NotCapable
          ? grantRemedy([root, real], "read")
          : "name a folder that exists and can be read",
        cause: error,
      });
    }
  }

  /** Number of files. */
  get fileCount(): number {
    return this.#scan.byName.size;
  }

  /** What lies in the folder and is not shared. */
  get skipped(): SkipCounts {
    return this.#scan.skipped;
  }

  /** Whether the folder is there and can be read, now. */
  isReadable(): Promise<boolean> {
    // One look at a time, however many ask while a disk hangs.
    return this.#looking ??= canRead(this.#realRoot)
      .finally(() => this.#looking = null);
  }

  /** All files as they were last seen, in no order. */
  files(): Iterable<ShareFile> {
    return this.#scan.byName.values();
  }

  /**
   * The file of that name as it is now; the folder is looked through again,
   * though not too often, for a name that is not known.
   */
  async find(name: string): Promise<ShareFile | undefined> {
    const verdict = safeName(name);
    if (verdict.kind === "refused") return undefined;
    const known = this.#scan.byName.get(verdict.name);
    const found = known && await this.#refresh(known);
    if (found !== undefined) return found;
    await this.#rescan();
    return this.#scan.byName.get(verdict.name);
  }

  /** The file of that name as it was last seen. */
  named(name: string): ShareFile | undefined {
    return this.#scan.byName.get(name);
  }

  /** The file that had this version when it was last looked at. */
  versioned(version: string): ShareFile | undefined {
    return this.#scan.byVersion.get(version);
  }

  /** Whether files can be read at once, without making others wait. */
  get isQuick(): boolean {
    return this.#pace.isQuick;
  }

  /** Opens a file for reading if it still is what it was. */
  open(file: ShareFile): OpenOutcome {
    try {
      const opened = openedFile(openNow(file.path), file, this.#pace);
      if (opened.isStill()) return { kind: "opened", opened };
      opened[Symbol.dispose]();
      return { kind: "refused", reason: "changed" };
    } catch (error) {
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * The whole of a small file, read at once with synchronous calls: for 4 KiB
   * they take 25 µs where asynchronous ones take 250.
   */
  readSmall(file: ShareFile): SmallFileOutcome {
    try {
      using opened = openedFile(openNow(file.path), file, this.#pace);
      const bytes = new Uint8Array(file.size);
      // What it is need be asked only once, after all of it has been read.
      return opened.readSync(bytes) && opened.isStill()
        ? { kind: "read", bytes }
        : { kind: "refused", reason: "changed" };
    } catch (error) {
      return { kind: "refused", reason: refusalOf(error) };
    }
  }

  /**
   * Follows changes on the disk, where the system lets us; else they are found
   * when a file is asked for. `onChange` is called after each round of them.
   */
  watch(onChange: () => void): void {
    try {
      this.#watcher = Deno.watchFs(this.#realRoot, { recursive: true });
    } catch {
      return; // no watcher here: looking again on use must do
    }
    void this.#follow(this.#watcher, onChange);
  }

  async #follow(watcher: Deno.FsWatcher, onChange: () => void): Promise<void> {
    const changed = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      timer = undefined;
      const paths = [...changed];
      changed.clear();
      if (paths.length > MOST_CHANGES) await this.#scanAgain();
      else this.#lookAt(paths);
      onChange();
    };
    try {
      for await (const event of watcher) {
        if (event.kind === "access") continue;
        for (const path of event.paths) changed.add(path);
        timer ??= setTimeout(() => void look(), SETTLE_MS);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Brings the index up to date with some paths, whatever is there now. */
  #lookAt(paths: readonly string[]): void {
    const gone: string[] = [];
    for (const path of paths) {
      const name = this.#nameOf(path);
      if (name === undefined) continue;
      const known = this.#scan.byName.get(name);
      this.#forget(name);
      if (!this.#take({ name, path }) && known === undefined) {
        gone.push(`${name}/`);
      }
    }
    if (gone.length === 0) return;
    for (const name of [...this.#scan.byName.keys()]) {
      if (gone.some((folder) => name.startsWith(folder))) this.#forget(name);
    }
  }

  /** The name of a path of the share, if it can be one. */
  #nameOf(path: string): string | undefined {
    if (!path.startsWith(this.#realRoot)) return undefined;
    const below = path.slice(this.#realRoot.length).replaceAll("\\", "/");
    const verdict = safeName(below.replace(/^\//, ""));
    return verdict.kind === "safe" ? verdict.name : undefined;
  }

  /** Takes up what is at a path now; `false` where nothing is. */
  #take(at: { name: string; path: string }): boolean {
    try {
      // Not through a link: what a link leads to is not in the share.
      if (Deno.realPathSync(at.path) !== at.path) return false;
      const info = Deno.lstatSync(at.path);
      if (info.isDirectory) {
        const walk = walkFolder(
          at.path,
          `${at.name}/`,
          this.#scan,
          this.#limits,
        );
        while (!walk.next().done);
      } else this.#remember(fileOf(info, at));
      return true;
    } catch {
      return false; // gone again: the watcher tells what comes next
    }
  }

  /** What the disk says of `file` now; `undefined` once it is gone. */
  async #refresh(file: ShareFile): Promise<ShareFile | undefined> {
    let now: ShareFile | undefined;
    try {
      // Not through a link that has been put into its path meanwhile.
      if (await Deno.realPath(file.path) === file.path) {
        now = fileOf(await Deno.lstat(file.path), file);
      }
    } catch {
      now = undefined; // gone, or no longer to be looked at
    }
    if (now?.version === file.version) return file;
    this.#forget(file.name);
    this.#remember(now);
    return now;
  }

  #remember(file: ShareFile | undefined): void {
    if (file !== undefined) addTo(this.#scan, file, this.#limits);
  }

  #forget(name: string): void {
    const file = this.#scan.byName.get(name);
    if (file === undefined) return;
    this.#scan.byName.delete(name);
    this.#scan.byVersion.delete(file.version);
  }

  async #rescan(): Promise<void> {
    const age = performance.now() - this.#scannedAt;
    if (age < this.#limits.rescanPauseMs) return;
    await this.#scanAgain();
  }

  #scanAgain(): Promise<void> {
    return this.#scanning ??= scan(this.#realRoot, this.#limits)
      .then((result) => {
        this.#scan = result;
      })
      .finally(() => {
        this.#scannedAt = performance.now();
        this.#scanning = null;
      });
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}

async function canRead(folder: string): Promise<boolean> {
  try {
    for await (const _entry of Deno.readDir(folder)) break;
    return true;
  } catch {
    return false; // gone, or its disk fails
  }
}
