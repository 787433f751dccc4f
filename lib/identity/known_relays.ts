/**
 * The file of `--known-relays`: the relay id for each address, like the known
 * hosts of ssh. Each line is `HOST:PORT RELAY_ID`; lines that begin with `#`
 * are comments.
 *
 * @module
 */

import { endpointIn, isId, isIpv6, parseHost } from "../base/address.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { syncNameOf } from "../base/durable.ts";
import { lockBriefly } from "../base/file_lock.ts";
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import {
  type FileAccess,
  grantRemedy,
  requireAccess,
} from "../base/permission.ts";
import { errorAt, openRegular } from "../base/regular_file.ts";
import { show } from "../base/text.ts";

/** The result of comparing a relay with those met before. */
export type Acquaintance =
  | { readonly kind: "unknown" }
  | { readonly kind: "same" }
  | { readonly kind: "changed"; readonly knownId: string };

/** Remembers relays between runs. */
export class KnownRelays {
  /** The file's path. */
  readonly path: string;
  readonly #ids: Map<string, string>;

  private constructor(path: string, ids: Map<string, string>) {
    this.path = path;
    this.#ids = ids;
  }

  /**
   * Reads `path`. A file that does not exist counts as empty.
   *
   * @throws {Failure} of kind `local` if it cannot be read or understood.
   */
  static async load(path: string): Promise<KnownRelays> {
    return new KnownRelays(path, parseKnownRelays(await readText(path), path));
  }

  /** Compares `id` with the relay met at `endpoint` before. */
  compare(endpoint: Endpoint, id: string): Acquaintance {
    const knownId = this.#ids.get(keyOf(endpoint));
    if (knownId === undefined) return { kind: "unknown" };
    return knownId === id ? { kind: "same" } : { kind: "changed", knownId };
  }

  /**
   * Stores that the relay at `endpoint` is `id`, unless it is known: another
   * process may have met a relay there since {@linkcode KnownRelays.load}.
   *
   * @returns what is known about it; `unknown` if it was stored.
   * @throws {Failure} of kind `local` if the file cannot be read or written.
   */
  async remember(endpoint: Endpoint, id: string): Promise<Acquaintance> {
    const key = keyOf(endpoint);
    // A file that nobody may write to is enough if the relay is in it.
    const before = this.#idIn(await readText(this.path), key);
    const known = before ?? await this.#add(key, id);
    this.#ids.set(key, known ?? id);
    return known === undefined
      ? { kind: "unknown" }
      : this.compare(endpoint, id);
  }

  /** Adds a relay, unless another process has added one at that address. */
  async #add(key: string, id: string): Promise<string | undefined> {
    try {
      requireAccess(this.path, "write");
      using file = await Deno.open(this.path, TO_ADD);
      await lockBriefly(file, { isAlone: true });
      const text = await textOf(file);
      const known = this.#idIn(text, key);
      if (known !== undefined) return known;
      // A file edited by hand may end without a line break.
      const lineBreak = text === "" || text.endsWith("\n") ? "" : "\n";
      await append(file, {
        path: this.path,
        text: `${lineBreak}${key} ${id}\n`,
      });
      return undefined;
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw cannotUse(this.path, "write", error);
    }
  }

  #idIn(text: string, key: string): string | undefined {
    return parseKnownRelays(text, this.path).get(key);
  }
}

const TO_ADD = { read: true, append: true, create: true, mode: 0o600 };

/** All text of an open file. */
async function textOf(file: Deno.FsFile): Promise<string> {
  return new TextDecoder().decode(await bytesOf(file));
}

async function bytesOf(file: Deno.FsFile): Promise<Uint8Array> {
  await file.seek(0, Deno.SeekMode.Start);
  const { size } = await file.stat();
  const bytes = new Uint8Array(size);
  for (let filled = 0; filled < size;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) return bytes.subarray(0, filled);
    filled += count;
  }
  return bytes;
}

/**
 * Adds text to a file durably: all of it or, if the disk fails, nothing. What
 * other processes add meanwhile stays.
 */
async function append(
  file: Deno.FsFile,
  { path, text }: { path: string; text: string },
): Promise<void> {
  const { size } = await file.stat();
  const bytes = new TextEncoder().encode(text);
  let count = 0;
  try {
    while (count < bytes.length) {
      count += await file.write(bytes.subarray(count));
    }
    await file.sync();
    if (size === 0) await syncNameOf(path);
  } catch (error) {
    await removeAdded(file, bytes.subarray(0, count));
    throw error;
  }
}

/**
 * Removes what was `added`, if the file ends with it: on a disk without locks,
 * another process may have added something after it.
 */
async function removeAdded(
  file: Deno.FsFile,
  added: Uint8Array,
): Promise<void> {
  if (added.length === 0) return;
  const bytes = await bytesOf(file);
  const size = bytes.length - added.length;
  if (size >= 0 && added.every((byte, at) => byte === bytes[size + at])) {
    await file.truncate(size);
  }
}

/**
 * The same text for all spellings of an address: `NAS.local.` is `nas.local`.
 */
function keyOf({ host, port }: Endpoint): string {
  const canonical = isIpv6(host)
    ? parseHost(host)
    : host.toLowerCase().replace(/\.$/, "");
  return formatEndpoint({ host: canonical, port });
}

async function readText(path: string): Promise<string> {
  try {
    requireAccess(path, "read");
    using file = await openRegular(path);
    // Another process may be adding a line.
    await lockBriefly(file, { isAlone: false });
    return await textOf(file);
  } catch (cause) {
    const error = errorAt(path, cause);
    if (error instanceof Deno.errors.NotFound) return "";
    throw cannotUse(path, "read", error);
  }
}

function parseKnownRelays(text: string, path: string): Map<string, string> {
  const ids = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [address = "", id = "", ...rest] = line.trim().split(/\s+/);
    const key = keyIn(address);
    if (key === undefined || !isId(id) || rest.length > 0) {
      throw new Failure("local", {
        what: "Cannot read known relays",
        where: `${show(path)}, line ${index + 1}`,
        why: "wanted HOST:PORT RELAY_ID",
        remedy: "correct or remove that line",
      });
    }
    ids.set(key, id);
  }
  return ids;
}

/** The key of an address in the file; `undefined` if it is not one. */
function keyIn(text: string): string | undefined {
  const relay = endpointIn(text);
  return relay && keyOf(relay);
}

function cannotUse(path: string, verb: FileAccess, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: `Cannot ${verb} known relays`,
    where: show(path),
    why: describeCause(error),
    ...(error instanceof Deno.errors.NotCapable
      ? { remedy: grantRemedy([path], "read", "write") }
      : { remedyCode: "other_known_relays" }),
    cause: error,
  });
}
