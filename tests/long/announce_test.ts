/**
 * Relays that announce themselves, in a network of its own: one is what it says,
 * one claims the id of the other.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, ROOT, spawnRole } from "../e2e/_processes.ts";
import {
  type Machine,
  missingForNamespaces,
  openNetwork,
} from "./_namespaces.ts";

const WHY_NOT = await missingForNamespaces();
const DROPS = {
  multicast: "ip daddr 239.255.17.0",
  broadcast: "meta pkttype broadcast",
};
const SYS = "--allow-sys=networkInterfaces";

/** Runs `p2p use` on a machine, with a home of its own. */
async function use(
  { prefix }: Machine,
  { home, args = [], sys = [SYS] }: {
    home: string;
    args?: readonly string[];
    sys?: readonly string[];
  },
): Promise<{ code: number; lines: Record<string, unknown>[] }> {
  const env = { XDG_CONFIG_HOME: join(home, "config") };
  await using run = spawnRole("packaging/p2p/p2p.ts", [
    ...["use", "--json", ...args],
  ], {
    prefix,
    env,
    permissions: [
      ...["--allow-net", "--allow-env=RELAY_P2P_*,XDG_*,HOME"],
      ...[`--allow-read=${home}`, `--allow-write=${home}`, ...sys],
    ],
  });
  await run.endInput();
  const code = await within(run.exitCode, "p2p use");
  return { code, lines: run.stdout.all.map((line) => JSON.parse(line)) };
}

/** What was found, as `name address`. */
function foundIn(lines: readonly Record<string, unknown>[]): string[] {
  return lines.filter(({ event }) => event === "relay_found")
    .map(({ name, relay }) => `${name} ${relay}`).toSorted();
}

async function portOf(liar: RoleProcess): Promise<string> {
  return (await liar.stdout.until(/^lying on (\d+)$/))[1]!;
}

Deno.test({
  name:
    "Two relays on a network are found by multicast and by broadcast, and the one that lies about its id is refused" +
    (WHY_NOT === undefined ? "" : ` (skipped: ${WHY_NOT})`),
  ignore: WHY_NOT !== undefined,
  fn: async () => {
    await using network = await openNetwork();
    await using folder = await tempShare();
    const { path: home } = folder;
    const { prefix } = network.relay;
    await using relay = spawnRole("relay.ts", [
      ...["--announce", "--name", "nas", "0"],
    ], { prefix, permissions: [SYS] });
    const [, port = "", id = ""] = await relay.stdout.until(
      /^relay address p2p:\/\/[\d.]+:(\d+)\/(\w+)$/,
    );
    await relay.stderr.until(
      /^announced on this network as nas, at UDP port 1700/,
    );
    await using liar = spawnRole("tests/long/_lying_relay.ts", [id], {
      prefix,
      cwd: ROOT,
      permissions: ["--allow-net", SYS],
    });
    const lyingPort = await portOf(liar);
    const seenFrom = (host: string) =>
      [port, lyingPort].map((each) => `nas p2p://${host}:${each}/${id}`)
        .toSorted();
    const { client, node, toClient, toNode } = network;

    assertEquals(
      foundIn((await use(client, { home })).lines),
      seenFrom(toClient.relay),
    );
    // The other network of the relay, and without the list of interfaces.
    assertEquals(
      foundIn((await use(node, { home, sys: [] })).lines),
      seenFrom(toNode.relay),
    );
    for (const [way, rule] of Object.entries(DROPS)) {
      await network.relay.drop(rule);
      const { lines } = await use(client, { home });
      assertEquals(foundIn(lines), seenFrom(toClient.relay), `no ${way}`);
    }
    await network.relay.drop(...Object.values(DROPS));
    const nothing = await use(client, { home });
    assertEquals(nothing.code, 3);
    assertMatch(String(nothing.lines.at(-1)?.["why"]), /none announces itself/);
    await network.relay.drop();

    const lie = `p2p://${toClient.relay}:${lyingPort}/${id}`;
    const refused = await use(client, { home, args: [lie] });
    assertEquals(refused.code, 3);
    assertMatch(
      String(refused.lines.at(-1)?.["why"]),
      /identity does not match/,
    );
    const truth = `p2p://${toClient.relay}:${port}/${id}`;
    const used = await use(client, { home, args: [truth] });
    assertEquals([used.code, used.lines.at(-1)?.["relay"]], [0, truth]);
  },
});
