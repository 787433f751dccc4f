/**
 * The folder of `--state`: the identity that a relay or node keeps between
 * runs. It uses the secrets there only if nobody but their owner can read them.
 *
 * @module
 */

import { join } from "@std/path/join";
import { syncNameOf, writeNewDurably } from "../base/durable.ts";
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import {
  createIdentity,
  formatIdentity,
  type Identity,
  parseIdentity,
} from "./identity.ts";
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { errorAt, readRegularText } from "../base/regular_file.ts";
import { show } from "../base/text.ts";

const IDENTITY_FILE = "identity.pem";

/**
 * Makes the folder, readable by its owner alone, unless it exists.
 *
 * @throws {Failure} of kind `local` if that fails; `not_allowed` if this
 * process lacks the permission.
 */
export async function makeStateFolder(folder: string): Promise<void> {
  try {
    requireAccess(folder, "read", "write");
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotUse("Cannot use state folder", folder, { folder, error });
  }
}

/**
 * Loads the identity in `folder`. If there is none, makes one and stores it
 * with mode 0600, durably.
 *
 * @throws {Failure} of kind `local` if the folder or the file cannot be used,
 * or if others than the owner may read the file; `not_allowed` if this process
 * lacks the permission.
 */
export async function loadIdentity(folder: string): Promise<Identity> {
  await makeStateFolder(folder);
  const path = join(folder, IDENTITY_FILE);
  try {
    return await readIdentity(path) ?? await writeIdentity(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw cannotUse("Cannot use identity", path, { folder, error });
  }
}

function cannotUse(
  what: string,
  path: string,
  { folder, error }: { folder: string; error: unknown },
): Failure {
  return new Failure(localKindOf(error), {
    what,
    where: show(path),
    why: error instanceof TypeError ? error.message : describeCause(error),
    ...(error instanceof Deno.errors.NotCapable
      ? { remedy: grantRemedy([folder], "read", "write") }
      : error instanceof TypeError
      ? { remedyCode: "other_state_or_new_identity" }
      : { remedyCode: "other_state" }),
    cause: error,
  });
}

/** Whether `folder` holds an identity, as far as this process can see. */
export async function hasIdentity(folder: string): Promise<boolean> {
  try {
    requireAccess(folder, "read");
    return (await Deno.stat(join(folder, IDENTITY_FILE))).isFile;
  } catch {
    return false; // loading it will say what is wrong
  }
}

async function readIdentity(path: string): Promise<Identity | undefined> {
  let text: string;
  try {
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new Failure("local", {
        what: "Cannot use identity",
        where: show(path),
        why: "users other than its owner can read or change it",
        remedy: `run chmod 600 ${show(path)}`,
      });
    }
    text = await readRegularText(path);
  } catch (cause) {
    const error = errorAt(path, cause);
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return await parseIdentity(text);
}

async function writeIdentity(path: string): Promise<Identity> {
  const identity = await createIdentity();
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    // Others may remember this identity from now on, so it must not get lost.
    await writeNewDurably(temporary, formatIdentity(identity));
    // Written completely or not at all, and never over an existing file.
    await Deno.link(temporary, path);
    await syncNameOf(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return await readIdentity(path) ?? identity; // another process was first
  } finally {
    // Must not hide the first error. Nobody reads a temporary file that stays.
    await Deno.remove(temporary).catch(ignore);
  }
  return identity;
}

function ignore(): void {}
