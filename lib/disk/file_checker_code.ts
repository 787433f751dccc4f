/**
 * Looks at small files that may be there already, and hashes them.
 * {@linkcode makeFileChecker} must not use anything outside itself, because a worker
 * gets it as text: a worker made from a module would need a permission to read
 * that module.
 *
 * @module
 */

import type { createHash } from "node:crypto";
import type {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
} from "node:fs";
import type { JudgedFolder } from "./saver_code.ts";

/** A path to look at. */
export interface FileToCheck {
  readonly path: string;
  /** The size of the wanted file. */
  readonly size: number;
  /** Its folder, if nothing else may have taken the place of that. */
  readonly judged: JudgedFolder | undefined;
}

/** What is at a path. */
export type CheckedFile =
  | { readonly kind: "none" }
  /** A regular file of that size, with one name. */
  | {
    readonly kind: "file";
    /** Its owner and its mode. */
    readonly uid: number | null;
    readonly mode: number | null;
    /** Its SHA-256; empty for an empty file. */
    readonly hash: Uint8Array<ArrayBuffer>;
  }
  /** Something else, or it could not be read: the caller checks it. */
  | { readonly kind: "other" };

/** Looks at files; the results are in their order. */
export type CheckFiles = (files: readonly FileToCheck[]) => CheckedFile[];

/** The functions of Node that a checker uses. */
export interface CheckerTools {
  readonly createHash: typeof createHash;
  readonly openSync: typeof openSync;
  readonly fstatSync: typeof fstatSync;
  readonly readSync: typeof readSync;
  readonly closeSync: typeof closeSync;
  readonly constants: Partial<typeof constants>;
}

/** A function that looks at files of up to `mostBytes`. */
export function makeFileChecker(
  { createHash, constants, ...fs }: CheckerTools,
  mostBytes: number,
): CheckFiles {
  const { O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants; // a pipe would wait
  const [none, other] = [{ kind: "none" }, { kind: "other" }] as const;
  const room = new Uint8Array(mostBytes + 1); // one more, for a longer file

  /** The bytes; not through a link, which Deno 2.9.6 may follow. */
  const read = (path: string, { size, ino, dev }: Deno.FileInfo) => {
    const file = fs.openSync(path, O_NONBLOCK | O_NOFOLLOW);
    try {
      const opened = fs.fstatSync(file); // Windows gives no inode
      if (ino !== null && (opened.ino !== ino || opened.dev !== dev)) return;
      let [filled, count] = [0, 1];
      for (; count > 0 && filled <= size; filled += count) {
        count = fs.readSync(file, room, filled, size + 1 - filled, null);
      }
      return filled === size ? room.subarray(0, size) : undefined;
    } finally {
      fs.closeSync(file);
    }
  };

  const lookAt = ({ path, size }: FileToCheck): CheckedFile => {
    try {
      const info = Deno.lstatSync(path);
      const isIt = info.isFile && info.size === size && info.nlink === 1;
      const bytes = isIt && size <= mostBytes ? read(path, info) : undefined;
      if (bytes === undefined) return other;
      const hash = size === 0
        ? new Uint8Array()
        : new Uint8Array(createHash("sha256").update(bytes).digest());
      return { kind: "file", uid: info.uid, mode: info.mode, hash };
    } catch (error) {
      return error instanceof Deno.errors.NotFound ? none : other;
    }
  };

  const isStill = ({ path, ino, dev, mayBeLinked }: JudgedFolder) => {
    try {
      const info = (mayBeLinked ? Deno.statSync : Deno.lstatSync)(path);
      return info.ino === ino && info.dev === dev;
    } catch {
      return false;
    }
  };
  return (files) => {
    const looked = files.map(lookAt);
    // Each folder once, however many of the files are in it.
    const folders = new Map<string, boolean>();
    return looked.map((found, at) => {
      const { judged } = files[at]!;
      if (found.kind !== "file" || judged === undefined) return found;
      const known = folders.get(judged.path) ?? isStill(judged);
      folders.set(judged.path, known);
      return known ? found : other;
    });
  };
}
