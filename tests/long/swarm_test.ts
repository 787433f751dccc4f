/**
 * A seed that is killed while machines fetch its file together: the scripts as
 * processes, with the documented permissions.
 */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";

const PIECE = 256 * 1024;
const IMAGE = randomBytes(48 * PIECE, seededRandom(17));
const NAME = "disk.img";
/** A minute for a copy: machines meet long before the seed has sent all. */
const SLOW = "200K";
/** The slowest machine needs this long, with 45 s of patience in it. */
const BOUND_MS = 300_000;

/** Starts the relay; its address. */
async function startRelay(stack: AsyncDisposableStack): Promise<string> {
  const { stdout } = stack.use(
    spawnRole("relay.ts", ["--host", "127.0.0.1", "0"]),
  );
  const [, relay = ""] = await stdout.until(/^relay address (.*)$/);
  return relay;
}

/** Starts the seed, whose rate may be limited. */
async function startSeed(
  relay: string,
  folder: string,
  ...words: readonly string[]
): Promise<{ seed: RoleProcess; metrics: string }> {
  const seed = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "--metrics", "127.0.0.1:0", ...words],
    ...[relay, "0", folder],
  ], { permissions: [`--allow-read=${folder}`] });
  const [, metrics = ""] = await seed.stdout.until(/^metrics on (.*)$/);
  await seed.stdout.until(/^registered with /);
  return { seed, metrics };
}

/** Bytes that the seed has sent. */
async function sentBytes(metrics: string): Promise<number> {
  const text = await (await fetch(metrics)).text();
  return Number(/^relay_p2p_sent_bytes_total (\S+)$/m.exec(text)![1]);
}

function startGet(
  relay: string,
  cwd: string,
  ...words: readonly string[]
): RoleProcess {
  return spawnRole(
    "peer_client.ts",
    [relay, "get", NAME, "--swarm", ...words],
    {
      permissions: ["--allow-read=.", "--allow-write=."],
      cwd,
    },
  );
}

Deno.test("Machines whose seed is killed at 60 % end with 5, report which pieces nobody has, and finish when it is back", async () => {
  await using stack = new AsyncDisposableStack();
  const share = stack.use(await tempShare({ [NAME]: IMAGE }));
  const relay = await startRelay(stack);
  const limit = ["--limit-rate", SLOW];
  const { seed, metrics } = await startSeed(relay, share.path, ...limit);
  stack.use(seed);
  const folders: string[] = [];
  for (let n = 0; n < 3; n++) {
    folders.push(stack.use(await tempShare()).path);
  }
  const first = folders.map((path) => stack.use(startGet(relay, path)));
  while (await sentBytes(metrics) < 0.6 * IMAGE.length) await delay(50);
  seed.signal("SIGKILL");
  for (const { exitCode, stderr } of first) {
    const code = await within(exitCode, "the end", BOUND_MS);
    assertEquals(code, 5, stderr.all.join("\n"));
    const [, count] = await stderr.until(
      /every node that has it failed, at \d+ %; no node or client has (\d+) pieces?: \d/,
    );
    assert(Number(count) > 0 && Number(count) < 48, count);
    await stderr.until(/run again to resume/);
  }
  const back = await startSeed(relay, share.path);
  stack.use(back.seed);
  const again = folders.map((path) => stack.use(startGet(relay, path)));
  for (const [n, { exitCode, stderr }] of again.entries()) {
    const code = await within(exitCode, "the end", BOUND_MS);
    assertEquals(code, 0, stderr.all.join("\n"));
    assertEquals(await Deno.readFile(join(folders[n]!, NAME)), IMAGE);
  }
  // What they had was not sent again.
  assert(await sentBytes(back.metrics) <= 3 * 0.8 * IMAGE.length);
});
