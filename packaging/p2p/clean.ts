/**
 * `p2p clean`: partial files that interrupted fetches have left in a folder.
 *
 * @module
 */

import { join } from "@std/path/join";
import { describeCause, Failure, localKindOf } from "../../lib/base/errors.ts";
import { PARTIAL_SUFFIX } from "../../lib/base/names.ts";
import { requireAccess } from "../../lib/base/permission.ts";
import { NotRegular, openRegular } from "../../lib/base/regular_file.ts";
import { counted, show } from "../../lib/base/text.ts";
import type { CliEvent } from "../../lib/cli/output/cli_events.ts";
import { formatBytes } from "../../lib/base/units.ts";
import { Input } from "../../lib/cli/output/streams.ts";
import { formatRows } from "../../lib/cli/output/tables.ts";
import { expectNoMore } from "../../lib/cli/roles/role.ts";
import type { OwnRun } from "./own_run.ts";
import { OWN } from "./tables.ts";

/** A partial file. */
interface Partial {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** Whether a process is writing it. */
  readonly isInUse: boolean;
}

/** Runs the command; resolves to the exit code. */
export async function runClean({ context, words }: OwnRun): Promise<number> {
  const { line, terminal, signal } = context;
  const [folder = ".", ...more] = words;
  expectNoMore(more, OWN, OWN.commands["clean"]!.usage);
  if (folder === "") {
    throw new Failure("usage", {
      what: "Cannot look into folder",
      why: "its path is empty",
    });
  }
  let failed: Failure | undefined;
  const note = (failure: Failure) => {
    failed ??= failure;
    terminal.note(failure.message);
  };
  const found: Partial[] = [];
  for await (const partial of partialsBelow(folder, note)) {
    signal.throwIfAborted();
    found.push(partial);
  }
  found.sort((one, other) => one.path < other.path ? -1 : 1);
  terminal.facts(
    formatRows(found.map(({ path, bytes, modifiedMs, isInUse }) => [
      formatBytes(bytes),
      new Date(modifiedMs).toISOString().slice(0, 10),
      isInUse ? "in use" : "",
      show(path),
    ])),
    signal,
  );
  const idle = found.filter(({ isInUse }) => !isInUse);
  const isWanted = idle.length > 0 && await isToRemove(idle, context);
  const removed = isWanted ? await removeAll(idle, note) : new Set();
  for (const partial of found) {
    terminal.event<CliEvent>({
      event: "partial_file",
      ...partial,
      isRemoved: removed.has(partial),
    });
  }
  terminal.note(
    found.length === 0
      ? "no partial files"
      : isWanted
      ? `removed ${counted(removed.size, "partial file")}`
      : idle.length === 0
      ? "nothing to remove"
      : line.isOn("yes") || terminal.isInteractive
      ? "kept"
      : "remove them with --yes",
  );
  return failed?.exitCode ?? 0;
}

/** Whether to remove these files: `--yes`, or a person says so. */
async function isToRemove(
  files: readonly Partial[],
  { line, terminal, signal }: OwnRun["context"],
): Promise<boolean> {
  if (line.isOn("yes")) return true;
  if (!terminal.isInteractive) return false;
  const bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  terminal.ask(
    `remove ${counted(files.length, "partial file")}, ${
      formatBytes(bytes)
    }? (y removes, Enter keeps): `,
  );
  const answer = await new Input().line(signal);
  return /^y(es)?$/i.test(answer?.trim() ?? "");
}

/** Walks through a folder; follows no links. */
async function* partialsBelow(
  folder: string,
  note: (failure: Failure) => void,
  { isTop = true } = {},
): AsyncGenerator<Partial> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) entries.push(entry);
  } catch (error) {
    const failure = cannot("look into", folder, error);
    if (isTop) throw failure;
    note(failure);
    return;
  }
  for (const { name, isDirectory, isFile } of entries) {
    const path = folder === "." ? name : join(folder, name);
    if (isDirectory) yield* partialsBelow(path, note, { isTop: false });
    else if (isFile && name.startsWith(".") && name.endsWith(PARTIAL_SUFFIX)) {
      const partial = await lookAt(path, note);
      if (partial !== undefined) yield partial;
    }
  }
}

async function lookAt(
  path: string,
  note: (failure: Failure) => void,
): Promise<Partial | undefined> {
  try {
    const { size, mtime } = await Deno.lstat(path);
    const modifiedMs = mtime?.getTime() ?? 0;
    return { path, bytes: size, modifiedMs, isInUse: await isLocked(path) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    note(cannot("look at", path, error));
    return undefined;
  }
}

/** Opens a file to ask for its lock. */
async function openToLock(path: string): Promise<Deno.FsFile> {
  const access = { name: "write", path } as const;
  const { state } = await Deno.permissions.query(access);
  const write = state === "granted";
  try {
    return await openRegular(path, { write, follow: false });
  } catch (error) {
    if (!(error instanceof NotRegular)) throw error;
    throw new Deno.errors.NotFound("something else has taken its place");
  }
}

async function isLocked(path: string): Promise<boolean> {
  try {
    using file = await openToLock(path);
    return !await file.tryLock(true);
  } catch (error) {
    // Another user's file is listed; removing it tells what is wrong.
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** Removes what it can; resolves to that. */
async function removeAll(
  files: readonly Partial[],
  note: (failure: Failure) => void,
): Promise<Set<Partial>> {
  const removed = new Set<Partial>();
  for (const file of files) {
    try {
      if (await remove(file.path)) removed.add(file);
    } catch (error) {
      note(cannot("remove", file.path, error));
    }
  }
  return removed;
}

/** Removes a file, unless a process has begun to write it. */
async function remove(path: string): Promise<boolean> {
  try {
    requireAccess(path, "write"); // Deno would ask for it at a terminal
    using file = await openToLock(path);
    if (!await file.tryLock(true)) return false;
    await Deno.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function cannot(verb: string, path: string, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: `Cannot ${verb} ${path === "." ? "this folder" : "path"}`,
    where: show(path),
    why: describeCause(error),
    cause: error,
  });
}
