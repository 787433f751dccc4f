/**
 * The permissions that a role needs for what was typed: those of its options,
 * by the rows of the option table, and those of its words, by the rows of the
 * command table. Pure.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { Failure } from "../../lib/base/errors.ts";
import { grantablePath } from "../../lib/base/permission.ts";
import { show } from "../../lib/base/text.ts";
import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { Command } from "../../lib/cli/options/command_table.ts";
import type {
  OptionTable,
  PathUse,
} from "../../lib/cli/options/option_spec.ts";

/**
 * The most bytes of paths in one `--allow-read`, or `--allow-write`. Linux takes
 * arguments of 128 KiB; the rest is for paths that a person adds.
 */
export const ALLOW_LIST_BYTES = 102_400;

/** What a path is on the disk. */
export type PathKind = "file" | "folder" | undefined;

/** What the disk says of paths. */
export interface Disk {
  /** What is at `path`, links followed. */
  kindOf(path: string): PathKind;
  /** Where `path` leads if it is a link, or lies behind one. */
  targetOf(path: string): string | undefined;
  /** Whether `path` leads to the root. */
  isRoot(path: string): boolean;
  /** Whether the user's home is `path`, or lies in it. */
  holdsHome(path: string): boolean;
}

/** What a role is about to do. */
export interface Undertaking {
  /** Its options, with those of variables and files. */
  readonly line: CommandLine;
  /** The rows of the options that it takes. */
  readonly options: OptionTable;
  /** Whether it uses the network. */
  readonly net: boolean;
  /** Paths that it uses, other than those of options. */
  readonly paths?: readonly UsedPath[];
  /** What it asks of the system. */
  readonly sys?: readonly string[];
  /** Variables that it reads, other than those of options. */
  readonly env?: readonly string[];
  /** Paths of programs that it runs. */
  readonly run?: readonly string[];
}

/** A path, and what happens to it. */
export interface UsedPath {
  readonly path: string;
  readonly use: PathUse;
}

/** The flags of Deno for an undertaking, least first. */
export function permissionFlags(
  { line, options, net, paths = [], sys = [], env = [], run = [] }: Undertaking,
  disk: Disk,
): string[] {
  const access = new Access(disk, { isDry: line.isOn("dry-run") });
  for (const { path, use } of paths) access.add(path, use);
  for (
    const [name, { names, use = "read", default: usual }] of Object.entries(
      options,
    )
  ) {
    if (names === undefined) continue;
    const path = line.value(name) ?? (use === "save" ? usual : undefined);
    if (path !== undefined) access.add(path, use);
  }
  return [
    ...(net ? ["--allow-net"] : []),
    ...access.flags(),
    `--allow-env=${["RELAY_P2P_*", ...env].join(",")}`,
    ...(sys.length === 0 ? [] : [`--allow-sys=${sys.join(",")}`]),
    ...(run.length === 0 ? [] : [`--allow-run=${run.join(",")}`]),
  ];
}

/** Paths to read and to write. */
class Access {
  readonly #disk: Disk;
  readonly #isDry: boolean;
  readonly #read = new Set<string>();
  readonly #write = new Set<string>();

  /** `isDry` if nothing is saved: places for files are looked at. */
  constructor(disk: Disk, { isDry }: { isDry: boolean }) {
    this.#disk = disk;
    this.#isDry = isDry;
  }

  add(path: string, use: PathUse): void {
    if (path === "") return; // the program reports it
    if (use === "save" && path === "-") return; // standard output
    const place = this.#placeOf(path, use);
    const target = this.#disk.targetOf(place);
    const isRead = use === "read" || use === "save" && this.#isDry;
    for (const each of target === undefined ? [place] : [place, target]) {
      const granted = this.#grantable(each);
      this.#read.add(granted);
      if (!isRead) this.#write.add(granted);
    }
  }

  /** A new file is made beside its name first: that takes the folder. */
  #placeOf(path: string, use: PathUse): string {
    switch (use) {
      case "read":
      case "keep":
        return path;
      case "write":
        return dirname(path);
      case "save":
        return /(^|\/)\.{0,2}$/.test(path) ||
            this.#disk.kindOf(path) === "folder"
          ? path
          : dirname(path);
      default:
        return use satisfies never;
    }
  }

  #grantable(path: string): string {
    const granted = grantablePath(path);
    if (granted === path) return path;
    if (granted !== undefined && !this.#disk.isRoot(granted)) return granted;
    throw new Failure("usage", {
      what: "Cannot start",
      where: show(path),
      why:
        "Deno cannot grant a path with a comma, and its parent folder is the root",
      remedy: "rename it",
    });
  }

  flags(): string[] {
    const flag = (name: string, paths: ReadonlySet<string>) =>
      paths.size === 0
        ? []
        : [`--allow-${name}=${[...this.#fitting(paths)].join(",")}`];
    return [...flag("read", this.#read), ...flag("write", this.#write)];
  }

  /**
   * These paths, or folders around many of them, so that they fit into one
   * argument.
   *
   * @throws {Failure} of kind `usage` if only the root would contain them.
   */
  #fitting(paths: ReadonlySet<string>): ReadonlySet<string> {
    let fitting = paths;
    while (bytesOf(fitting) > ALLOW_LIST_BYTES) {
      const fewer = this.#folded(fitting);
      if (bytesOf(fewer) >= bytesOf(fitting)) {
        throw new Failure("usage", {
          what: "Cannot start",
          why: `${fitting.size} paths are too many for one command`,
          remedy:
            "name the folders that they are in, or start several commands",
        });
      }
      fitting = fewer;
    }
    return fitting;
  }

  /** Puts folders in place of what is in them, the fullest first. */
  #folded(paths: ReadonlySet<string>): Set<string> {
    const folded = new Set(paths);
    let bytes = bytesOf(paths);
    const families = [...Map.groupBy(paths, folderAround)]
      .map(([folder, family]) => ({ folder, family, size: bytesOf(family) }))
      .toSorted((one, other) => other.size - one.size);
    for (const { folder, family, size } of families) {
      if (bytes <= ALLOW_LIST_BYTES) break;
      if (folder === undefined || this.#disk.isRoot(folder)) continue;
      for (const path of family) folded.delete(path);
      folded.add(folder);
      bytes += bytesOf([folder]) - size;
    }
    return folded;
  }
}

/** The folder that a path is in, where its text tells. */
function folderAround(path: string): string | undefined {
  return /(^|\/)\.{1,2}\/*$/.test(path) ? undefined : dirname(path);
}

const ENCODER = new TextEncoder();

/** The length of a list of paths, with a comma after each. */
function bytesOf(paths: Iterable<string>): number {
  let bytes = 0;
  for (const path of paths) bytes += ENCODER.encode(path).length + 1;
  return bytes;
}

/** Whether a command connects to a relay, by its usage. */
export function needsRelay({ usage }: Command): boolean {
  return usage.startsWith("RELAY");
}
