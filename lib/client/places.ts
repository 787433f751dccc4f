/**
 * Where files are saved: the folders, and what may be in the way.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { describeCause, Failure, localKindOf } from "../errors.ts";
import { show } from "../text.ts";
import { OTHERS } from "../transfer/partial.ts";
import { syncFolder } from "../transfer/publishing.ts";

/** A file, and where it is to be saved. */
export interface Placed {
  /** Its name. */
  readonly name: string;
  /** Where. */
  readonly path: string;
}

/** Folders that files are saved in: made where they are missing. */
export class Folders {
  readonly #known = new Map<string, "new" | "old">();
  readonly #links = new Map<string, boolean>();

  /** Makes sure of a folder; whether it is new, and so empty. */
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
      }
    }
    this.#known.set(path, isNew ? "new" : "old");
    return isNew;
  }

  /**
   * Refuses folders that a name asks for, and that are links to elsewhere. Where
   * the person said to save may be one: that is their own word.
   */
  async refuseLinks(path: string, name: string): Promise<void> {
    if (!path.endsWith(name)) return;
    for (
      let at = dirname(name), folder = dirname(path);
      at !== ".";
      at = dirname(at), folder = dirname(folder)
    ) {
      if (!this.#links.has(folder)) {
        this.#links.set(folder, (await Deno.lstat(folder)).isSymlink);
      }
      if (this.#links.get(folder)) {
        throw inTheWay(folder, "is a link, and leads elsewhere");
      }
    }
  }

  /** Makes the names in all of them durable. */
  async sync(): Promise<void> {
    for (const path of this.#known.keys()) {
      await syncFolder(path).catch((cause) => {
        throw cannotSync(path, cause);
      });
    }
  }
}

function cannotSync(path: string, error: unknown): Failure {
  return new Failure("local", {
    what: "Cannot make folder durable",
    where: show(path),
    why: describeCause(error),
    remedy: "what was saved is there, but may not outlast a power failure",
    cause: error,
  });
}

function cannotMake(path: string, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: "Cannot make folder",
    where: show(path),
    why: describeCause(error),
    cause: error,
  });
}

/** Whether somebody else has put the file there, or is about to. */
export function isInTheWay({ cause }: Failure): boolean {
  return cause instanceof Deno.errors.AlreadyExists || cause === OTHERS;
}

/** Something is where a file is to be saved. */
export function inTheWay(path: string, why: string): Failure {
  return new Failure("local", {
    what: "Cannot save file",
    where: show(path),
    why,
    remedy: "give --overwrite to replace it, or -o for another place",
  });
}

/**
 * Refuses to save two files in one place, or one file inside of another.
 *
 * @throws {Failure} of kind `usage`.
 */
export function refuseClashes(files: readonly Placed[]): void {
  const taken = new Map<string, string>();
  for (const { name, path } of files) {
    const key = path.normalize("NFC").toLowerCase();
    const other = taken.get(key);
    if (other !== undefined) throw clash(name, other);
    taken.set(key, name);
  }
  for (const { name, path } of files) {
    for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
      const other = taken.get(at.normalize("NFC").toLowerCase());
      if (other !== undefined) throw clash(name, other);
    }
  }
}

function clash(name: string, other: string): Failure {
  return new Failure("usage", {
    what: "Cannot save files",
    where: `${show(name)} and ${show(other)}`,
    why: "they would be in each other's place",
    remedy: "fetch them one after the other, with -o",
  });
}
