/**
 * Makes the folders for saved files, and finds what prevents saving.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import {
  describeCause,
  Failure,
  localKindOf,
  systemErrorCode,
} from "../base/errors.ts";
import { savingThereRemedy } from "../base/permission.ts";
import { PARTIAL_SUFFIX } from "../base/names.ts";
import { show } from "../base/text.ts";
import { OTHERS } from "./partial_name.ts";
import { ignoreGone, syncFolder } from "./publishing.ts";

/** A file, and where it is to be saved. */
export interface Placed {
  /** Its name. */
  readonly name: string;
  /** Where. */
  readonly path: string;
}

/** The folders for saved files. Missing ones are made. */
export class Folders {
  readonly #known = new Map<string, "new" | "old">();
  /** Folders with new folders in them, whose names are not durable yet. */
  readonly #grown = new Set<string>();
  #syncing: Promise<unknown> | undefined;
  readonly #links = new Map<string, boolean>();

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
   * Refuses folders in a name that are links to elsewhere. The output folder
   * itself may be a link, because the user chose it.
   */
  async refuseLinks(path: string, name: string): Promise<void> {
    if (!path.endsWith(name)) return;
    for (
      let at = dirname(name), folder = dirname(path);
      at !== ".";
      at = dirname(at), folder = dirname(folder)
    ) {
      if (!this.#links.has(folder)) {
        this.#links.set(folder, await isLink(folder));
      }
      if (this.#links.get(folder)) {
        throw inTheWay(folder, "is a symbolic link that leads elsewhere");
      }
    }
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

/** Whether a folder that exists is a link. */
async function isLink(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
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
export function isOfOneFile({ cause }: Failure): boolean {
  const code = systemErrorCode(cause);
  return cause === OTHERS || (code !== undefined && OF_NAMES.has(code)) ||
    ONE_FILES_ERRORS.some((kind) => cause instanceof kind);
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
export function isPlaceGone({ kind, cause }: Failure): boolean {
  return kind === "local" && cause instanceof Deno.errors.NotFound;
}

/** The failure if something that is never replaced is at the file's path. */
export function inTheWay(path: string, why: string): Failure {
  return new Failure("local", {
    what: "Cannot save file",
    where: show(path),
    why,
    remedyCode: "move_or_elsewhere",
  });
}

/** The failure if a file, or what `why` says, is at the file's path. */
export function existsAlready(
  path: string,
  why = "it already exists with different content",
): Failure {
  return new Failure("local", {
    what: "Cannot save file",
    where: show(path),
    why,
    remedyCode: "replace_or_elsewhere",
  });
}

/**
 * Whether the disk below a folder keeps two files whose names differ only in
 * case or in their Unicode form. The folder need not exist. Makes a file to
 * find out: this depends on how the disk was formatted, not on the system.
 */
export async function tellsNamesApart(folder: string): Promise<boolean> {
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
      await Deno.remove(path).catch(ignoreGone);
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
