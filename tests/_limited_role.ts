/**
 * A role as its script starts it, with other limits: its arguments are the
 * script, and among the others `--limits=JSON` with those that are changed.
 */

import type { Limits } from "../lib/base/limits.ts";

const given = "--limits=";

async function withLimits(changed: Partial<Limits>): Promise<void> {
  const { freeze } = Object;
  Object.freeze = <T>(value: T): Readonly<T> => value;
  const { LIMITS } = await import("../lib/base/limits.ts");
  Object.freeze = freeze;
  freeze(Object.assign(LIMITS, changed));
}

const [script, ...args] = Deno.args;
const limits = args.find((arg) => arg.startsWith(given)) ?? `${given}{}`;
await withLimits(JSON.parse(limits.slice(given.length)));
const { main } = script === "relay.ts"
  ? await import("../lib/cli/roles/relay.ts")
  : await import("../lib/cli/roles/node.ts");
Deno.exit(await main(args.filter((arg) => arg !== limits)));
