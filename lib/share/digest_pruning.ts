/**
 * Removes digests from `--state` that have had no file for weeks, and
 * piece hashes that no digest needs. Otherwise each version of a file of 1 GB
 * would leave 128 KiB.
 *
 * A share may be missing for a while: a disk that is not mounted, or a folder
 * that another run shares. So only days on which all files were known count. A
 * digest is removed after four weeks of such days, or sooner if its file has
 * another version. A digest that was removed too early is computed again.
 *
 * @module
 */

import { join } from "@std/path/join";
import { isContentId } from "../content/manifest.ts";
import type { DigestIndex } from "./digest_index.ts";
import {
  copyIndex,
  linesOf,
  type ParsedLine,
  parseLine,
  readIndex,
} from "./digest_lines.ts";
import { hasManifest, type Standing } from "./digesting.ts";

// Days between two prunings. Each rewrites the whole index.
const PRUNE_DAYS = 7;
// A digest is removed when its file was absent in this many counts, one after the other.
const ABSENT_AGE = 4;
// The same if it had another version: a copy with the old time of writing may
// be put back, and two shares with equal names may use one state folder in turn.
const REPLACED_AGE = 2;
// New piece hashes after which it is time, too: a large file that changes all
// the time then leaves at most three times as much.
const GROWN_BYTES = 32 * 1024 ** 2;
// Piece hashes are written a second before the line that needs them.
const YOUNG_MS = 600_000;
// A copy of the index takes minutes at most.
const LEFTOVER_MS = 86_400_000;

/** What to do: count absent files as well, or only replaced ones. */
export interface PruningTask {
  readonly agesAbsent: boolean;
}

/** Prunes one folder of digests. */
export class DigestPruning {
  readonly #folder: string;
  readonly #now: () => number;
  #grownBytes = 0;
  /** The last day that was counted, as far as this run knows. */
  #day = "";

  /** Reads the clock by `now`, in milliseconds since 1970. */
  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Notes that piece hashes were written. */
  grown(bytes: number): void {
    this.#grownBytes += bytes;
  }

  /** Counts today; returns what to do if it is time to prune. */
  due(): PruningTask | undefined {
    const agesAbsent = this.#countDay() >= PRUNE_DAYS;
    const isDue = agesAbsent || this.#grownBytes >= GROWN_BYTES;
    return isDue ? { agesAbsent } : undefined;
  }

  /** Days on which all files were known, since absent files were counted. */
  #countDay(): number {
    const today = new Date(this.#now()).toISOString().slice(0, 10);
    if (today === this.#day) return 0;
    const [days, day] = this.#readDays();
    this.#day = today;
    if (day === today) return 0;
    this.#writeDays(days + 1, today);
    return days + 1;
  }

  /**
   * Rewrites the index without the removed digests, then removes piece hashes that it
   * does not need. Returns the new index; `undefined` if another program has
   * written to it meanwhile, or `signal` was aborted.
   */
  async run(
    { agesAbsent }: PruningTask,
    standingOf: (key: string) => Standing,
    signal?: AbortSignal,
  ): Promise<DigestIndex | undefined> {
    this.#grownBytes = 0;
    const path = join(this.#folder, "index");
    const target = join(this.#folder, `index.${crypto.randomUUID()}`);
    const before = await Deno.stat(path);
    const { lines } = await readIndex(path);
    let copied: DigestIndex;
    try {
      copied = await copyIndex({ path, lines, target }, (line) => {
        signal?.throwIfAborted();
        return ageOf(line, standingOf(line.key), agesAbsent);
      });
      const now = await Deno.stat(path);
      if (now.ino !== before.ino || now.size !== before.size) {
        await Deno.remove(target);
        return undefined;
      }
      await Deno.rename(target, path);
    } catch (error) {
      await Deno.remove(target).catch(() => {});
      throw error;
    }
    if (agesAbsent) this.#writeDays(0, this.#day);
    await this.#removeUnneeded(path);
    return copied;
  }

  /** Removes piece hashes without a line, and copies that were left over. */
  async #removeUnneeded(path: string): Promise<void> {
    const manifests = join(this.#folder, "manifests");
    const unneeded = new Set<string>();
    for await (const { name } of Deno.readDir(manifests)) {
      if (isContentId(name)) unneeded.add(name);
    }
    for await (const { bytes } of linesOf(path)) {
      const line = parseLine(bytes);
      if (line === undefined || !hasManifest(line.key)) continue;
      unneeded.delete(line.digest.content);
    }
    for (const name of unneeded) {
      await this.#removeOld(join(manifests, name), YOUNG_MS);
    }
    for await (const { name } of Deno.readDir(this.#folder)) {
      if (!LEFTOVER.test(name)) continue;
      await this.#removeOld(join(this.#folder, name), LEFTOVER_MS);
    }
  }

  /** Removes a file that was written longer ago than `ms`. */
  async #removeOld(path: string, ms: number): Promise<void> {
    const { mtime } = await Deno.lstat(path);
    const age = this.#now() - (mtime?.getTime() ?? 0);
    if (age > ms) await Deno.remove(path);
  }

  #readDays(): [days: number, day: string] {
    try {
      const text = Deno.readTextFileSync(this.#daysPath);
      const [, days, day] = /^(\d) (\d{4}-\d\d-\d\d)\n$/.exec(text) ?? [];
      return [Number(days ?? 0), day ?? ""];
    } catch {
      return [0, ""]; // the first run, or it cannot be read: counts from zero
    }
  }

  #writeDays(days: number, day: string): void {
    const text = `${Math.min(days, PRUNE_DAYS)} ${day}\n`;
    Deno.writeTextFileSync(this.#daysPath, text, { mode: 0o600 });
  }

  get #daysPath(): string {
    return join(this.#folder, "days");
  }
}

const LEFTOVER = /^index\.[0-9a-f-]{36}$/;

/** The age of a line from now on; `undefined` if it is removed. */
function ageOf(
  { age }: ParsedLine,
  standing: Standing,
  agesAbsent: boolean,
): number | undefined {
  if (standing === "current") return 0;
  if (standing === "absent" && !agesAbsent) return age;
  const most = standing === "absent" ? ABSENT_AGE : REPLACED_AGE;
  return age + 1 < most ? age + 1 : undefined;
}
