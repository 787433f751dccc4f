/**
 * Programs under `strace`, which makes their system calls fail, or kills them at
 * one. Where it is missing, or may trace nobody, the test is skipped and says so.
 */

import { hasTool } from "../_tools.ts";
import { commandLine, Lines, ROOT } from "../e2e/_processes.ts";

/** One system call that goes wrong. */
export interface Injection {
  /** Its name; several with commas. */
  readonly call: string;
  /** What it fails with, or `KILL` where the process ends just before it. */
  readonly with: string;
  /** Which of them, in each thread: the first, or as strace says `2`, `1+`. */
  readonly when?: string;
}

/** Options of {@linkcode runClientWith} and {@linkcode spawnNodeWith}. */
export interface TracedOptions {
  /** What goes wrong. */
  readonly injections: readonly Injection[];
  /** Calls to be written down as well. */
  readonly calls?: readonly string[];
  /** On these paths alone; on all where there are none. */
  readonly paths: readonly string[];
  /** What the client may read and write, and the node reads. */
  readonly folder: string;
}

/** How a client ended. */
export interface TracedOutcome {
  /** Its exit code; 137 where it was killed. */
  readonly code: number;
  readonly stderr: string[];
  /** System calls that were made to go wrong, as strace wrote them down. */
  readonly injected: string[];
  /** Names of all calls that were written down, in order. */
  readonly calls: string[];
}

/** Runs `peer_client.ts` to its end while the system fails it. */
export async function runClientWith(
  args: readonly string[],
  { injections, calls: more = [], paths, folder }: TracedOptions,
): Promise<TracedOutcome> {
  const log = await Deno.makeTempFile();
  try {
    const child = new Deno.Command("strace", {
      args: [
        ...straceOptions({ injections, calls: more, paths, log }),
        ...commandLine("peer_client.ts", ["--quiet", ...args], {
          permissions: [`--allow-read=${folder}`, `--allow-write=${folder}`],
        }),
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const { code, signal, stderr } = await child.output();
    const lines = (await Deno.readTextFile(log)).split("\n");
    return {
      code: signal === "SIGKILL" ? KILLED : code,
      stderr: new TextDecoder().decode(stderr).split("\n").slice(0, -1),
      injected: lines.filter((line) =>
        line.includes("(INJECTED)") || line.includes("+++ killed by SIGKILL")
      ),
      calls: lines.flatMap((line) => /^\d+ +(\w+)\(/.exec(line)?.[1] ?? []),
    };
  } finally {
    await Deno.remove(log);
  }
}

/** Starts `peer_node.ts` while the system fails it, and waits until it is listed. */
export async function spawnNodeWith(
  relay: readonly string[],
  { injections, paths, folder }: TracedOptions,
): Promise<AsyncDisposable> {
  const child = new Deno.Command("strace", {
    args: [
      ...straceOptions({ injections, paths, log: "/dev/null" }),
      ...commandLine("peer_node.ts", [
        ...["--host", "127.0.0.1", ...relay, "0", folder],
      ], { permissions: [`--allow-read=${folder}`] }),
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = new Lines(child.stdout);
  await lines.until(/^registered with /);
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM"); // which strace passes on
      await Promise.all([child.status, lines.ended]);
    },
  };
}

function straceOptions(
  { injections, calls = [], paths, log }:
    & Pick<TracedOptions, "injections" | "calls" | "paths">
    & { log: string },
): string[] {
  const all = [...injections.map(({ call }) => call), ...calls].join(",");
  // Without it, each system call stops for strace. With it, one that should
  // kill can pass before the signal arrives.
  const kills = injections.some((injection) => injection.with === "KILL");
  return [
    ...kills ? [] : ["--seccomp-bpf"],
    ...["-f", "-qq", "-I", "2", "-o", log, "-e", `trace=${all}`],
    ...paths.flatMap((path) => ["-P", path]),
    ...injections.flatMap((injection) => ["-e", formatOf(injection)]),
  ];
}

/** The exit code of what was killed. */
export const KILLED = 137;

function formatOf({ call, with: what, when = "1" }: Injection): string {
  const effect = what === "KILL"
    ? "signal=KILL"
    : /^\d+$/.test(what)
    ? `retval=${what}`
    : `error=${what}`;
  return `inject=${call}:${effect}:when=${when}`;
}

/** Why nothing can be traced here; nothing where it can. */
const missing: string | undefined = (() => {
  if (!hasTool("strace")) return "strace is not installed";
  const { success } = new Deno.Command("strace", {
    args: ["-f", "-qq", "-o", "/dev/null", "true"],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success ? undefined : "strace may not trace processes here";
})();

/** A test that needs strace. */
export function testWithStrace(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: missing === undefined ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== undefined,
    fn,
  });
}
