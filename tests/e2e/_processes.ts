/**
 * The scripts as processes, started as the README says: with the documented
 * permissions and no other. Each is ended by its own process id.
 */

import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { within } from "../_event_log.ts";

export const ROOT = new URL("../..", import.meta.url).pathname;

/** A role that runs. Disposing kills it, if it still does. */
export interface RoleProcess extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: Lines;
  readonly stderr: Lines;
  /** Writes to its standard input. */
  type(text: string): Promise<void>;
  /** Says that no more input follows. */
  endInput(): Promise<void>;
  signal(signal: Deno.Signal): void;
  /** Its exit code, once it has ended by itself. */
  readonly exitCode: Promise<number>;
}

/** Lines of an output, kept. */
export class Lines {
  readonly all: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.ended = this.#collect(stream);
  }

  async #collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const lines = stream.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.all.push(line);
      for (const watch of [...this.#watchers]) watch();
    }
  }

  /** Calls `watch` now, and after each line until it is disposed of. */
  watch(watch: () => void): Disposable {
    this.#watchers.add(watch);
    watch();
    return { [Symbol.dispose]: () => this.#watchers.delete(watch) };
  }

  /** The first match of `pattern` in any line, past or to come. */
  async until(
    pattern: RegExp,
    deadlineMs?: number,
  ): Promise<RegExpExecArray> {
    const search = () =>
      this.all.map((line) => pattern.exec(line)).find(Boolean);
    const past = search();
    if (past) return past;
    const { promise, resolve, reject } = Promise.withResolvers<
      RegExpExecArray
    >();
    const watch = () => {
      const found = search();
      if (found) resolve(found);
    };
    this.#watchers.add(watch);
    this.ended.then(() =>
      reject(new Error(`no ${pattern} in ${this.all.join("\n")}`))
    );
    try {
      return await within(promise, String(pattern), deadlineMs);
    } finally {
      this.#watchers.delete(watch);
    }
  }
}

/** Permissions as the README gives them, by script. */
const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  "relay.ts": ["--allow-net"],
  "peer_node.ts": ["--allow-net"],
  "peer_client.ts": ["--allow-net"],
};

/** Options of {@linkcode spawnRole}. */
export interface SpawnOptions {
  /** Permissions beyond the documented ones, such as a folder to share. */
  permissions?: readonly string[];
  /** Variables of its environment, beyond those of this process. */
  env?: Record<string, string>;
  cwd?: string;
  /** A script that runs another one by its name. */
  through?: string;
  /** A command that runs it, such as one that enters a network namespace. */
  prefix?: readonly string[];
}

/** The command line that starts a role. */
export function commandLine(
  script: string,
  args: readonly string[],
  options: SpawnOptions = {},
): string[] {
  const permissions = [
    ...PERMISSIONS[script] ?? [],
    ...options.permissions ?? [],
  ];
  return [
    ...options.prefix ?? [],
    Deno.execPath(),
    "run",
    "--no-prompt",
    ...permissions,
    ...options.through === undefined
      ? [join(ROOT, script)]
      : [join(ROOT, options.through), script],
    ...args,
  ];
}

/** Starts a role. */
export function spawnRole(
  script: string,
  args: readonly string[],
  options: SpawnOptions = {},
): RoleProcess {
  return spawnCommand(commandLine(script, args, options), options);
}

/** Starts a command line. */
export function spawnCommand(
  [command = "", ...rest]: readonly string[],
  options: SpawnOptions = {},
): RoleProcess {
  const child = new Deno.Command(command, {
    args: rest,
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new Lines(child.stdout);
  const stderr = new Lines(child.stderr);
  const input = child.stdin.getWriter();
  let running = true;
  const exitCode = Promise.all([child.status, stdout.ended, stderr.ended])
    .then(([{ code }]) => {
      running = false;
      return code;
    });
  return {
    pid: child.pid,
    stdout,
    stderr,
    type: (text) => input.write(new TextEncoder().encode(text)),
    endInput: () => input.close(),
    signal: (signal) => child.kill(signal),
    exitCode,
    [Symbol.asyncDispose]: async () => {
      if (running) {
        try {
          child.kill("SIGKILL");
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // ended just now
        }
      }
      await exitCode;
      await input.close().catch(() => {}); // closed already
    },
  };
}

/** Runs a role to its end, with `input` for its standard input. */
export async function runRole(
  script: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string; deadlineMs?: number } = {},
): Promise<
  { code: number; stdout: Uint8Array; text: string; stderr: string[] }
> {
  const [command = "", ...rest] = commandLine(script, args, options);
  const child = new Deno.Command(command, {
    args: rest,
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  // It may end without reading its input.
  input.write(new TextEncoder().encode(options.input ?? "")).catch(() => {});
  input.close().catch(() => {});
  const { code, stdout, stderr } = await within(
    child.output(),
    script,
    options.deadlineMs,
  );
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code,
    stdout,
    text: decode(stdout),
    stderr: decode(stderr).split("\n").slice(0, -1),
  };
}

/** A running relay, and the facts that it printed. */
export interface RelayProcess extends RoleProcess {
  readonly port: string;
  readonly id: string;
  readonly address: string;
}

/** Starts a relay on a port the system picks. */
export async function spawnRelay(
  args: readonly string[] = ["0"],
  options: SpawnOptions = {},
): Promise<RelayProcess> {
  const relay = spawnRole(
    "relay.ts",
    ["--host", "127.0.0.1", ...args],
    options,
  );
  return await orEnded(relay, async () => {
    const [, port = ""] = await relay.stdout.until(
      /^relay listening on .*:(\d+)$/,
    );
    const [, id = ""] = await relay.stdout.until(/^relay id (\w{52})$/);
    const [, address = ""] = await relay.stdout.until(
      /^relay address (p2p:.*)$/,
    );
    return Object.assign(relay, { port, id, address });
  });
}

/** A node that runs, and where it listens. */
export interface NodeProcess extends RoleProcess {
  readonly port: string;
  readonly id: string;
}

/** Starts a node that shares `directory`, and waits until it is listed. */
export async function spawnNode(
  relayPort: string,
  directory: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<NodeProcess> {
  const node = spawnRole(
    "peer_node.ts",
    ["--host", "127.0.0.1", ...args, "127.0.0.1", relayPort, "0", directory],
    {
      ...options,
      permissions: [
        ...options.permissions ?? [],
        `--allow-read=${directory}`,
      ],
    },
  );
  return await orEnded(node, async () => {
    const [, port = ""] = await node.stdout.until(
      /^node listening on .*:(\d+)$/,
    );
    const [, id = ""] = await node.stdout.until(/^node id (\w{52})$/);
    await node.stdout.until(/^registered with /);
    return Object.assign(node, { port, id });
  });
}

/**
 * The output of a role. Ends a role without it, because the next test would
 * meet it.
 */
async function orEnded<Output>(
  role: RoleProcess,
  read: () => Promise<Output>,
): Promise<Output> {
  try {
    return await read();
  } catch (error) {
    await role[Symbol.asyncDispose]();
    throw error;
  }
}
