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
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import {
  type FileAccess,
  grantRemedy,
  requireAccess,
} from "../base/permission.ts";
import { readRegularText } from "../base/regular_file.ts";
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
    const text = await readText(this.path);
    const known = parseKnownRelays(text, this.path).get(key);
    if (known !== undefined) {
      this.#ids.set(key, known);
      return this.compare(endpoint, id);
    }
    // A file edited by hand may end without a line break.
    const lineBreak = text === "" || text.endsWith("\n") ? "" : "\n";
    try {
      requireAccess(this.path, "write");
      await append(this.path, `${lineBreak}${key} ${id}\n`);
    } catch (error) {
      throw cannotUse(this.path, "write", error);
    }
    this.#ids.set(key, id);
    return { kind: "unknown" };
  }
}

/**
 * Adds text to a file durably: all of it or, if the disk fails, nothing. What
 * other processes add meanwhile stays.
 */
async function append(path: string, text: string): Promise<void> {
  const options = { append: true, create: true, mode: 0o600 };
  using file = await Deno.open(path, options);
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
    await removeAdded(file, { path, added: bytes.subarray(0, count) });
    throw error;
  }
}

/**
 * Removes what was `added`, if the file ends with it: another process may have
 * added the same relay, or something after it.
 */
async function removeAdded(
  file: Deno.FsFile,
  { path, added }: { path: string; added: Uint8Array },
): Promise<void> {
  if (added.length === 0) return;
  const bytes = await Deno.readFile(path);
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
    return await readRegularText(path);
  } catch (error) {
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
