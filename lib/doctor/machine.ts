/**
 * Examines this machine: folders to share and to save in, the disk, and
 * permissions beyond the needed ones. Asks for no permission.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { describeCause, Failure, localKindOf } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { Share } from "../share/share.ts";
import type { SharedPath } from "../share/shared_path.ts";
import {
  accessFlag,
  grantRemedy,
  type IsGranted,
  isGranted,
  requireAccess,
  savingRemedy,
  shellWord,
} from "../base/permission.ts";
import { counted, show } from "../base/text.ts";
import type { Findings, Remedy } from "./check.ts";

/** Checks whether folders and files can be shared. */
export async function checkShare(
  paths: readonly SharedPath[],
  { limits, findings }: { limits: Limits; findings: Findings },
): Promise<void> {
  const where = paths.map(({ path }) => show(path)).join(", ");
  try {
    using share = await Share.open(paths, limits);
    const { unreadable } = share.skipped;
    const says = `${counted(share.fileCount, "file")} in ${where}`;
    if (unreadable === 0) findings.ok("share", says);
    else {
      findings.warn(
        "share",
        `${says}; ${counted(unreadable, "name")} there cannot be read`,
        "let the user that runs the node read them",
      );
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    findings.failed("share", error);
  }
}

/**
 * Checks whether files can be saved at `output`, by saving one and removing it.
 * `isOptional` says that the user did not name a place.
 *
 * @returns the folder, if it is writable.
 */
export async function checkFolder(
  output: string,
  { isOptional, findings }: { isOptional: boolean; findings: Findings },
): Promise<string | undefined> {
  const where = show(output);
  let folder = output;
  try {
    requireAccess(output, "read");
    folder = await folderOf(output);
    requireAccess(folder, "read", "write");
    const path = join(folder, `.relay-p2p-${crypto.randomUUID()}`);
    try {
      await Deno.writeFile(path, new Uint8Array(1), { createNew: true });
    } finally {
      await Deno.remove(path).catch(() => {}); // the file may not exist
    }
    findings.ok("folder", `${show(folder)} can be written to`);
    return folder;
  } catch (error) {
    const remedy = remedyFor(output, { folder, error });
    if (isOptional && error instanceof Deno.errors.NotCapable) {
      const says = `${where} is not writable: get cannot save there`;
      findings.warn("folder", says, remedy);
      return undefined;
    }
    findings.failed(
      "folder",
      new Failure(localKindOf(error), {
        what: "Cannot save to",
        where,
        why: describeCause(error),
        ...remedy,
        cause: error,
      }),
    );
    return undefined;
  }
}

function remedyFor(
  output: string,
  { folder, error }: { folder: string; error: unknown },
): Remedy {
  if (error instanceof Deno.errors.NotCapable) {
    const remedy = isGranted({ name: "read", path: output })
      ? grantRemedy([folder], "read", "write")
      : savingRemedy(output);
    return { remedy };
  }
  return error instanceof Deno.errors.NotFound
    ? { remedyCode: "make_folder_or_elsewhere" }
    : { remedyCode: "elsewhere" };
}

/** The folder itself, or the folder around a file to be saved. */
async function folderOf(output: string): Promise<string> {
  if (/[/\\]$/.test(output)) return output;
  try {
    return (await Deno.stat(output)).isDirectory ? output : dirname(output);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return dirname(output);
    throw error;
  }
}

const GIB = 1024 ** 3;

/**
 * Checks the free space on a folder's disk, if Deno and the system allow it.
 */
export async function checkDisk(
  folder: string,
  { limits, findings }: {
    limits: Limits;
    findings: Findings;
  },
): Promise<void> {
  if (!isGranted({ name: "sys", kind: "statfs" })) {
    return findings.ok(
      "disk",
      "free space unknown: to see it, grant --allow-sys=statfs",
    );
  }
  let bytes: number;
  try {
    const { bavail, bsize } = await statfs(folder);
    bytes = bavail * bsize;
  } catch (error) {
    return findings.ok(
      "disk",
      `free space unknown: ${describeCause(error)}`,
    );
  }
  const says = `${(bytes / GIB).toFixed(1)} GiB free at ${show(folder)}`;
  if (bytes >= limits.spareDiskBytes) return findings.ok("disk", says);
  findings.warn("disk", says, "free some space, or save elsewhere");
}

/** The file access that a role needs. */
export interface Needs {
  /** Paths to read. */
  readonly read: readonly string[];
  /** Paths to write. */
  readonly write: readonly string[];
}

/**
 * Checks whether the process has more permissions than it needs, and names the
 * flags that suffice.
 */
export function checkPermissions(needs: Needs, findings: Findings): void {
  const flags = flagsFor(needs);
  if (Deno.build.standalone) {
    return findings.ok("permissions", "those built into this executable");
  }
  const excess = excessOf(isGranted);
  if (excess.length === 0) {
    return findings.ok("permissions", `no more than needed: ${flags}`);
  }
  findings.warn(
    "permissions",
    `more than needed: ${excess.join(" ")}`,
    `run it with ${flags}`,
  );
}

/** The granted flags that are wider than any role needs. */
export function excessOf(grants: IsGranted): string[] {
  const whole = ["read", "write", "env", "sys", "run", "ffi"] as const;
  return whole.filter((name) => grants({ name })).map((name) =>
    `--allow-${name}`
  );
}

/** The flags that suffice. */
export function flagsFor({ read, write }: Needs): string {
  const flags = ["--allow-net"];
  if (read.length > 0) flags.push(accessFlag("read", read));
  if (write.length > 0) flags.push(accessFlag("write", write));
  if (usesVariables()) flags.push(shellWord("--allow-env=RELAY_P2P_*"));
  return flags.join(" ");
}

function usesVariables(): boolean {
  return isGranted({ name: "env" }) &&
    Object.keys(Deno.env.toObject()).some((name) =>
      name.startsWith("RELAY_P2P_")
    );
}
