/**
 * `doctor`, on roles that run as processes with the documented permissions.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { formatEndpoint } from "../../../lib/base/conn.ts";
import { type OutcomeHere, runRoleHere } from "../../_here.ts";
import { IDENTITIES } from "../../_network.ts";
import { ownAddress } from "../../_own_address.ts";
import { relayHere } from "../../_scenery.ts";
import { runRole, spawnNode, spawnRelay } from "../../e2e/_processes.ts";
import { makeKeys, privateRelayHere } from "../../e2e/_private.ts";
import { accessTo } from "../../e2e/_transfer.ts";
import { seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";

type Outcome = OutcomeHere;

/** Rows of an examination: verdict and words by check. */
function rowsOf(
  { text }: Outcome,
): Map<string, [verdict: string, says: string]> {
  const rows = text.split("\n").slice(0, -1).map((line) => {
    const [, verdict = "", check = "", says = ""] =
      /^(ok|warning|failed) +(\w+) +(.+)$/.exec(line) ?? [];
    assert(verdict !== "", line);
    return [check, [verdict, says]] as const;
  });
  return new Map(rows.map(([check, row]) => [check, [...row]]));
}

function verdictsOf(outcome: Outcome): Record<string, string> {
  return Object.fromEntries(
    [...rowsOf(outcome)].map(([check, [verdict]]) => [check, verdict]),
  );
}

const client = (args: string[], permissions: string[]) =>
  runRole("peer_client.ts", args, { permissions });
const clientHere = (args: string[]) => runRoleHere("peer_client.ts", args);

Deno.test("doctor finds nothing wrong in a healthy setup, for a client and for a node", async () => {
  await using share = await tempShare({ "a": "a" });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, share.path, ["--tunnel"]);
  await node.stderr.until(/through the relay/);
  const { permissions } = accessTo(folder);
  const found = await client(
    [relay.address, "doctor", "-o", folder.path],
    [...permissions ?? [], "--allow-sys=statfs"],
  );
  assertEquals([found.code, found.stderr], [0, []], found.text);
  assertEquals(verdictsOf(found), {
    relay: "ok",
    identity: "ok",
    versions: "ok",
    clock: "ok",
    access: "ok",
    nodes: "ok",
    tunnels: "ok",
    tunnel_port: "ok",
    tunnel: "ok",
    folder: "ok",
    disk: "ok",
    permissions: "ok",
    network: "ok",
  });
  assertMatch(rowsOf(found).get("disk")![1], /GiB free/);

  const examined = await runRole("peer_node.ts", [
    ...["doctor", "--host", "127.0.0.1", "--name", "new", relay.address, "0"],
    share.path,
  ], { permissions: [`--allow-read=${share.path}`] });
  assertEquals([examined.code, examined.stderr], [0, []], examined.text);
  assertEquals(verdictsOf(examined), {
    share: "ok",
    port: "ok",
    relay: "ok",
    identity: "ok",
    versions: "ok",
    clock: "ok",
    access: "ok",
    registration: "ok",
    index: "ok",
    tunnels: "ok",
    tunnel_port: "ok",
    reach: "ok",
    tunnel: "ok",
    permissions: "ok",
  });
  await relay.stderr.until(/^node new left: it withdrew/);
});

Deno.test("doctor names flags that suffice, and does not complain about them", async () => {
  await using folder = await tempShare();
  await using relay = await relayHere();
  const args = [relay.address, "doctor", "-o", folder.path];
  const all = await client(
    args,
    ["read", "write", "env", "sys", "run", "ffi"].map((one) =>
      `--allow-${one}`
    ),
  );
  const [verdict, says] = rowsOf(all).get("permissions")!;
  assertEquals([all.code, verdict], [0, "warning"]);
  const [, flags = ""] = /; run it with (.*)$/.exec(says) ?? [];
  assertMatch(flags, /^--allow-net --allow-read=\S+ --allow-write=\S+$/);
  const least = await client(args, flags.split(" ").slice(1));
  assertEquals(least.code, 0);
  assertEquals(rowsOf(least).get("permissions")![0], "ok");
  assertEquals(rowsOf(least).get("folder")![0], "ok");
  assertMatch(rowsOf(least).get("disk")![1], /--allow-sys=statfs/);
});

Deno.test("doctor ends with the code of the worst failure, and says what to do", async () => {
  await using folder = await tempShare({ "known": "" });
  await using relay = await relayHere();
  const otherId = IDENTITIES[1]!.id;
  const known = join(folder.path, "known");
  await Deno.writeTextFile(known, `127.0.0.1:${relay.port} ${otherId}\n`);
  const cases: [
    args: string[],
    code: number,
    failed: string[],
    permissions?: string[],
  ][] = [
    [["127.0.0.1", "1", "doctor"], 3, ["relay"]],
    [
      ["127.0.0.1", "1", "doctor", "-o", folder.path],
      7,
      ["relay", "folder"],
      [],
    ],
    [
      ["127.0.0.1", "1", "doctor", "-o", `${folder.path}/no/`],
      8,
      ["relay", "folder"],
    ],
    [
      [`p2p://127.0.0.1:${relay.port}/${otherId}`, "doctor"],
      3,
      ["identity"],
    ],
    [
      ["--known-relays", known, `127.0.0.1:${relay.port}`, "doctor"],
      3,
      ["identity"],
    ],
  ];
  for (const [args, code, failed, permissions] of cases) {
    const found = permissions === undefined
      ? await clientHere(args)
      : await client(args, permissions);
    assertEquals(found.code, code, found.text);
    const rows = [...rowsOf(found)].filter(([, [verdict]]) =>
      verdict === "failed"
    );
    assertEquals(rows.map(([check]) => check), failed);
    for (const [, [, says]] of rows) assertMatch(says, /^Cannot .*: .*; /);
    assertMatch(
      found.stderr.at(-1) ?? "",
      new RegExp(
        `^error: Cannot pass all checks \\(${failed.join(", ")}\\): ` +
          `${failed.length} of \\d+ failed; see the failed checks above$`,
      ),
    );
  }
});

Deno.test("doctor of a node reports what is wrong on its own machine", async () => {
  await using share = await tempShare({ "a": "a" });
  await using relay = await relayHere();
  const doctor = ["doctor", "--host", "127.0.0.1"];
  const node = (...args: string[]) =>
    runRoleHere("peer_node.ts", [...doctor, ...args]);
  const taken = await node(relay.address, relay.port, share.path);
  assertEquals(taken.code, 8, taken.text);
  assertMatch(rowsOf(taken).get("port")![1], /the port is in use/);
  const unread = await runRole(
    "peer_node.ts",
    [...doctor, relay.address, "0", share.path],
  );
  assertEquals(unread.code, 7, unread.text);
  assertEquals(rowsOf(unread).get("share")![0], "failed");
  assertEquals(rowsOf(unread).get("reach")![0], "ok");
  await using other = await tempShare({ "a": "a" });
  const state = await node(
    ...["--state", join(other.path, "a"), relay.address, "0", share.path],
  );
  assertEquals(state.code, 8, state.text);
  assertEquals(rowsOf(state).get("state")![0], "failed");
});

Deno.test("doctor reports that a relay requires a later version", async () => {
  await using relay = await relayHere({ minVersion: "999.0.0" });
  const { code, text } = await clientHere([
    relay.address,
    "doctor",
    "--json",
  ]);
  assertEquals(code, 3);
  const events = text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  const failed = events.filter(({ verdict }) => verdict === "failed");
  assertEquals(failed.map(({ check, kind }) => [check, kind]), [
    ["versions", "relay"],
  ]);
  assertEquals(events.at(-1).event, "error");
});

Deno.test("doctor reports whether a private relay admits a peer", async () => {
  await using share = await tempShare({ "a": "a" });
  await using keys = await makeKeys();
  await using others = await makeKeys(seededRandom(99));
  await using relay = await privateRelayHere(keys);
  const args = [relay.address, "doctor"];
  const token = (role: "node" | "client", of = keys) => [
    ...["--token-file", of.tokenFiles[role]],
  ];
  const good = await clientHere([...token("client"), ...args]);
  assertEquals([good.code, rowsOf(good).get("access")], [0, [
    "ok",
    "the relay is private, and accepts the token",
  ]]);
  assert(!good.text.includes(keys.tokens.client));
  for (const options of [[], token("client", others)]) {
    const found = await clientHere([...options, ...args]);
    assertEquals([found.code, rowsOf(found).get("access")![0]], [7, "failed"]);
    assertMatch(rowsOf(found).get("access")![1], /^Cannot use relay .*; /);
  }
  const node = (options: string[]) =>
    runRoleHere("peer_node.ts", [
      ...["doctor", "--host", "127.0.0.1", ...options],
      ...[relay.address, "0", share.path],
    ]);
  const listed = await node(token("node"));
  assertEquals(listed.code, 0, listed.text);
  assertEquals(
    ["access", "registration", "reach", "tunnel"].map((check) =>
      rowsOf(listed).get(check)?.[0]
    ),
    ["ok", "ok", "ok", "ok"],
  );
  for (const options of [[], token("node", others)]) {
    const found = await node(options);
    assertEquals([found.code, rowsOf(found).get("access")![0]], [7, "failed"]);
  }
});

Deno.test("row 743: doctor of a client and of a node examines each of several relays, and fails for the one that is down", async () => {
  await using share = await tempShare({ "a": "a" });
  await using one = await relayHere();
  await using two = await relayHere();
  const away = formatEndpoint(ownAddress());
  const given = [one.address, two.address, away].flatMap((address) => [
    "--relay",
    address,
  ]);
  const ports = [one, two].map(({ address }) =>
    /^p2p:..(.*)\//.exec(address)![1]!
  );
  const relaysOf = ({ text }: Outcome, wanted: string) =>
    text.split("\n").slice(0, -1).map((line) => JSON.parse(line))
      .filter(({ event, check }) => event === "checked" && check === wanted)
      .map(({ relay, verdict }) => `${relay} ${verdict}`);
  const found = await clientHere(["--json", ...given, "doctor"]);
  assertEquals(found.code, 3, found.text);
  assertEquals(relaysOf(found, "relay"), [
    ...ports.map((at) => `${at} ok`),
    `${away} failed`,
  ]);
  assertEquals(relaysOf(found, "nodes"), ports.map((at) => `${at} warning`));
  assertEquals(relaysOf(found, "network"), ["undefined ok"]);

  const examined = await runRoleHere("peer_node.ts", [
    ...["--json", "doctor", "--host", "127.0.0.1", ...given, "0", share.path],
  ]);
  assertEquals(examined.code, 3, examined.text);
  assertEquals(relaysOf(examined, "relay"), [
    ...ports.map((at) => `${at} ok`),
    `${away} failed`,
  ]);
  assertEquals(
    relaysOf(examined, "registration"),
    ports.map((at) => `${at} ok`),
  );
});
