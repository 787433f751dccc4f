/**
 * Reads files that hold a secret, a token, a link or an index key, but only if nobody except
 * their owner can read or replace them.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import { grantRemedy, isGranted, requireAccess } from "../base/permission.ts";
import { openRegular } from "../base/regular_file.ts";
import { show } from "../base/text.ts";

// Enough for each of them and a line break.
const MOST_BYTES = 4096;

/**
 * Reads the only word in a file; `what` is a secret, a token, a link or an index key.
 *
 * @throws {Failure} of kind `local` if others than its owner may read or
 * replace the file, with the command that repairs it; of kind `not_allowed` if
 * this process may not read it.
 */
export async function readSecretFile(
  path: string,
  what: "secret" | "token" | "link" | "index key" | "cluster",
): Promise<string> {
  const fail = (why: string, remedy: string, cause?: unknown) =>
    new Failure(localKindOf(cause), {
      what: `Cannot use ${what} file`,
      where: show(path),
      why,
      remedy,
      cause,
    });
  try {
    requireAccess(path, "read");
    using file = await openRegular(path);
    const info = await file.stat();
    const reason = weaknessOf(info, ownUser());
    if (reason !== undefined) {
      throw fail(reason, `run ${mendingCommand(info, path)}`);
    }
    if (isOpenFolder(await folderOf(path))) {
      throw fail(
        "other users can put another file in its place",
        `run chmod go-w ${show(dirname(path))}`,
      );
    }
    const word = await readWord(file);
    if (word !== undefined) return word;
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw fail(
      describeCause(error),
      error instanceof Deno.errors.NotCapable
        ? grantRemedy([path], "read")
        : `name a file with the ${what} in it`,
      error,
    );
  }
  throw fail(
    "it does not contain exactly one word",
    `put the ${what} in it, and nothing else`,
  );
}

/** Why the file must not be used; `undefined` if it may. */
function weaknessOf(
  { mode, uid }: Deno.FileInfo,
  own: number | undefined,
): string | undefined {
  if (own !== undefined && uid !== null && uid !== own) {
    return "it belongs to another user";
  }
  return mode !== null && (mode & 0o077) !== 0
    ? "users other than its owner can read or change it"
    : undefined;
}

function mendingCommand({ mode }: Deno.FileInfo, path: string): string {
  return mode !== null && (mode & 0o077) !== 0
    ? `chmod 600 ${show(path)}`
    : `chown "$(id -u)" ${show(path)}`;
}

/**
 * The user id of this process, if Deno reports it. Without it the check is
 * still safe: only root can read another user's private file.
 */
function ownUser(): number | undefined {
  const isKnown = isGranted({ name: "sys", kind: "uid" });
  return isKnown ? Deno.uid() ?? undefined : undefined;
}

/** The folder of a file, if this process may look at it. */
async function folderOf(path: string): Promise<Deno.FileInfo | undefined> {
  const folder = dirname(path);
  const isAllowed = isGranted({ name: "read", path: folder });
  return isAllowed ? await Deno.stat(folder) : undefined;
}

const STICKY = 0o1000;

/** Whether users can replace files of others in this folder. */
function isOpenFolder(info: Deno.FileInfo | undefined): boolean {
  const mode = info?.mode ?? 0;
  return (mode & 0o022) !== 0 && (mode & STICKY) === 0;
}

/** The only word in a file; `undefined` if there is none, or more than one. */
async function readWord(file: Deno.FsFile): Promise<string | undefined> {
  const buffer = new Uint8Array(MOST_BYTES);
  let length = 0;
  while (length < MOST_BYTES) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  const text = new TextDecoder().decode(buffer.subarray(0, length)).trim();
  return length < MOST_BYTES && /^\S+$/.test(text) ? text : undefined;
}
