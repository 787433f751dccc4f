/**
 * Machines behind routers that translate addresses: nobody can dial them, and
 * each reaches only the seed and one machine that can be dialled.
 */

import { assert, assertEquals } from "@std/assert";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";
import { accessTo, assertSaved, only, say } from "../e2e/_transfer.ts";
import { whyNoNetworks } from "./_namespaces.ts";
import { openNatNetwork } from "./_nat.ts";

const PORT = 1700;
const NAME = "disk.img";
const IMAGE = randomBytes(12 * 1024 * 1024, seededRandom(17));
/** Half a minute for a copy: the seed is what all wait for. */
const SEED_RATE = "400K";
const BOUND_MS = 300_000;

const why = await whyNoNetworks();

/** Bytes that came from the seed, of a get that has ended well. */
function fromSeed(client: RoleProcess): number {
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: { bytes: number; isHolder: boolean }[];
  };
  return from.filter(({ isHolder }) => !isHolder)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

const title =
  "Three machines behind routers and one that can be dialled help each other: the seed sends less than two copies";

Deno.test({
  name: why === undefined ? title : `${title} (skipped: ${why})`,
  ignore: why !== undefined,
  fn: async () => {
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
    say(`copies of the seed: ${copies.map((part) => part.toFixed(2))}`);
    assert(sum < 2, `${sum}`);
  },
});
