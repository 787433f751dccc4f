/**
 * The launcher of `p2p`: prints the statement that the shim evaluates, which
 * replaces the shell by Deno with the program and the least permissions that
 * the typed words need. After `--show` the statement prints that command.
 *
 * The shim runs it without a terminal on its input, so that everything typed
 * reaches the program.
 *
 * @module
 */

import { Failure } from "../../lib/base/errors.ts";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import type { Disk, PathKind } from "./permissions.ts";
import { placesOf } from "./places.ts";
import { planOf } from "./plan.ts";
import { readRemembered } from "./remembered.ts";
import { commandLine, quoted } from "./shell.ts";
import type { Surroundings } from "./surroundings.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

/** Prints the statement; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const { isShown, denoFlags, rest } = takeOwnFlags(args);
    const { script, flags, args: given } = await planOf(rest, surroundings());
    const command = commandLine([
      Deno.execPath(),
      ...["run", "--no-prompt", ...merged(flags, denoFlags)],
      join(ROOT, script),
      ...given,
    ]);
    const statement = isShown
      ? `printf '%s\\n' ${quoted(withCache(command))}`
      : `exec ${command}`;
    Deno.stdout.writeSync(new TextEncoder().encode(`${statement}\n`));
    return 0;
  } catch (error) {
    const { printError } = await import("./failing.ts"); // rarely needed
    return printError(error, args);
  }
}

/** The flags that are meant for `p2p` itself, wherever they stand before `--`. */
function takeOwnFlags(args: readonly string[]): {
  isShown: boolean;
  denoFlags: readonly string[];
  rest: readonly string[];
} {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const isDenos = (arg: string) =>
    /^--allow-(all|net|read|write|sys|env|run)(=|$)/.test(arg);
  return {
    isShown: before.includes("--show"),
    denoFlags: before.filter(isDenos),
    rest: [
      ...before.filter((arg) => arg !== "--show" && !isDenos(arg)),
      ...args.slice(before.length),
    ],
  };
}

/** Deno takes each flag once: lists of the same flag become one. */
function merged(
  flags: readonly string[],
  more: readonly string[],
): readonly string[] {
  if (more.includes("--allow-all")) return ["--allow-all"];
  const lists = new Map<string, string[] | undefined>();
  for (const flag of [...flags, ...more]) {
    const [, name, list] = /^([^=]+)(?:=(.*))?$/s.exec(flag)!;
    const known = lists.get(name!);
    if (list === undefined) lists.set(name!, undefined);
    else if (!lists.has(name!)) lists.set(name!, [list]);
    else if (known !== undefined) known.push(list);
  }
  return [...lists].map(([name, list]) =>
    list === undefined ? name : `${name}=${list.join(",")}`
  );
}

/** What is pasted elsewhere must find the packages too. */
function withCache(command: string): string {
  const cache = Deno.env.get("DENO_DIR");
  return cache === undefined ? command : `DENO_DIR=${quoted(cache)} ${command}`;
}

function surroundings(): Surroundings {
  const places = placesOf((name) => Deno.env.get(name));
  return {
    places,
    remembered: () => readRemembered(places.config),
    disk: DISK,
    isTerminal: Deno.stderr.isTerminal(),
    readSettings: async (path, role) => {
      const { readConfig } = await import("../../lib/cli/options/config.ts");
      return await readConfig(path, role);
    },
    tokensIn: async (path) => {
      const { readRelayList } = await import(
        "../../lib/cli/options/relay_list.ts"
      );
      try {
        const lines = await readRelayList(path);
        return lines.flatMap(({ tokenFile }) => tokenFile ?? []);
      } catch (error) {
        if (error instanceof Failure) return []; // the role reports it
        throw error;
      }
    },
    nameOf: async (folders) => {
      const real = folders.map(({ path, name }) =>
        (name === undefined ? "" : `${name}=`) +
        (DISK.targetOf(path) ?? absolute(path))
      );
      // The other SHA-256, of `node:crypto`, takes longer to load than this.
      const bytes = new TextEncoder().encode(real.toSorted().join("\0"));
      const hash = await crypto.subtle.digest("SHA-256", bytes);
      return new Uint8Array(hash).toHex().slice(0, NAME_LENGTH);
    },
  };
}

// 64 bits: nobody shares enough folders for two names to be the same.
const NAME_LENGTH = 16;

function absolute(path: string): string {
  return path.startsWith("/") ? join(path) : join(Deno.cwd(), path);
}

const DISK: Disk = {
  kindOf: (path): PathKind => {
    try {
      const { isFile, isDirectory } = Deno.statSync(path);
      return isDirectory ? "folder" : isFile ? "file" : undefined;
    } catch {
      return undefined; // whatever is wrong, the program reports it
    }
  },
  targetOf: (path) => {
    try {
      const real = Deno.realPathSync(path);
      return real === absolute(path).replace(/(?<=.)\/$/, "")
        ? undefined
        : real;
    } catch {
      return undefined;
    }
  },
  holdsHome: (path) => {
    try {
      const home = Deno.realPathSync(Deno.env.get("HOME") ?? "");
      const folder = Deno.realPathSync(path);
      return home === folder || home.startsWith(folder.replace(/\/?$/, "/"));
    } catch {
      return false;
    }
  },
  isRoot: (path) => {
    try {
      return dirname(Deno.realPathSync(path)) === Deno.realPathSync(path);
    } catch {
      return false;
    }
  },
};

if (import.meta.main) Deno.exit(await main(Deno.args));
