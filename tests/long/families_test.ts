/**
 * One machine without IPv4, one that has sockets of one family alone, and a
 * network behind a router that translates addresses, in namespaces made here.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";
import { accessTo, assertSaved, only } from "../e2e/_transfer.ts";
import { missingForNamespaces, run, startGuard } from "./_namespaces.ts";

const NAME = "report.bin";
const CONTENT = randomBytes(300_000, seededRandom(6));
const why = await missingForNamespaces();

let count = 0;

/** Namespaces by their names; disposing removes them. */
async function spaces<Name extends string>(names: readonly Name[]) {
  const prefix = `rf${Deno.pid}x${count++}`;
  const full = names.map((name) => `${prefix}${name}`);
  const guard = startGuard(full);
  for (const space of full) {
    await run(["ip", "netns", "add", space]);
    await run(["ip", "-n", space, "link", "set", "lo", "up"]);
  }
  const of = (name: Name) => `${prefix}${name}`;
  return {
    /** The command that enters it. */
    in: (name: Name) => ["ip", "netns", "exec", of(name)],
    /** Runs a command in it. */
    run: (name: Name, ...words: string[]) =>
      run(["ip", "netns", "exec", of(name), ...words]),
    /** A cable between two, with an address at each end. */
    connect: async (
      [one, own]: readonly [Name, string],
      [other, far]: readonly [Name, string],
    ) => {
      const [near, end] = [`${one}${other}`, `${other}${one}`];
      await run([
        ...["ip", "-n", of(one), "link", "add", near, "type", "veth"],
        ...["peer", "name", end, "netns", of(other)],
      ]);
      for (
        const [name, leg, address] of [[one, near, own], [
          other,
          end,
          far,
        ]] as const
      ) {
        const nodad = address.includes(":") ? ["nodad"] : [];
        await run([
          ...["ip", "-n", of(name), "address", "add", address],
          ...["dev", leg, ...nodad],
        ]);
        await run(["ip", "-n", of(name), "link", "set", leg, "up"]);
      }
    },
    [Symbol.asyncDispose]: () => guard.end(),
  };
}

function testIn(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: why === undefined ? name : `${name} (skipped: ${why})`,
    ignore: why !== undefined,
    fn,
  });
}

async function relayIn(prefix: readonly string[]) {
  const relay = spawnRole("relay.ts", ["1700"], { prefix });
  const [, id = ""] = await relay.stdout.until(/^relay id (\w{52})$/);
  return Object.assign(relay, { id });
}

async function nodeIn(
  prefix: readonly string[],
  share: { path: string },
  words: readonly string[],
): Promise<RoleProcess> {
  const node = spawnRole("peer_node.ts", [...words, "1500", share.path], {
    permissions: [`--allow-read=${share.path}`],
    prefix,
  });
  await node.stdout.until(/^registered with /);
  return node;
}

/** Gets the file; how many bytes came by each path. */
async function getIn(
  prefix: readonly string[],
  at: string,
): Promise<Record<string, number>> {
  await using folder = await tempShare();
  const args = ["--json", at, "get", NAME, "-o", `${folder.path}/`];
  const access = accessTo(folder);
  await using client = spawnRole("peer_client.ts", args, { ...access, prefix });
  assertEquals(
    await within(client.exitCode, "the exit"),
    0,
    [...client.stdout.all, ...client.stderr.all].join("\n"),
  );
  await assertSaved(folder, CONTENT, NAME);
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: [{ paths: Record<string, number> }];
  };
  return from[0].paths;
}

testIn(
  "A relay, a node and a client on machines without IPv4 work by IPv6",
  async () => {
    await using net = await spaces(["r", "n", "c"]);
    for (const name of ["r", "n", "c"] as const) {
      await net.run(name, "ip", "address", "del", "127.0.0.1/8", "dev", "lo");
    }
    await net.connect(["r", "2001:db8:1::1/64"], ["n", "2001:db8:1::2/64"]);
    await net.connect(["r", "2001:db8:2::1/64"], ["c", "2001:db8:2::2/64"]);
    await net.run("r", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1");
    for (const [name, via] of [["n", 1], ["c", 2]] as const) {
      const gateway = `2001:db8:${via}::1`;
      await net.run(
        name,
        "ip",
        "-6",
        "route",
        "add",
        "default",
        "via",
        gateway,
      );
    }
    await using share = await tempShare({ [NAME]: CONTENT });
    await using relay = await relayIn(net.in("r"));
    assertEquals(relay.stdout.all[0], "relay listening on [::]:1700");
    const address = (via: number) =>
      `p2p://[2001:db8:${via}::1]:1700/${relay.id}`;
    await using node = await nodeIn(net.in("n"), share, [address(1)]);
    assert(
      node.stdout.all.includes(
        "registered with [2001:db8:1::1]:1700, lease 60 s",
      ),
    );
    await relay.stderr.until(
      /registered from 2001:db8:1::2, at \[2001:db8:1::2\]:1500$/,
    );
    assertEquals(await getIn(net.in("c"), address(2)), {
      direct: CONTENT.length,
      tunnel: 0,
    });
  },
);

for (
  const [what, setting, shown] of [
    ["whose sockets for IPv6 take no IPv4", "net.ipv6.bindv6only=1", "[::]"],
    [
      "with IPv6 turned off",
      "net.ipv6.conf.all.disable_ipv6=1",
      String.raw`(\[::\]|0\.0\.0\.0)`,
    ],
  ] as const
) {
  testIn(
    `A relay and a node on a machine ${what} start, and serve IPv4`,
    async () => {
      await using net = await spaces(["m"]);
      await net.run("m", "sysctl", "-qw", setting);
      await using share = await tempShare({ [NAME]: CONTENT });
      await using relay = await relayIn(net.in("m"));
      const host = shown.startsWith("(") ? shown : String.raw`\[::\]`;
      assertMatch(
        relay.stdout.all[0] ?? "",
        new RegExp(`^relay listening on ${host}:1700$`),
      );
      const address = `p2p://127.0.0.1:1700/${relay.id}`;
      await using _node = await nodeIn(net.in("m"), share, [address]);
      assertEquals(await getIn(net.in("m"), address), {
        direct: CONTENT.length,
        tunnel: 0,
      });
    },
  );
}

/** Two machines at home, a router that translates, a relay outside. */
async function home() {
  const net = await spaces(["r", "g", "a", "b"]);
  await net.connect(["g", "203.0.113.2/24"], ["r", "203.0.113.1/24"]);
  await net.run("g", "ip", "link", "add", "lan", "type", "bridge");
  await net.run("g", "ip", "address", "add", "192.168.7.1/24", "dev", "lan");
  await net.run("g", "ip", "link", "set", "lan", "up");
  for (const [name, own] of [["a", 2], ["b", 3]] as const) {
    await net.connect(["g", `10.9.9.${own}/32`], [name, `192.168.7.${own}/24`]);
    await net.run("g", "ip", "link", "set", `g${name}`, "master", "lan");
    const route = ["ip", "route", "add", "default", "via", "192.168.7.1"];
    await net.run(name, ...route);
  }
  await net.run("g", "sysctl", "-qw", "net.ipv4.ip_forward=1");
  await run(
    [...net.in("g"), "nft", "-f", "-"],
    "table ip nat { chain post {\ntype nat hook postrouting priority 100\n" +
      "oifname gr masquerade\n}\n}\n",
  );
  return net;
}

testIn(
  "Two machines behind one router reach each other by their local addresses, through a relay outside",
  async () => {
    await using net = await home();
    await using share = await tempShare({ [NAME]: CONTENT });
    await using relay = await relayIn(net.in("r"));
    const address = `p2p://203.0.113.1:1700/${relay.id}`;
    await using _node = await nodeIn(net.in("a"), share, [address]);
    await relay.stderr.until(
      /registered from 203\.0\.113\.2, at 192\.168\.7\.2:1500$/,
    );
    assertEquals(await getIn(net.in("b"), address), {
      direct: CONTENT.length,
      tunnel: 0,
    });
  },
);

testIn(
  "With --no-lan-address a machine behind the same router connects through the relay",
  async () => {
    await using net = await home();
    await using share = await tempShare({ [NAME]: CONTENT });
    await using relay = await relayIn(net.in("r"));
    const address = `p2p://203.0.113.1:1700/${relay.id}`;
    const words = ["--no-lan-address", address];
    await using node = await nodeIn(net.in("a"), share, words);
    await node.stderr.until(/clients connect through the relay$/);
    await relay.stderr.until(
      /registered from 203\.0\.113\.2, at 203\.0\.113\.2:1500$/,
    );
    assertEquals(await getIn(net.in("b"), address), {
      direct: 0,
      tunnel: CONTENT.length,
    });
  },
);
