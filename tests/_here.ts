/**
 * What a role gets from its process, set for one isolate: each file of tests has
 * its own, so nothing of this reaches other tests or the programs they start.
 */

import { main as relay } from "../lib/cli/roles/relay.ts";
import { main as node } from "../lib/cli/roles/node.ts";
import { main as client } from "../lib/cli/commands/client.ts";

const MAINS: Readonly<
  Record<string, (args: readonly string[]) => Promise<number>>
> = { "relay.ts": relay, "peer_node.ts": node, "peer_client.ts": client };

/** How a role ended, and what it wrote. */
export interface OutcomeHere {
  readonly code: number;
  readonly text: string;
  readonly stderr: string[];
}

/**
 * Runs a role to its end without a process of its own, which takes a hundredth
 * of the time. It has this process's permissions and reads its standard input:
 * for what ends before it needs either.
 */
export async function runRoleHere(
  script: string,
  args: readonly string[],
): Promise<OutcomeHere> {
  using stdout = captured(Deno.stdout);
  using stderr = captured(Deno.stderr);
  const code = await MAINS[script]!(args);
  return {
    code,
    text: stdout.text(),
    stderr: stderr.text().split("\n").slice(0, -1),
  };
}

/** Keeps what is written, as through a pipe, until it is disposed of. */
function captured(
  output: typeof Deno.stdout | typeof Deno.stderr,
): Disposable & { text(): string } {
  const decoder = new TextDecoder();
  let text = "";
  const writeSync = (bytes: Uint8Array) => {
    text += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  const replaced = replace(output, {
    writeSync,
    write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)),
    isTerminal: () => false,
  });
  return {
    text: () => text,
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
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
