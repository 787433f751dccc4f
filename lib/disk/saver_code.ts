/**
 * Saves small files, several at a time: makes them, writes, syncs, and gives
 * them their names. {@linkcode makeSaver} must not use anything outside itself,
 * because a worker gets it as text: a worker made from a module would need a
 * permission to read that module.
 *
 * @module
 */

import type {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
} from "node:fs";

/** A small file to save, with everything that a saver needs. */
export interface FileToSave {
  /** Its final name. */
  readonly path: string;
  /** Its temporary path. */
  readonly partialPath: string;
  readonly bytes: Uint8Array;
  /** Time of writing to give it, in milliseconds since 1970. */
  readonly writtenMs: number;
  /**
   * The same object for all files with the same terms: a message to a worker
   * then carries it once.
   */
  readonly terms: SaveTerms;
}

/** How to save files. */
export interface SaveTerms {
  /** The mode with which a file is made. */
  readonly mode: number;
  /** The mode that it gets before it is published, if that is different. */
  readonly finalMode: number | undefined;
  /** Whether it may replace another. */
  readonly overwrite: boolean;
  /**
   * Its folder, if the file and its name must be durable before it counts as
   * saved.
   */
  readonly syncedIn: string | undefined;
  /** Its folder, if nothing else may have taken the place of that. */
  readonly judged: JudgedFolder | undefined;
}

/** A folder, and which one it was when it was judged. */
export interface JudgedFolder {
  readonly path: string;
  readonly ino: number | null;
  readonly dev: number;
  /** Whether its path may lead through a link. */
  readonly mayBeLinked: boolean;
}

/** An error of the system, as it travels between threads. */
export interface SaverError {
  /** Name of its class, such as `PermissionDenied`. */
  readonly name: string;
  readonly message: string;
  /** The system's code, such as `ENOSPC`. */
  readonly code: string | undefined;
}

/** The outcome for one file. */
export type SaverOutcome =
  | { readonly kind: "saved" }
  /**
   * There is a partial file: an earlier run left it, or another process writes
   * it.
   */
  | { readonly kind: "taken" }
  /** Something else has taken the partial name. */
  | { readonly kind: "replaced" }
  /** Its folder is another one than before, or a link. */
  | { readonly kind: "moved" }
  | { readonly kind: "failed"; readonly error: SaverError }
  /** It could not be made durable, and was removed. */
  | { readonly kind: "lost"; readonly error: SaverError };

/** The functions of `node:fs` that a saver uses. */
export interface SaverTools {
  readonly openSync: typeof openSync;
  readonly fstatSync: typeof fstatSync;
  readonly fchmodSync: typeof fchmodSync;
  readonly closeSync: typeof closeSync;
  readonly constants: typeof constants;
}

/** Saves files; the outcomes are in the order of the files. */
export type SaveFiles = (
  files: readonly FileToSave[],
) => Promise<SaverOutcome[]>;

/**
 * A function that saves files, up to `mostOpen` at a time. It remembers how
 * quick the disk is. `node:fs` is loaded only for files that need it, because
 * loading takes as long as saving a hundred files.
 */
export function makeSaver(
  load: () => Promise<SaverTools>,
  mostOpen: number,
): SaveFiles {
  // If syncing takes longer, several files wait for the disk at once. Below
  // this it does not pay: a call through a thread takes 0.1 ms.
  const slowSyncMs = 1;
  const saved: SaverOutcome = { kind: "saved" };
  /** How long the disk took to sync a file recently. */
  let syncMs = 0;

  const codeOf = (error: unknown) => {
    const { code, message } = error as Error & { code?: string };
    const number = /\(os error (\d+)\)/.exec(message)?.[1];
    return { code, number: code === undefined ? Number(number) : NaN };
  };

  const failed = (
    error: unknown,
    kind: "failed" | "lost" = "failed",
  ): SaverOutcome => {
    const { name, message, code } = error as Error & { code?: string };
    return { kind, error: { name, message, code } };
  };

  /**
   * A new file, locked for this process; `undefined` if there is one already.
   */
  const openNew = ({ partialPath, terms: { mode } }: FileToSave) => {
    try {
      const options = { write: true, createNew: true, mode };
      const file = Deno.openSync(partialPath, options);
      if (file.tryLockSync(true)) return file;
      file.close();
      return undefined;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return undefined;
      throw error;
    }
  };

  const write = (file: Deno.FsFile, { bytes, writtenMs }: FileToSave) => {
    // Zeros become a hole, as in a large file.
    const hasData = bytes.some((byte) => byte !== 0);
    if (!hasData) file.truncateSync(bytes.length);
    for (let written = 0; hasData && written < bytes.length;) {
      try {
        written += file.writeSync(bytes.subarray(written));
      } catch (error) {
        const { code, number } = codeOf(error);
        if (code !== "EINTR" && number !== 4) throw error; // else try again
      }
    }
    file.utimeSync(new Date(), new Date(writtenMs));
  };

  /**
   * Syncs synchronously while the disk is quick; otherwise lets other files
   * continue.
   */
  const sync = async (file: Deno.FsFile) => {
    const startedAt = performance.now();
    if (syncMs < slowSyncMs) file.syncSync();
    else await file.sync();
    const ms = performance.now() - startedAt;
    syncMs += (ms - syncMs) / 8;
  };

  /** Gives an open file its mode, if it still has its partial name. */
  const changeMode = async (
    file: Deno.FsFile,
    path: string,
    mode: number,
  ) => {
    const tools = await load();
    const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = tools.constants;
    const flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;
    const descriptor = tools.openSync(path, flags);
    try {
      const [named, info] = [tools.fstatSync(descriptor), file.statSync()];
      const isIt = named.ino === info.ino && named.dev === info.dev;
      if (isIt) tools.fchmodSync(descriptor, mode);
      return isIt;
    } finally {
      tools.closeSync(descriptor);
    }
  };

  const remove = (path: string) => {
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  };

  const discard = (path: string) => {
    try {
      remove(path);
    } catch {
      // The disk is read-only by now.
    }
  };

  const isOneOf = (
    error: unknown,
    codes: readonly string[],
    numbers: readonly number[],
  ) => {
    const { code, number } = codeOf(error);
    return codes.includes(code ?? "") || numbers.includes(number);
  };

  /** Takes the place first, so that no other file can be overwritten. */
  const takePlace = (from: string, to: string) => {
    const place = Deno.openSync(to, { write: true, createNew: true });
    const { ino, dev } = place.statSync();
    place.close();
    try {
      Deno.renameSync(from, to);
    } catch (error) {
      const there = Deno.lstatSync(to);
      const isIt = there.ino === ino && there.dev === dev;
      if (isIt && there.size === 0) Deno.removeSync(to);
      throw error;
    }
  };

  /** Gives a file its final name and removes the temporary one. */
  const publish = ({ partialPath, path, terms }: FileToSave) => {
    if (terms.overwrite) return Deno.renameSync(partialPath, path);
    try {
      Deno.linkSync(partialPath, path);
    } catch (error) {
      // Some disks have no hard links, as FAT has none.
      const hasNoLinks = isOneOf(
        error,
        ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"],
        [31, 38, 95],
      );
      if (!hasNoLinks) {
        // If no run can ever publish it under that name, it is removed.
        const isHopeless = error instanceof Deno.errors.AlreadyExists ||
          isOneOf(error, ["ENAMETOOLONG", "EINVAL", "EILSEQ"], []);
        if (isHopeless) remove(partialPath);
        throw error;
      }
      return takePlace(partialPath, path);
    }
    remove(partialPath);
  };

  /** Writes the file; returns it, or its outcome. */
  const begin = (wanted: FileToSave): Deno.FsFile | SaverOutcome => {
    let file: Deno.FsFile | undefined;
    try {
      file = openNew(wanted);
      if (file === undefined) return { kind: "taken" };
      write(file, wanted);
      return file;
    } catch (error) {
      file?.close();
      return failed(error);
    }
  };

  /** Waits for the disk, if the file must be durable, and publishes it. */
  const end = async (
    file: Deno.FsFile,
    wanted: FileToSave,
  ): Promise<SaverOutcome> => {
    const { partialPath, terms: { finalMode, syncedIn } } = wanted;
    try {
      if (syncedIn !== undefined) await sync(file);
    } catch (error) {
      // The system would keep the bytes in memory, and say later that they are on
      // the disk.
      file.close();
      discard(partialPath);
      return failed(error, "lost");
    }
    try {
      const isIt = finalMode === undefined ||
        await changeMode(file, partialPath, finalMode);
      if (!isIt) return { kind: "replaced" };
      publish(wanted);
      return saved;
    } catch (error) {
      return failed(error);
    } finally {
      file.close();
    }
  };

  /** Makes the names in a folder durable, if the system can. */
  const syncFolder = async (path: string): Promise<SaverOutcome> => {
    try {
      using folder = await Deno.open(path, { read: true });
      await sync(folder);
    } catch (error) {
      // Some systems cannot open folders; a failed disk is an error.
      const codes = ["EIO", "ENOSPC", "EDQUOT", "EROFS"];
      if (isOneOf(error, codes, [5, 28, 122, 30])) return failed(error);
    }
    return saved;
  };

  /**
   * Whether the folders of files are still those that were judged. Looks at
   * each folder once, however many of the files are in it.
   */
  const look = () => {
    const looked = new Map<string, SaverOutcome>();
    return ({ terms: { judged } }: FileToSave): SaverOutcome => {
      if (judged === undefined) return saved;
      let outcome = looked.get(judged.path);
      if (outcome !== undefined) return outcome;
      try {
        const look = judged.mayBeLinked ? Deno.statSync : Deno.lstatSync;
        const { ino, dev } = look(judged.path);
        const isIt = ino === judged.ino && dev === judged.dev;
        outcome = isIt ? saved : { kind: "moved" };
      } catch (error) {
        outcome = failed(error);
      }
      looked.set(judged.path, outcome);
      return outcome;
    };
  };

  const saveOne = (wanted: FileToSave) => {
    const begun = begin(wanted);
    return "kind" in begun ? begun : end(begun, wanted);
  };

  return async (files) => {
    const outcomes: SaverOutcome[] = [];
    for (let at = 0; at < files.length; at += mostOpen) {
      const some = files.slice(at, at + mostOpen);
      const before = look();
      const open = some.map((file) => {
        const place = before(file);
        return place.kind === "saved" ? saveOne(file) : place;
      });
      const done = await Promise.all(open);
      const after = look();
      outcomes.push(
        ...done.map((outcome, n) =>
          outcome.kind === "saved" ? after(some[n]!) : outcome
        ),
      );
    }
    const folders = new Map<string, Promise<SaverOutcome>>();
    return await Promise.all(outcomes.map((outcome, at) => {
      const { syncedIn } = files[at]!.terms;
      if (outcome.kind !== "saved" || syncedIn === undefined) return outcome;
      const synced = folders.get(syncedIn) ?? syncFolder(syncedIn);
      folders.set(syncedIn, synced);
      return synced;
    }));
  };
}
