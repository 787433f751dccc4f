import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { hashParts, PlainHasher } from "../../lib/transfer/hashing.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import type { TargetOptions } from "../../lib/disk/publishing.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";

export const PIECE = 256 * 1024;

const ROOT = join(import.meta.dirname!, "..", "..");

export const HASHER = new PlainHasher();

export const MODIFIED_MS = 1_600_000_000_123;

/** Three pieces, the last of them short. */
export const CONTENT = randomBytes(2 * PIECE + 100, seededRandom(1));

export const SIZE = CONTENT.length;

export const MANIFEST = new Manifest(
  SIZE,
  new Uint8Array(hashParts(CONTENT, PIECE).flatMap((hash) => [...hash])),
);

export const NEW: TargetOptions = { overwrite: false, modifiedMs: MODIFIED_MS };

export const OVER: TargetOptions = { overwrite: true, modifiedMs: MODIFIED_MS };

export function open(path: string, options = NEW): Promise<PartialFile> {
  return PartialFile.open(path, { size: SIZE, ...options });
}

/** Saves the whole of the content by all steps there are. */
export async function receive(path: string, options = NEW): Promise<void> {
  const partial = await open(path, options);
  await partial.write(0, CONTENT.slice());
  await partial.finish();
}

/** Names in a folder, in order. */
export function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/** `object[name]` is another until disposed of. */
export function replaced<T extends object, Name extends keyof T>(
  object: T,
  name: Name,
  by: (original: T[Name]) => T[Name],
): Disposable {
  const original = object[name];
  object[name] = by(original);
  return { [Symbol.dispose]: () => void (object[name] = original) };
}

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`system says ${code}`), { code });
}

/** A file has these bytes; their hashes are compared, for they are many. */
export async function assertContent(
  path: string,
  expected: Uint8Array,
  why?: string,
): Promise<void> {
  const found = await Deno.readFile(path);
  assertEquals(found.length, expected.length, why);
  assertEquals(hashParts(found, PIECE), hashParts(expected, PIECE), why);
}

export async function rejection(promise: Promise<unknown>): Promise<Failure> {
  const error = await assertRejects(() => within(promise, "it"), Failure);
  assertEquals(error.kind, "local");
  return error;
}

export const SAVES: readonly {
  name: string;
  content: Uint8Array<ArrayBuffer>;
  save: (path: string, options?: TargetOptions) => Promise<void>;
}[] = [
  { name: "PartialFile", content: CONTENT, save: receive },
  {
    name: "SmallFiles",
    content: CONTENT.slice(0, 9),
    save: (path, options = NEW) =>
      new SmallFiles().save(path, CONTENT.slice(0, 9), options),
  },
];

/** A process that runs `code`, in which `path` is known; killed when disposed. */
export function run(code: string, path: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--cached-only", "--ext=ts", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const folder = new URL("../../lib/disk/", import.meta.url).href;
  const text = `
    import { PartialFile } from ${JSON.stringify(`${folder}partial.ts`)};
    import { SmallFiles } from ${JSON.stringify(`${folder}small_files.ts`)};
    const at = (name) => ${JSON.stringify(folder)} + name;
    const path = ${JSON.stringify(path)};
    const options = { overwrite: false, modifiedMs: 0 };
    ${code}
  `;
  const writer = child.stdin.getWriter();
  const starting = writer.write(new TextEncoder().encode(text))
    .then(() => writer.close());
  return { child, starting };
}
