/**
 * Builds the three programs as executables: `deno task compile [TARGET…]`, for
 * all targets where none is named. They go to `dist/TARGET/`, with `SHA256SUMS`
 * for `sha256sum -c`.
 *
 * Deno downloads its runtime (`denort`) for each target. Where it cannot, give
 * one in the variable `DENORT_BIN`, with one target, this machine's by default.
 *
 * Exit codes: 0 all built; 69 (EX_UNAVAILABLE) a runtime is not to be had; 2
 * usage; 1 anything else.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { VERSION } from "../lib/base/version.ts";

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

// What each is built with; docs/OPERATIONS.md says so too. Folders are named when a
// program is started, and that is too late to grant them.
const PROGRAMS = [
  { script: "relay.ts", name: "relay-p2p-relay" },
  { script: "peer_node.ts", name: "relay-p2p-node" },
  { script: "peer_client.ts", name: "relay-p2p-client" },
];
const PERMISSIONS = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=RELAY_P2P_*",
];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_UNAVAILABLE = 69;

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const DIST = join(Deno.cwd(), "dist");
const COMPILE_MS = 600_000;

/** How building for one target ended. */
type Outcome =
  | { readonly kind: "built"; readonly files: readonly string[] }
  | { readonly kind: "unavailable"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    say(`error: no such target: ${unknown.join(", ")}; targets are:`);
    for (const target of TARGETS) say(`  ${target}`);
    return EXIT_USAGE;
  }
  const runtime = Deno.env.get("DENORT_BIN");
  const targets = args.length > 0
    ? args
    : runtime === undefined
    ? TARGETS
    : [Deno.build.target];
  if (runtime !== undefined && targets.length > 1) {
    say("error: DENORT_BIN is the runtime of one target: name that one alone");
    return EXIT_USAGE;
  }
  const outcomes: Outcome[] = [];
  for (const target of targets) {
    const outcome = await build(target);
    const told = outcome.kind === "built"
      ? `built ${outcome.files.length} programs`
      : `not built: ${outcome.why}`;
    say(`${target}: ${told}`);
    outcomes.push(outcome);
  }
  await writeSums(
    outcomes.flatMap((outcome) =>
      outcome.kind === "built" ? outcome.files : []
    ),
  );
  const kinds = outcomes.map(({ kind }) => kind);
  if (kinds.includes("failed")) return EXIT_FAILED;
  return kinds.includes("unavailable") ? EXIT_UNAVAILABLE : 0;
}

/** Builds the programs for one target; leaves none of them if one fails. */
async function build(target: string): Promise<Outcome> {
  const folder = join(DIST, target);
  await removeFolder(folder);
  const files: string[] = [];
  for (const { script, name } of PROGRAMS) {
    const suffix = target.includes("windows") ? ".exe" : "";
    const file = join(folder, name + suffix);
    const outcome = await compile(script, { file, target });
    if (outcome !== undefined) {
      await removeFolder(folder);
      return outcome;
    }
    files.push(`${target}/${name}${suffix}`);
  }
  return { kind: "built", files };
}

/** Why a program could not be built; nothing where it was. */
async function compile(
  script: string,
  { file, target }: { file: string; target: string },
): Promise<Outcome | undefined> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["compile", "--quiet", "--no-check", "--frozen", ...PERMISSIONS],
      ...["--exclude-unused-npm", "--target", target, "--output", file],
      join(ROOT, script),
    ],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(COMPILE_MS),
  }).output();
  const words = new TextDecoder().decode(stderr);
  if (code !== 0) {
    const isRuntime = /denort/.test(words);
    const cause = words.trim().split("\n").map((line) => line.trim())
      .filter((line) => line !== "" && !/^(Stack|\d+: <unknown>)/.test(line));
    return isRuntime
      ? {
        kind: "unavailable",
        why:
          `its runtime (denort ${Deno.version.deno}) cannot be downloaded; ` +
          "give it in DENORT_BIN, with this target alone",
      }
      : { kind: "failed", why: cause.join(" ") };
  }
  return target === Deno.build.target ? await tryOut(file) : undefined;
}

/** Starts what was built for this machine: it must be the program. */
async function tryOut(file: string): Promise<Outcome | undefined> {
  const { stdout } = await new Deno.Command(file, {
    args: ["--version"],
    stdin: "null",
    stderr: "null",
    signal: AbortSignal.timeout(30_000),
  }).output();
  const [line = ""] = new TextDecoder().decode(stdout).split("\n");
  return line.startsWith(`relay-p2p ${VERSION},`) ? undefined : {
    kind: "unavailable",
    why: `what was built says ${JSON.stringify(line)}: ` +
      "the runtime in DENORT_BIN is no denort",
  };
}

async function writeSums(files: readonly string[]): Promise<void> {
  const path = join(DIST, "SHA256SUMS");
  if (files.length === 0) {
    await Deno.remove(path).catch(ignoreMissing);
    return;
  }
  const lines: string[] = [];
  for (const file of files) {
    const bytes = await Deno.readFile(join(DIST, file));
    const hash = await crypto.subtle.digest("SHA-256", bytes);
    lines.push(`${new Uint8Array(hash).toHex()}  ${file}\n`);
  }
  await Deno.writeTextFile(path, lines.join(""));
}

function removeFolder(path: string): Promise<void> {
  return Deno.remove(path, { recursive: true }).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
