/**
 * Decides whose files and folders a run may use below the folder that it saves
 * in. Other users of the machine could redirect it with their own folders, or
 * change files later.
 *
 * The rule: what is below the target folder must belong to this user, to root
 * or to the owner of the target folder, unless it lies in a folder that a group
 * shares: its members may write to it, other users may not, and it has no
 * sticky bit.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { ownFile } from "./leftover_file.ts";

/** Owner and mode of a file or folder. */
export type Owned = Pick<Deno.FileInfo, "uid" | "mode">;

const ROOT = 0;
const GROUP_WRITES = 0o020;
const ALL_WRITE = 0o002;
const STICKY = 0o1000;

/** Knows the owners of target folders, and this user. */
export class Owners {
  readonly #mayMake: boolean;
  readonly #ownersOf = new Map<string, number | null>();
  readonly #own = new Map<string, Promise<Deno.FileInfo | undefined>>();

  /** To learn which user this is, it makes a file, unless it must not. */
  constructor({ mayMake = true }: { mayMake?: boolean } = {}) {
    this.#mayMake = mayMake;
  }

  /**
   * Why a file or folder at `path`, below the folder `target`, cannot be used;
   * `undefined` if it can.
   */
  async objection(
    { uid }: Owned,
    { path, target }: { path: string; target: string },
  ): Promise<string | undefined> {
    // Windows has no such owners.
    if (uid === null || uid === ROOT || uid === this.#ownerOf(target)) {
      return undefined;
    }
    const own = await this.#ownIn(target);
    const isOwn = own === undefined ? !this.#mayMake : own.uid === uid;
    if (isOwn || isOfGroup(Deno.statSync(dirname(path)))) return undefined;
    return `it belongs to another user (uid ${uid})`;
  }

  /** The same for a file, which not everybody may be able to write to. */
  async objectionToFile(
    info: Owned,
    place: { path: string; target: string },
  ): Promise<string | undefined> {
    const why = await this.objection(info, place);
    if (why !== undefined || ((info.mode ?? 0) & ALL_WRITE) === 0) return why;
    // Some disks give all files one mode; then a new file has it too.
    const own = await this.#ownIn(place.target);
    const isUsual = own === undefined
      ? !this.#mayMake
      : ((own.mode ?? 0) & ALL_WRITE) !== 0;
    return isUsual ? undefined : "all users can write to it";
  }

  #ownerOf(target: string): number | null {
    let owner = this.#ownersOf.get(target);
    if (owner === undefined) {
      owner = Deno.statSync(target).uid;
      this.#ownersOf.set(target, owner);
    }
    return owner;
  }

  /** A new file in a folder; `undefined` if none can be made there. */
  #ownIn(target: string): Promise<Deno.FileInfo | undefined> {
    let own = this.#own.get(target);
    if (own === undefined) {
      own = this.#mayMake
        ? ownFile(target).catch(() => undefined)
        : Promise.resolve(undefined);
      this.#own.set(target, own);
    }
    return own;
  }
}

/** Whether a group shares a folder, and its members trust each other. */
function isOfGroup({ mode }: Owned): boolean {
  return ((mode ?? 0) & (GROUP_WRITES | ALL_WRITE | STICKY)) === GROUP_WRITES;
}
