/**
 * The folders of installations in the user's data folder. One installation at a
 * time works on them.
 *
 * @module
 */

import { join } from "@std/path/posix/join";
import { Failure } from "../../lib/base/errors.ts";
import { show } from "../../lib/base/text.ts";
import { isAppFolder, LOCK_FILE } from "./shim.ts";

/**
 * Locks the data folder until it is disposed of; waits for another installation.
 */
export async function lockInstalling(data: string): Promise<Disposable> {
  const lock = await Deno.open(join(data, LOCK_FILE), {
    write: true,
    create: true,
  });
  await lock.lock(true);
  return lock;
}

/**
 * The same where nothing may be made; `undefined` if nothing was ever installed.
 *
 * @throws {Failure} of kind `local` if an installation is under way.
 */
export async function lockUninstalling(
  data: string,
): Promise<Disposable | undefined> {
  let lock: Deno.FsFile;
  try {
    lock = await Deno.open(join(data, LOCK_FILE), { write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (await lock.tryLock(true)) return lock;
  lock.close();
  throw new Failure("local", {
    what: "Cannot uninstall",
    where: show(data),
    why: "an installation is under way",
    remedy: "run the same command again when it has ended",
  });
}

/**
 * Removes installations, and leftovers of one that was interrupted, but none of
 * `kept` and none whose Deno runs.
 */
export async function removeOthers(
  data: string,
  kept: readonly string[],
): Promise<void> {
  const running = await runningPrograms();
  for await (const { name } of Deno.readDir(data)) {
    const path = join(data, name);
    if (!isAppFolder(name) || kept.includes(path)) continue;
    if (running.includes(join(path, "deno"))) continue;
    await Deno.remove(path, { recursive: true });
  }
}

/** The command lines of all processes; nothing where no `ps` tells them. */
async function runningPrograms(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-A", "-ww", "-o", "args="],
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
