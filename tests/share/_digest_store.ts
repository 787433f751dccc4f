import { crc32 } from "node:zlib";
import { join } from "@std/path";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import type { DescribedFile } from "../../lib/share/digesting.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { randomBytes, seededRandom } from "../_random.ts";

export const PIECE = 256 * 1024;

export const HEX = "0123456789abcdef".repeat(4);

/** Digests of some file of `pieceCount` pieces, decided by `seed`. */
export function described(pieceCount: number, seed = 1): DescribedFile {
  const hashes = randomBytes(pieceCount * 32, seededRandom(seed));
  const manifest = new Manifest(pieceCount * PIECE, hashes);
  const sha256 = randomBytes(32, seededRandom(seed + 1_000)).toHex();
  return { content: manifest.contentId, sha256, manifest };
}

/** The part of a digest that is kept of every file. */
export function digestOf({ content, sha256 }: DescribedFile) {
  return { content, sha256 };
}

/** Names in a folder, in order. */
export function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

export function readIndex(state: string): string {
  return Deno.readTextFileSync(join(state, "index"));
}

/** What is known of `key` when the folder is opened now. */
export async function reopened(state: string, key: string) {
  using store = await DigestFolder.open(state);
  return store.get(key);
}

/** A line of the index. */
export function line(key: string, content = HEX, sha256 = HEX): string {
  return lineWith(JSON.stringify(key), content, sha256);
}

/** The same with anything in place of a key, and the right check. */
export function lineWith(quoted: string, content = HEX, sha256 = HEX): string {
  const check = crc32(`${content} ${sha256} ${quoted}`);
  const hex = check.toString(16).padStart(8, "0");
  return `${content} ${sha256} ${hex} ${quoted}`;
}
