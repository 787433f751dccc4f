/**
 * Makes the folders for saved files, and finds what prevents saving.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { syncFolder } from "../base/durable.ts";
import {
  describeCause,
  Failure,
  localKindOf,
  systemErrorCode,
} from "../base/errors.ts";
import { savingThereRemedy } from "../base/permission.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";
import { show } from "../base/text.ts";
import { unsaved } from "./disk_failure.ts";
import type { JudgedInode } from "./leftover_file.ts";
import { replaced, requirePlace } from "./own_place.ts";
import type { Owners } from "./owners.ts";
import { isOthers } from "./partial_name.ts";
import { ignoreNotFound } from "./publishing.ts";

/** A file, and the place where it will be saved. */
export interface Placed {
  /** Its name. */
  readonly name: string;
  /** Where. */
  readonly path: string;
}

/** The folder that a file is saved in. */
export interface SaveFolder {
  /** Whether it is new, and therefore empty. */
  readonly isNew: boolean;
  /**
   * Which one it is: nothing else may take its place. Only to the target folder,
   * which the user chose, a link may lead.
   */
  readonly folder: JudgedInode;
}

/** The folders for saved files. Missing ones are made. */
export class Folders {
  readonly #owners: Owners;
  readonly #target: string | undefined;
  readonly #known = new Map<string, "new" | "old">();
  /** Folders with new folders in them, whose names are not durable yet. */
  readonly #grown = new Set<string>();
  #syncing: Promise<unknown> | undefined;
  /** The folders of files, as they were when they were judged. */
  readonly #judged = new Map<string, JudgedInode>();

  /**
   * `target` is the folder that the user chose for all files. By default, that
   * of a file is its path without the folders of its name.
   */
  constructor(owners: Owners, target?: string) {
    this.#owners = owners;
    // Written like the folder of a file in it.
    this.#target = target && dirname(join(target, "file"));
  }

  /** The folder that the user chose for a file: a link may lead to it. */
  targetOf(path: string, name: string): string {
    return dirname(this.#below(path, name)[0] ?? path);
  }

  /** The folders of a file below its target folder, highest first. */
  #below(path: string, name: string): string[] {
    const target = this.#target;
    return (target === undefined ? undefined : foldersFrom(target, path)) ??
      foldersOf(path, name);
  }

  /** Whether {@linkcode Folders.ensure} made a folder. */
  isNew(path: string): boolean {
    return this.#known.get(path) === "new";
  }

  /**
   * Makes sure that a folder exists. Returns whether it is new, and therefore
   * empty.
   */
  async ensure(path: string): Promise<boolean> {
    const known = this.#known.get(path);
    if (known !== undefined) return known === "new";
    let isNew = false;
    try {
      await Deno.mkdir(path);
      isNew = true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        await this.ensure(dirname(path));
        await Deno.mkdir(path).catch((cause) => {
          throw cannotMake(path, cause);
        });
        isNew = true;
      } else if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw cannotMake(path, error);
      } else if (!await isFolder(path)) {
        throw noFolderAt(path);
      }
    }
    if (isNew) this.#grown.add(dirname(path));
    this.#known.set(path, isNew ? "new" : "old");
    return isNew;
  }

  /**
   * Makes the folder of a file. Judges each folder below the target folder
   * before it makes the next, so that no link leads elsewhere.
   *
   * @throws {Failure} of kind `local` if a file must not be saved there.
   */
  async prepare(path: string, name: string): Promise<SaveFolder> {
    const known = this.prepared(path);
    if (known !== undefined) return known;
    const target = this.targetOf(path, name);
    let isNew = await this.ensure(target);
    let folder = await this.#keep(target, isNew);
    for (const at of this.#below(path, name)) {
      isNew = await this.ensure(at);
      const judged = await this.#judge(at, target);
      if (judged === undefined) throw replaced(path);
      folder = judged;
    }
    return { isNew, folder };
  }

  /** The folder of a file, if {@linkcode Folders.prepare} made or found it. */
  prepared(path: string): SaveFolder | undefined {
    const lowest = dirname(path);
    const known = this.#known.get(lowest);
    if (known === undefined) return undefined;
    const folder = this.#judged.get(lowest);
    if (folder === undefined) return undefined;
    return { isNew: known === "new", folder };
  }

  /** Judges the folders of a file that exist. Makes nothing. */
  async judge(path: string, name: string): Promise<void> {
    const target = this.targetOf(path, name);
    for (const at of this.#below(path, name)) {
      if (await this.#judge(at, target) === undefined) return;
    }
  }

  /**
   * Remembers once which folder the target is: others may put a link in its
   * place while files are saved.
   */
  async #keep(target: string, isNew: boolean): Promise<JudgedInode> {
    const known = this.#judged.get(target);
    if (known !== undefined) return known;
    const info = await (isNew ? Deno.lstat : Deno.stat)(target)
      .catch((error) => {
        throw cannotMake(target, error);
      });
    if (!info.isDirectory) throw noFolderAt(target);
    const judged = { ino: info.ino, dev: info.dev, mayBeLinked: !isNew };
    this.#judged.set(target, judged);
    return judged;
  }

  /**
   * Judges a folder once: it must be no link, and not another user's. Nothing
   * if it does not exist.
   */
  async #judge(
    path: string,
    target: string,
  ): Promise<JudgedInode | undefined> {
    const known = this.#judged.get(path);
    if (known !== undefined) return known;
    const info = await lookAt(path);
    if (info === undefined) return undefined;
    if (info.isSymlink) {
      throw inTheWay(path, "is a symbolic link that leads elsewhere");
    }
    if (!info.isDirectory) throw noFolderAt(path);
    const why = await this.#owners.objection(info, { path, target });
    if (why !== undefined) {
      throw new Failure("local", {
        what: "Cannot save to",
        where: show(path),
        why,
        remedyCode: "elsewhere",
      });
    }
    // If the folder around it is another one by now, so may this one be.
    const around = this.#judged.get(dirname(path));
    requirePlace(path, around);
    const judged = { ino: info.ino, dev: info.dev, mayBeLinked: false };
    this.#judged.set(path, judged);
    return judged;
  }

  /**
   * Whether a folder exists. Makes nothing.
   *
   * @throws {Failure} if {@linkcode Folders.ensure} would.
   */
  async exists(path: string): Promise<boolean> {
    const known = this.#known.get(path);
    if (known !== undefined) return known === "old";
    let info: Deno.FileInfo;
    try {
      info = await Deno.stat(path);
    } catch (error) {
      // A file is where a parent folder should be.
      if (error instanceof Deno.errors.NotADirectory) {
        return await this.exists(dirname(path));
      }
      if (!(error instanceof Deno.errors.NotFound)) {
        throw cannotMake(path, error);
      }
      this.#known.set(path, "new");
      return false;
    }
    if (!info.isDirectory) throw noFolderAt(path);
    this.#known.set(path, "old");
    return true;
  }

  /**
   * Makes the names of all new folders durable; `undefined` if they already
   * are.
   */
  sync(): Promise<unknown> | undefined {
    if (this.#grown.size === 0) return this.#syncing;
    const grown = [...this.#grown];
    this.#grown.clear();
    const syncing = Promise.all([this.#syncing, ...grown.map(syncGrown)]);
    const forget = () => {
      if (this.#syncing === syncing) this.#syncing = undefined;
    };
    syncing.then(forget, () => {}); // after an error nothing is durable
    return this.#syncing = syncing;
  }
}

async function syncGrown(path: string): Promise<void> {
  try {
    await syncFolder(path);
  } catch (error) {
    throw cannotSync(path, error);
  }
}

function cannotSync(path: string, error: unknown): Failure {
  return new Failure("local", {
    what: "Cannot make folder durable",
    where: show(path),
    why: describeCause(error),
    remedy: "the files are saved, but a power failure may lose them",
    cause: error,
  });
}

function cannotMake(path: string, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: "Cannot make folder",
    where: show(path),
    why: describeCause(error),
    ...(error instanceof Deno.errors.NotCapable
      ? { remedy: savingThereRemedy(dirname(path)) }
      : {}),
    cause: error,
  });
}

function noFolderAt(path: string): Failure {
  return inTheWay(path, "is a file where a folder is needed");
}

/** The folders between `target` and a file; `undefined` if it is elsewhere. */
function foldersFrom(target: string, path: string): string[] | undefined {
  const folders: string[] = [];
  for (let at = dirname(path); at !== target; at = dirname(at)) {
    if (at === dirname(at)) return undefined;
    folders.unshift(at);
  }
  return folders;
}

/** The folders of a file's name at the end of its path, highest first. */
function foldersOf(path: string, name: string): string[] {
  const folders: string[] = [];
  if (!path.endsWith(name)) return folders;
  for (
    let at = dirname(name), folder = dirname(path);
    at !== ".";
    at = dirname(at), folder = dirname(folder)
  ) folders.unshift(folder);
  return folders;
}

/** The file or folder at a path, if there is one. */
async function lookAt(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw cannotMake(path, error);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    throw cannotMake(path, error);
  }
}

/**
 * Whether a failure of the disk concerns only one file: something else is in
 * its place, or the disk does not accept its name.
 */
export function isOfOneFile(failure: Failure): boolean {
  const { cause } = failure;
  const code = systemErrorCode(cause);
  return isOthers(failure) || (code !== undefined && OF_NAMES.has(code)) ||
    ONE_FILES_ERRORS.some((kind) => cause instanceof kind);
}

/** Whether a failure says that another program has saved or is saving the file. */
export function isTaken(failure: Failure): boolean {
  return isOthers(failure) ||
    failure.cause instanceof Deno.errors.AlreadyExists;
}

const ONE_FILES_ERRORS = [
  Deno.errors.AlreadyExists,
  Deno.errors.IsADirectory,
  Deno.errors.NotADirectory,
];
const OF_NAMES: ReadonlySet<string> = new Set([
  "EINVAL",
  "EILSEQ",
  "ELOOP",
  "ENAMETOOLONG",
]);

/** Whether a failure says that the output folder no longer exists. */
export function isFolderMissing({ kind, cause }: Failure): boolean {
  return kind === "local" && cause instanceof Deno.errors.NotFound;
}

/** The failure if something that is never replaced is at the file's path. */
export function inTheWay(path: string, why: string): Failure {
  return unsaved(path, { why, remedyCode: "move_or_elsewhere" });
}

/** The failure if a file, or what `why` says, is at the file's path. */
export function existsAlready(
  path: string,
  why = "it already exists with different content",
): Failure {
  return unsaved(path, { why, remedyCode: "replace_or_elsewhere" });
}

/** The failure if the file that is there has the right content only for now. */
export function notOwn(path: string, why: string): Failure {
  return unsaved(path, {
    why: `the same content is there already, but ${why}`,
    remedyCode: "elsewhere_or_replace",
  });
}

/**
 * Whether the disk below a folder keeps two files whose names differ only in
 * case or in their Unicode form. The folder need not exist. Makes a file to
 * find out: this depends on how the disk was formatted, not on the system.
 */
export async function isCaseSensitive(folder: string): Promise<boolean> {
  for (let at = folder;; at = dirname(at)) {
    // A name with two cases and two Unicode forms.
    const name = `.${crypto.randomUUID()}-\u00e9${PARTIAL_SUFFIX}`;
    const path = join(at, name);
    try {
      (await Deno.open(path, { write: true, createNew: true })).close();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && at !== dirname(at)) continue;
      return false; // saving a file will report what is wrong
    }
    try {
      const others = [name.toUpperCase(), name.normalize("NFD")];
      const found = await Promise.all(
        others.map((other) => isThere(join(at, other))),
      );
      return !found.includes(true);
    } finally {
      await Deno.remove(path).catch(ignoreNotFound);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}
