/**
 * Installs `p2p` for the user: `deno task install`. Copies Deno, the program
 * and the packages that it needs into the user's data folder, and writes the
 * command into `~/.local/bin`. Afterwards neither this checkout nor npm's cache
 * nor the network is needed.
 *
 * Each installation has a folder of its own; the command changes over to it, by
 * one rename, when it is complete. The one before stays, and so does every other
 * whose programs are running.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { VERSION } from "../../lib/base/version.ts";
import { describeCause, Failure } from "../../lib/base/errors.ts";
import { show } from "../../lib/base/text.ts";
import { lockInstalling, removeOthers } from "./app_folders.ts";
import {
  commandPath,
  newCommandPath,
  type Places,
  placesOf,
} from "./places.ts";
import { quoted } from "./shell.ts";
import { folderOfShim, shimText } from "./shim.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

/** What is copied from a checkout. */
const PARTS = [
  ...["relay.ts", "peer_node.ts", "peer_client.ts", "lib", "types"],
  ...["packaging/p2p", "LICENSE", "deno.json", "deno.lock"],
];
/** Packages that only tests import. */
const OF_TESTS = ["axe-core", "fast-check", "playwright-core"];
/** The programs whose packages are fetched. */
const PROGRAMS = [
  ...["relay.ts", "peer_node.ts", "peer_client.ts"],
  ...["packaging/p2p/launch.ts", "packaging/p2p/p2p.ts"],
];
const LONGEST_MS = 600_000;

async function main(): Promise<number> {
  try {
    const places = placesOf((name) => Deno.env.get(name));
    await install(places);
    const path = commandPath(places);
    say(`installed relay-p2p ${VERSION}: ${show(path)}`);
    sayWhatIsMissing(places);
    return 0;
  } catch (error) {
    say(
      `error: ${
        error instanceof Failure
          ? error.message
          : `Cannot install: ${describeCause(error)}`
      }`,
    );
    return error instanceof Failure ? error.exitCode : 8;
  }
}

/** Installs for the user with these places. */
async function install(places: Places): Promise<void> {
  const command = commandPath(places);
  await Deno.mkdir(places.data, { recursive: true, mode: 0o700 });
  using _lock = await lockInstalling(places.data);
  const before = await currentFolder(command);
  const folder = join(places.data, `app-${VERSION}-${crypto.randomUUID()}`);
  try {
    await copyProgram(folder);
    await fetchPackages(folder);
    await tryOut(folder);
    await changeOver(places, shimText(folder, VERSION));
  } catch (error) {
    await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
    throw error;
  }
  await removeOthers(places.data, [folder, ...before ?? []]);
}

/** The folder of the program that the command starts now. */
async function currentFolder(command: string): Promise<[string] | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(command);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const folder = folderOfShim(text);
  if (folder !== undefined) return [folder];
  throw new Failure("local", {
    what: "Cannot install",
    where: show(command),
    why: "another program is there",
    remedy: "move it away",
  });
}

async function copyProgram(folder: string): Promise<void> {
  await Deno.mkdir(folder, { mode: 0o700 });
  for (const part of PARTS) {
    await Deno.mkdir(dirname(join(folder, part)), { recursive: true });
    await copy(join(ROOT, part), join(folder, part));
  }
  const deno = join(folder, "deno");
  await Deno.copyFile(Deno.execPath(), deno);
  await Deno.chmod(deno, 0o755);
  await writeProgramConfig(folder);
}

async function copy(from: string, to: string): Promise<void> {
  if (!(await Deno.stat(from)).isDirectory) {
    return await Deno.copyFile(from, to);
  }
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await copy(join(from, name), join(to, name));
  }
}

/** `deno.json` without the tasks, and the packages of the tests. */
async function writeProgramConfig(folder: string): Promise<void> {
  const path = join(folder, "deno.json");
  const { tasks: _, imports, ...rest } = JSON.parse(
    await Deno.readTextFile(path),
  );
  const needed = Object.entries(imports)
    .filter(([name]) => !OF_TESTS.includes(name));
  const config = { ...rest, imports: Object.fromEntries(needed) };
  await Deno.writeTextFile(path, JSON.stringify(config, null, 2));
}

/**
 * Fills the program's own cache. Packages that this Deno has already are copied,
 * so that only the others come from the network.
 */
async function fetchPackages(folder: string): Promise<void> {
  const cache = join(folder, "cache");
  await Deno.mkdir(cache);
  await copyPackages(folder, cache);
  const words = await deno(
    folder,
    ["cache", "--quiet", "--frozen=false", ...PROGRAMS],
  );
  if (words === undefined) return;
  throw new Failure("local", {
    what: "Cannot install",
    why: `its packages cannot be fetched: ${words}`,
    // A proxy that reads encrypted connections has an authority of its own.
    remedy: /certificate|UnknownIssuer/i.test(words)
      ? "behind a proxy that reads encrypted connections, set " +
        "DENO_TLS_CA_STORE=system, so that Deno trusts what the system trusts"
      : "check that this machine can reach the npm registry",
  });
}

/** Copies the packages in the lock file that the program imports. */
async function copyPackages(folder: string, cache: string): Promise<void> {
  const info = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
    stdin: "null",
  }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(info.stdout));
  const read = async (name: string) =>
    JSON.parse(await Deno.readTextFile(join(folder, name)));
  const { imports } = await read("deno.json");
  const { npm } = await read("deno.lock");
  if (!await isThere(npmCache)) return;
  for await (const registry of Deno.readDir(npmCache)) {
    for (const [name, version] of packagesOf(imports, npm)) {
      const place = join(registry.name, name);
      for (const part of ["registry.json", version]) {
        const from = join(npmCache, place, part);
        if (!await isThere(from)) continue;
        const to = join(cache, "npm", place, part);
        await Deno.mkdir(dirname(to), { recursive: true });
        await copy(from, to);
      }
    }
  }
}

/** Names and versions of what an import map needs, by a lock file. */
function packagesOf(
  imports: Readonly<Record<string, string>>,
  locked: Readonly<Record<string, { dependencies?: readonly string[] }>>,
): Set<[name: string, version: string]> {
  const keys = Object.keys(locked);
  const wanted = Object.values(imports).map((specifier) =>
    /^npm:(@?[^@]+@[^/]+)/.exec(specifier)?.[1] ?? ""
  );
  const found = new Set<string>();
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    // A dependency of which there is one version stands there without it.
    const key = keys.find((key) => key === next || key.startsWith(`${next}@`));
    if (key === undefined || found.has(key)) continue;
    found.add(key);
    wanted.push(...locked[key]?.dependencies ?? []);
  }
  return new Set([...found].map((key) => {
    const at = key.lastIndexOf("@");
    return [key.slice(0, at), key.slice(at + 1).split("_")[0]!];
  }));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What is installed must start, without the network. */
async function tryOut(folder: string): Promise<void> {
  for (const program of PROGRAMS.slice(0, 3)) {
    const words = await deno(folder, [
      ...["run", "--no-prompt", "--cached-only", program, "--version"],
    ]);
    if (words === undefined) continue;
    throw new Failure("local", {
      what: "Cannot install",
      where: program,
      why: `it does not start: ${words}`,
    });
  }
}

/** Runs the copied Deno with the cache beside it; the last line if it fails. */
async function deno(
  folder: string,
  args: readonly string[],
): Promise<string | undefined> {
  const { code, stderr } = await new Deno.Command(join(folder, "deno"), {
    args: [...args],
    cwd: folder,
    env: { DENO_DIR: join(folder, "cache"), NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(LONGEST_MS),
  }).output();
  if (code === 0) return undefined;
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  return lines.find((line) => line.includes("error")) ?? lines.at(-1) ?? "";
}

/**
 * Puts the new command into the place of the old one, all at once. An
 * installation that was killed here has left a file, which goes.
 */
async function changeOver(places: Places, text: string): Promise<void> {
  const prepared = newCommandPath(places);
  await Deno.mkdir(places.bin, { recursive: true });
  await Deno.remove(prepared).catch(ignoreMissing);
  try {
    using file = await Deno.open(prepared, {
      ...{ write: true, createNew: true },
      mode: 0o755,
    });
    await writeAll(file, new TextEncoder().encode(text));
    await file.sync();
    await Deno.rename(prepared, commandPath(places));
  } catch (error) {
    await Deno.remove(prepared).catch(ignoreMissing);
    throw error;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}

function sayWhatIsMissing({ bin }: Places): void {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  if (folders.includes(bin)) return;
  say(
    `${
      show(bin)
    } is not in your PATH; add this line to ~/.profile, and log in again:`,
  );
  say(`  export PATH=${quoted(bin)}:"$PATH"`);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) Deno.exit(await main());
