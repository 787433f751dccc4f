/**
 * The relays that `p2p use` remembers, in a file that only its owner can read.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import {
  parseRelayAddress,
  type RelayAddress,
} from "../../lib/base/address.ts";
import { describeCause, Failure, localKindOf } from "../../lib/base/errors.ts";
import { errorAt, NotRegular } from "../../lib/base/regular_file.ts";
import { show } from "../../lib/base/text.ts";

/** A remembered relay. */
export interface Remembered {
  /** The relay's address, with its id. */
  readonly relay: string;
  /** Absolute paths of the files with its tokens. */
  readonly tokenFiles: { readonly node?: string; readonly client?: string };
  /** Absolute path of the file with the index key, if it is not the relay's. */
  readonly indexKeyFile?: string;
}

/** The file in the folder of the configuration. */
export function rememberedPath(folder: string): string {
  return join(folder, "relay.json");
}

/** The file for `--known-relays`, beside which nodes are kept. */
export function knownRelaysPath(folder: string): string {
  return join(folder, "known-relays");
}

/** The files with these nodes. */
export function knownNodesPaths(knownRelays: string): readonly string[] {
  return [`${knownRelays}.nodes`, `${knownRelays}.nodes.new`];
}

/**
 * Reads what is remembered; an empty list if nothing is.
 *
 * @throws {Failure} of kind `local` if the file cannot be read or understood.
 */
export function readRemembered(folder: string): readonly Remembered[] {
  const path = rememberedPath(folder);
  let text: string;
  try {
    // Opening a pipe would wait until somebody writes to it.
    if (!Deno.statSync(path).isFile) throw new NotRegular();
    text = Deno.readTextFileSync(path);
  } catch (cause) {
    const error = errorAt(path, cause);
    if (error instanceof Deno.errors.NotFound) return [];
    throw cannotUse(path, "read", describeCause(error), error);
  }
  try {
    const found = JSON.parse(text);
    // Earlier versions remembered one.
    return (found.relays ?? [found]).map(parseRemembered);
  } catch (error) {
    throw cannotUse(path, "use", "it is damaged", error);
  }
}

function parseRemembered(
  { relay, tokenFiles = {}, indexKeyFile }: Remembered,
): Remembered {
  parseRelayAddress(relay);
  const { node, client } = tokenFiles;
  for (const path of [node, client, indexKeyFile]) {
    if (path === undefined || typeof path === "string") continue;
    throw new TypeError("Cannot parse: a path must be text");
  }
  return {
    relay,
    tokenFiles: {
      ...(node === undefined ? {} : { node }),
      ...(client === undefined ? {} : { client }),
    },
    ...(indexKeyFile === undefined ? {} : { indexKeyFile }),
  };
}

/**
 * Replaces what is remembered, all at once. A link to a file stays: that file is
 * replaced, which may be in a repository of the user's.
 *
 * @throws {Failure} of kind `local` if the file cannot be written.
 */
export function writeRemembered(
  folder: string,
  relays: readonly Remembered[],
): void {
  const path = rememberedPath(folder);
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = behindLinks(path);
    const temporary = join(
      dirname(file),
      `relay.json.${crypto.randomUUID()}`,
    );
    try {
      Deno.writeTextFileSync(
        temporary,
        `${JSON.stringify({ relays }, null, 2)}\n`,
        { createNew: true, mode: 0o600 },
      );
      Deno.renameSync(temporary, file);
    } catch (error) {
      removeIfThere(temporary);
      throw error;
    }
  } catch (error) {
    throw cannotUse(path, "write", describeCause(error), error);
  }
}

/** Where a file really is. */
function behindLinks(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (cause) {
    const error = errorAt(path, cause);
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

/**
 * Forgets all relays, and their nodes.
 *
 * @returns whether any relay was remembered.
 */
export function forget(folder: string): boolean {
  const known = knownRelaysPath(folder);
  for (const path of [known, ...knownNodesPaths(known)]) removeIfThere(path);
  return removeIfThere(rememberedPath(folder));
}

function removeIfThere(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw cannotUse(path, "remove", describeCause(error), error);
  }
}

/** The address of a remembered relay, parsed. */
export function relayOf({ relay }: Remembered): Required<RelayAddress> {
  return parseRelayAddress(relay);
}

function cannotUse(
  path: string,
  verb: string,
  why: string,
  cause: unknown,
): Failure {
  return new Failure(localKindOf(cause), {
    what: `Cannot ${verb} the remembered relays`,
    where: show(path),
    why,
    remedy: "forget it with p2p use --forget, then p2p use RELAY",
    cause,
  });
}
