/**
 * The permissions that a role needs for what was typed: those of its options,
 * by the rows of the option table, and those of its words, by the rows of the
 * command table. Pure.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { Command } from "../../lib/cli/options/command_table.ts";
import type {
  OptionTable,
  PathUse,
} from "../../lib/cli/options/option_table.ts";

/** What a path is on the disk. */
export type PathKind = "file" | "folder" | undefined;

/** What the disk says of paths. */
export interface Disk {
  /** What is at `path`, links followed. */
  kindOf(path: string): PathKind;
  /** Where `path` leads if it is a link, or lies behind one. */
  targetOf(path: string): string | undefined;
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
}

/** A path, and what happens to it. */
export interface UsedPath {
  readonly path: string;
  readonly use: PathUse;
}

/** The flags of Deno for an undertaking, least first. */
export function permissionFlags(
  { line, options, net, paths = [], sys = [], env = [] }: Undertaking,
  disk: Disk,
): string[] {
  const access = new Access(disk);
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
  ];
}

/** Paths to read and to write. */
class Access {
  readonly #disk: Disk;
  readonly #read = new Set<string>();
  readonly #write = new Set<string>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  add(path: string, use: PathUse): void {
    if (use === "save" && path === "-") return; // standard output
    const place = this.#placeOf(path, use);
    const target = this.#disk.targetOf(place);
    for (const each of target === undefined ? [place] : [place, target]) {
      this.#read.add(each);
      if (use !== "read") this.#write.add(each);
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

  flags(): string[] {
    const flag = (name: string, paths: ReadonlySet<string>) =>
      paths.size === 0 ? [] : [
        `--allow-${name}=${
          [...paths].map((path) => path.replaceAll(",", ",,")).join(",")
        }`,
      ];
    return [...flag("read", this.#read), ...flag("write", this.#write)];
  }
}

/** Whether a command connects to a relay, by its usage. */
export function needsRelay({ usage }: Command): boolean {
  return usage.startsWith("RELAY");
}
