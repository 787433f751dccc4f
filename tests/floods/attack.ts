/**
 * The attacker of one flood, as a process: `attack.ts NAME TARGET`. It says one
 * word when it begins, and stops when its standard input ends.
 */

import { FLOODS } from "./_all.ts";
import type { Target } from "./_flood.ts";

async function main([name, target = ""]: readonly string[]): Promise<number> {
  const flood = FLOODS.find((each) => each.name === name);
  if (flood === undefined) return 2;
  const stop = new AbortController();
  const victim = JSON.parse(target) as Target;
  await using _ready = await flood.prepare?.(victim);
  const attacking = flood.attack(victim, stop.signal);
  Deno.stdout.writeSync(new TextEncoder().encode("attacking\n"));
  for await (const _chunk of Deno.stdin.readable);
  stop.abort();
  await attacking;
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
