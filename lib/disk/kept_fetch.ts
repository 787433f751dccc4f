/**
 * Keeps the random number of a fetch by link beside the partial file until the
 * file is complete. A resumed fetch therefore uses no second use of the link.
 *
 * @module
 */

import { toBase64Url } from "../access/keys.ts";
import { Failure } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { openLeftover, PRIVATE_MODE } from "./leftover_file.ts";
import { cannot } from "./disk_failure.ts";
import { partialPathOf } from "./partial_name.ts";

const FETCH_BYTES = 16;
// Two numbers as text; we never write a longer file.
const KEPT_BYTES = 88;

/** A number that no other fetch has. */
export function newFetchId(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(FETCH_BYTES)));
}

/** The number of one fetch, on the disk. */
export class KeptFetch {
  /** The number. */
  readonly id: string;
  readonly #path: string;

  private constructor(path: string, id: string) {
    this.#path = path;
    this.id = id;
  }

  /**
   * The number of the fetch to `target` by the link with this pass. An earlier
   * run's number is reused until its file is complete.
   *
   * @throws {Failure} of kind `local` if it cannot be stored.
   */
  static async open(target: string, pass: string): Promise<KeptFetch> {
    const path = placeOf(target);
    const link = sha256(new TextEncoder().encode(pass)).toHex();
    try {
      const kept = await read(path);
      if (kept?.link === link) return new KeptFetch(path, kept.fetch);
      if (kept !== undefined) await Deno.remove(path);
      const fetch = newFetchId();
      await Deno.writeTextFile(path, `${link} ${fetch}\n`, {
        createNew: true,
        mode: PRIVATE_MODE,
      });
      return new KeptFetch(path, fetch);
    } catch (error) {
      throw error instanceof Failure ? error : cannot("save", target, error);
    }
  }

  /** Removes the number: the file is complete, or the link no longer works. */
  async discard(): Promise<void> {
    await Deno.remove(this.#path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw cannot("remove", this.#path, error);
      }
    });
  }
}

/**
 * No partial file has this name, because the name of a file cannot end in a
 * dot.
 */
function placeOf(target: string): string {
  return partialPathOf(`${target}.`);
}

/** The numbers of an earlier run; `undefined` if the file is not valid. */
async function read(
  path: string,
): Promise<{ link: string; fetch: string } | undefined> {
  using file = await openLeftover(path, { write: false });
  if (file === undefined) return undefined;
  const buffer = new Uint8Array(KEPT_BYTES + 1);
  const length = await file.read(buffer) ?? 0;
  const text = new TextDecoder().decode(buffer.subarray(0, length));
  const [, link, fetch] = /^([0-9a-f]{64}) ([\w-]{22})\n$/.exec(text) ?? [];
  return { link: link ?? "", fetch: fetch ?? "" };
}
