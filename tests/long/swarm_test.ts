/**
 * Machines that fetch one file together at a limited rate: the seed is killed,
 * or they stand behind routers, or in one office. Processes with the documented
 * permissions. All of this mostly waits, so it is one file, which runs beside
 * others from the start.
 */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";
import { accessTo, assertSaved, only, print } from "../e2e/_transfer.ts";
import { missingForNamespaces } from "./_namespaces.ts";
import { openNatNetwork } from "./_nat.ts";
import { fetchInOffice } from "./_office.ts";

const MIB = 1024 * 1024;
const PIECE = 256 * 1024;
const IMAGE = randomBytes(12 * MIB, seededRandom(17));
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
    assert(Number(count) > 0 && Number(count) < IMAGE.length / PIECE, count);
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

const why = await missingForNamespaces();

/** A test that needs network namespaces. */
function testInNetworks(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: why === undefined ? name : `${name} (skipped: ${why})`,
    ignore: why !== undefined,
    fn,
  });
}

const PORT = 1700;
/** Half a minute for a copy: the seed is what all wait for. */
const SEED_RATE = "400K";

/** Bytes that came from the seed, of a get that has ended well. */
function fromSeed(client: RoleProcess): number {
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: { bytes: number; isHolder: boolean }[];
  };
  return from.filter(({ isHolder }) => !isHolder)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

testInNetworks(
  "Three machines behind routers and one that can be dialled help each other: the seed sends less than two copies",
  async () => {
    await using stack = new AsyncDisposableStack();
    const { core, coreHost, open, hidden } = stack.use(await openNatNetwork(3));
    const share = stack.use(await tempShare({ [NAME]: IMAGE }));
    const relay = stack.use(
      spawnRole("relay.ts", [`${PORT}`], { prefix: core }),
    );
    const [, id] = await relay.stdout.until(/^relay id (\w{52})$/);
    const address = `p2p://${coreHost}:${PORT}/${id}`;
    const seed = stack.use(
      spawnRole(
        "peer_node.ts",
        ["--limit-rate", SEED_RATE, address, "0", share.path],
        { permissions: [`--allow-read=${share.path}`], prefix: core },
      ),
    );
    await seed.stdout.until(/^registered with /);
    const clients = await Promise.all([open, ...hidden].map(async (prefix) => {
      const folder = stack.use(await tempShare());
      const args = ["--json", address, "get", NAME, "--swarm"];
      const client = spawnRole(
        "peer_client.ts",
        [...args, "--linger", "30s", "-o", `${folder.path}/`],
        { ...accessTo(folder), prefix },
      );
      return { folder, client: stack.use(client) };
    }));
    for (const { client, folder } of clients) {
      const code = await within(client.exitCode, "the end", BOUND_MS);
      assertEquals(code, 0, client.stderr.all.join("\n"));
      await assertSaved(folder, IMAGE, NAME);
    }
    const copies = clients.map(({ client }) => fromSeed(client) / IMAGE.length);
    const sum = copies.reduce((sum, part) => sum + part);
    print(`copies of the seed: ${copies.map((part) => part.toFixed(2))}`);
    assert(sum < 2, `${sum}`);
  },
);

const OFFICE_COUNT = 24;

testInNetworks(
  "All of 24 clients behind one address take part in a swarm",
  async () => {
    const fetched = await fetchInOffice({
      ...{ count: OFFICE_COUNT, processes: 1, rate: 400_000, bytes: 8 * MIB },
    });
    assertEquals(fetched.length, OFFICE_COUNT);
    for (const { why, nodes, clients } of fetched) {
      assertEquals(why, undefined);
      assertEquals(nodes + clients, 8 * MIB);
      assert(clients > 0, "it got nothing from others");
    }
  },
);
