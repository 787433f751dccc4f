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

/** A small file to be saved, with all that a saver needs to know. */
export interface FileToSave {
  /** Its final name. */
  readonly path: string;
  /** Its name until it is complete. */
  readonly partialPath: string;
  readonly bytes: Uint8Array;
  /** The mode that it is made with. */
  readonly mode: number;
  /** The mode that it gets before it is published, where that is another. */
  readonly finalMode: number | undefined;
  /** Time of writing to give it, in milliseconds since 1970. */
  readonly writtenMs: number;
  /** Whether it may replace another. */
  readonly overwrite: boolean;
  /**
   * The folder that it is in, if the file and its name there are to be durable
   * before it counts as saved.
   */
  readonly syncedIn: string | undefined;
}

/** An error of the system, as it travels between threads. */
export interface SaverError {
  /** Name of its class, such as `PermissionDenied`. */
  readonly name: string;
  readonly message: string;
  /** The system's code, such as `ENOSPC`. */
  readonly code: string | undefined;
}

/** What became of a file. */
export type SaverOutcome =
  | { readonly kind: "saved" }
  /** A partial file is there: an earlier run left it, or another writes it. */
  | { readonly kind: "taken" }
  /** Something else came to be under the partial name. */
  | { readonly kind: "replaced" }
  | { readonly kind: "failed"; readonly error: SaverError };

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
 * A function that saves files, up to `mostOpen` at a time. It remembers how quick
 * the disk is. Loading `node:fs` takes as long as saving a hundred files, so it
 * happens only for files that need it.
 */
export function makeSaver(
  load: () => Promise<SaverTools>,
  mostOpen: number,
): SaveFiles {
  // From here on it pays that several files wait for the disk at once: a call
  // through a thread takes 0.1 ms of its own.
  const slowSyncMs = 1;
  const saved: SaverOutcome = { kind: "saved" };
  /** How long the disk takes to sync a file, lately. */
  let syncMs = 0;

  const codeOf = (error: unknown) => {
    const { code, message } = error as Error & { code?: string };
    const number = /\(os error (\d+)\)/.exec(message)?.[1];
    return { code, number: code === undefined ? Number(number) : NaN };
  };

  const failed = (error: unknown): SaverOutcome => {
    const { name, message, code } = error as Error & { code?: string };
    return { kind: "failed", error: { name, message, code } };
  };

  /** A new file, locked for this process; nothing where there is one. */
  const openNew = ({ partialPath, mode }: FileToSave) => {
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
    // Zeros are a hole, as in a large file.
    const hasData = bytes.some((byte) => byte !== 0);
    if (!hasData) file.truncateSync(bytes.length);
    for (let written = 0; hasData && written < bytes.length;) {
      try {
        written += file.writeSync(bytes.subarray(written));
      } catch (error) {
        const { code, number } = codeOf(error);
        if (code !== "EINTR" && number !== 4) throw error; // else once more
      }
    }
    file.utimeSync(new Date(), new Date(writtenMs));
  };

  /** Waits on the spot while the disk is quick; else others go on meanwhile. */
  const sync = async (file: Deno.FsFile) => {
    const startedAt = performance.now();
    if (syncMs < slowSyncMs) file.syncSync();
    else await file.sync();
    const ms = performance.now() - startedAt;
    syncMs += (ms - syncMs) / 8;
  };

  /** Gives an open file its mode, if it still is under its partial name. */
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

  const isOneOf = (
    error: unknown,
    codes: readonly string[],
    numbers: readonly number[],
  ) => {
    const { code, number } = codeOf(error);
    return codes.includes(code ?? "") || numbers.includes(number);
  };

  /** Gives a file its final name; it has no other after that. */
  const publish = ({ partialPath, path, overwrite }: FileToSave) => {
    if (overwrite) return Deno.renameSync(partialPath, path);
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
        // Where no run will ever publish it under that name, nobody goes on
        // with it.
        const isHopeless = error instanceof Deno.errors.AlreadyExists ||
          isOneOf(error, ["ENAMETOOLONG", "EINVAL", "EILSEQ"], []);
        if (isHopeless) remove(partialPath);
        throw error;
      }
      // A place is taken before it is filled: nobody else's is.
      Deno.openSync(path, { write: true, createNew: true }).close();
      return Deno.renameSync(partialPath, path);
    }
    remove(partialPath);
  };

  /** The file, written; or its outcome. */
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

  /** Waits for the disk, if it is to be durable, and publishes. */
  const end = async (
    file: Deno.FsFile,
    wanted: FileToSave,
  ): Promise<SaverOutcome> => {
    try {
      const { partialPath, finalMode, syncedIn } = wanted;
      if (syncedIn !== undefined) await sync(file);
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

  /** Makes the names in a folder durable, where the system can. */
  const syncFolder = async (path: string): Promise<SaverOutcome> => {
    try {
      using folder = await Deno.open(path, { read: true });
      await sync(folder);
    } catch (error) {
      // Some systems open no folders; a disk that failed is another matter.
      if (isOneOf(error, ["EIO"], [5])) return failed(error);
    }
    return saved;
  };

  const saveOne = (wanted: FileToSave) => {
    const begun = begin(wanted);
    return "kind" in begun ? begun : end(begun, wanted);
  };

  return async (files) => {
    const outcomes: SaverOutcome[] = [];
    for (let at = 0; at < files.length; at += mostOpen) {
      const open = files.slice(at, at + mostOpen).map(saveOne);
      outcomes.push(...await Promise.all(open));
    }
    const folders = new Map<string, Promise<SaverOutcome>>();
    return await Promise.all(outcomes.map((outcome, at) => {
      const { syncedIn } = files[at]!;
      if (outcome.kind !== "saved" || syncedIn === undefined) return outcome;
      const synced = folders.get(syncedIn) ?? syncFolder(syncedIn);
      folders.set(syncedIn, synced);
      return synced;
    }));
  };
}
