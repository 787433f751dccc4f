/**
 * Runs the properties of this folder with one fresh seed after the other for so
 * many seconds, and says how to run again what failed. `deno task fuzz SECONDS`.
 */

import { Lines } from "../e2e/_processes.ts";

const FOLDER = new URL(".", import.meta.url).pathname;
// There are about a hundred properties: a round takes half a minute at most.
const PROPERTY_SECONDS = 0.25;
const DEFAULT_SECONDS = 60;

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

/** One round of all properties; the lines that say what failed. */
async function runRound(seed: number): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "--quiet", "--no-check", "--allow-net", "--allow-read"],
      ...["--allow-write", "--allow-env", "--allow-run", "--allow-sys", FOLDER],
    ],
    env: {
      NO_COLOR: "1",
      RELAY_P2P_FUZZ_SEED: String(seed),
      RELAY_P2P_FUZZ_SECONDS: String(PROPERTY_SECONDS),
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const outputs = [new Lines(child.stdout), new Lines(child.stderr)];
  const [{ success }] = await Promise.all([
    child.status,
    ...outputs.map(({ ended }) => ended),
  ]);
  return success ? [] : outputs.flatMap(({ all }) => all);
}

/** What to run again, from the words of the property library. */
function describeFailures(lines: readonly string[]): string[] {
  let name = "";
  const failures = lines.flatMap((line) => {
    name = /^(.+) => \.\/tests\/fuzz\//.exec(line)?.[1] ?? name;
    const [, seed, path] = /seed: (-?\d+), path: "([^"]*)"/.exec(line) ?? [];
    if (seed === undefined) return [];
    return [
      `failed: ${name}`,
      `  seed ${seed}, path ${path}`,
      `  again: RELAY_P2P_FUZZ_SEED=${seed} deno test --allow-all ` +
      `tests/fuzz/ --filter ${JSON.stringify(name)}`,
    ];
  });
  return failures.length > 0 ? failures : [...lines];
}

/** Runs for `seconds`; resolves to the exit code. */
async function main([given]: readonly string[]): Promise<number> {
  const seconds = given === undefined ? DEFAULT_SECONDS : Number(given);
  if (!(seconds > 0)) {
    say(`wanted a number of seconds, found ${given}`);
    return 2;
  }
  const until = performance.now() + seconds * 1_000;
  for (let round = 1; round === 1 || performance.now() < until; round++) {
    const seed = crypto.getRandomValues(new Int32Array(1))[0]!;
    const lines = await runRound(seed);
    if (lines.length > 0) {
      for (const line of describeFailures(lines)) say(line);
      return 1;
    }
    const left = Math.max(0, Math.round((until - performance.now()) / 1_000));
    say(`round ${round} from seed ${seed}: all hold; ${left} s left`);
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
