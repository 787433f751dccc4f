/**
 * What a role gets from its process, set for one isolate: each file of tests has
 * its own, so nothing of this reaches other tests or the programs they start.
 */

import { main as relay } from "../lib/cli/roles/relay.ts";
import { main as node } from "../lib/cli/roles/node.ts";
import { main as client } from "../lib/cli/commands/client.ts";
import { main as p2p } from "../packaging/p2p/p2p.ts";

const MAINS: Readonly<
  Record<string, (args: readonly string[]) => Promise<number>>
> = {
  "relay.ts": relay,
  "peer_node.ts": node,
  "peer_client.ts": client,
  p2p,
};

/** What a role that runs here is given. */
export interface HereOptions {
  /** Its standard input; empty unless given. */
  readonly input?: string;
  /** Its variables; none of `RELAY_P2P_…` unless given. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stops it, as SIGTERM does, once its standard output matches. */
  readonly until?: RegExp;
  /** The same for its standard error. */
  readonly untilNote?: RegExp;
}

/** How a role ended, and what it wrote. */
export interface OutcomeHere {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly text: string;
  readonly stderr: string[];
}

let isRunning = false;

/**
 * Runs a role to its end without a process of its own, which takes a hundredth
 * of the time. It has this process's permissions and folder: signals, terminals
 * and refused permissions need a real process. One role at a time.
 */
export async function runRoleHere(
  script: string,
  args: readonly string[],
  { input = "", env = {}, until, untilNote }: HereOptions = {},
): Promise<OutcomeHere> {
  if (isRunning) {
    throw new Error("another role runs here: its output would mix");
  }
  isRunning = true;
  try {
    using signals = heldSignals();
    using stdout = captured(Deno.stdout, (bytes) => {
      if (until?.test(decode(bytes))) signals.stop();
    });
    using stderr = captured(Deno.stderr, (bytes) => {
      if (untilNote?.test(decode(bytes))) signals.stop();
    });
    using _stdin = typed(input);
    using _env = withOwnVariables(env);
    const code = await MAINS[script]!(args);
    return {
      code,
      stdout: stdout.bytes(),
      text: decode(stdout.bytes()),
      stderr: decode(stderr.bytes()).split("\n").slice(0, -1),
    };
  } finally {
    isRunning = false;
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Keeps what is written, as through a pipe, until it is disposed of. */
function captured(
  output: typeof Deno.stdout | typeof Deno.stderr,
  onWrite: (bytes: Uint8Array) => void = () => {},
): Disposable & { bytes(): Uint8Array } {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const writeSync = (bytes: Uint8Array) => {
    parts.push(bytes.slice()); // the writer may use its buffer again
    onWrite(bytes);
    return bytes.length;
  };
  const replaced = replace(output, {
    writeSync,
    write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)),
    isTerminal: () => false,
  });
  return {
    bytes: () => {
      const all = new Uint8Array(
        parts.reduce((sum, { length }) => sum + length, 0),
      );
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    },
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
}

/** Keeps what a role does on SIGTERM to itself. */
function heldSignals(): Disposable & { stop(): void } {
  const handlers = new Set<() => void>();
  let isStopped = false;
  const replaced = replace(Deno, {
    addSignalListener: (signal, handler) => {
      if (signal === "SIGTERM") handlers.add(handler);
    },
    removeSignalListener: (_signal, handler) => {
      handlers.delete(handler);
    },
  } as Partial<typeof Deno>);
  return {
    // The second signal would end the process.
    stop: () => {
      if (!isStopped) handlers.forEach((handler) => handler());
      isStopped = true;
    },
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
}

/** Gives `text` and then the end to those that read standard input. */
function typed(text: string): Disposable {
  let left = new TextEncoder().encode(text);
  return replace(Deno.stdin, {
    read: (buffer: Uint8Array) => {
      if (left.length === 0) return Promise.resolve(null);
      const part = left.subarray(0, buffer.length);
      buffer.set(part);
      left = left.subarray(part.length);
      return Promise.resolve(part.length);
    },
    isTerminal: () => false,
  });
}

/** Shows a role these of its variables, and none that happen to be set. */
function withOwnVariables(
  variables: Readonly<Record<string, string>>,
): Disposable {
  const get = Deno.env.get.bind(Deno.env);
  return replace(Deno.env, {
    get: (name) =>
      variables[name] ??
        (name.startsWith("RELAY_P2P_") ? undefined : get(name)),
  });
}

/** Sets variables of the environment, for reading alone, until disposed of. */
export function withVariables(
  variables: Readonly<Record<string, string>>,
): Disposable {
  const get = Deno.env.get.bind(Deno.env);
  return replace(Deno.env, { get: (name) => variables[name] ?? get(name) });
}

/** Replaces methods of an object until disposed of. */
function replace<T extends object>(object: T, methods: Partial<T>): Disposable {
  const before = Object.getOwnPropertyDescriptors(object);
  Object.assign(object, methods);
  return {
    [Symbol.dispose]: () => {
      for (const name of Object.keys(methods)) {
        const descriptor = before[name as keyof T];
        if (descriptor === undefined) delete object[name as keyof T];
        else Object.defineProperty(object, name, descriptor);
      }
    },
  };
}
