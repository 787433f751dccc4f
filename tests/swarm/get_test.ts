/** `getFiles` with `swarm`: clients that fetch one file help each other. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { sha256 } from "../../lib/base/hash.ts";
import { type Limits, limitsWith } from "../../lib/base/limits.ts";
import { isSwarmUseful } from "../../lib/client/early_files.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import {
  linkTo,
  MEMBER,
  startMember,
  startPrivate,
} from "../access/_private.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { IMAGE, PIECE, startGet } from "./_getting.ts";
import { ownAddress } from "../_own_address.ts";

const LINGER = { lingerMs: 600_000 };
const FILES = { "big.iso": IMAGE };
// So little of a file comes from the seed that others must give the rest.
const TRICKLE = { limitRate: 200_000 };

async function isRight(path: string): Promise<boolean> {
  return sha256(await Deno.readFile(path)).toHex() === sha256(IMAGE).toHex();
}

Deno.test("Three clients that fetch a file in a swarm get it from each other", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const seed = stack.use(await startNode(relay, FILES));
  const first = await startGet({ relay, swarm: LINGER }, stack);
  await first.log.until("swarm_lingers");
  assertEquals(await first.from(), { nodes: IMAGE.length, clients: 0 });
  await seed.server.change(TRICKLE);
  const others = [
    await startGet({ relay, swarm: LINGER }, stack),
    await startGet({ relay, swarm: LINGER }, stack),
  ];
  for (const other of others) {
    const { nodes, clients } = await other.from();
    assertEquals(nodes + clients, IMAGE.length);
    assert(clients > IMAGE.length / 2, `${clients}`);
    await other.log.until("swarm_lingers");
    assert(await isRight(other.path));
  }
  for (const one of [first, ...others]) one.abort();
  const { saved, failed } = await within(first.result, "the end");
  assertEquals([...saved.keys(), ...failed.keys()], ["big.iso"]);
  const { given } = await first.log.until("swarm_ended");
  assert(given > IMAGE.length / 2, `${given}`);
});

Deno.test("On a private relay members and the holder of a link get a file from another client that saved it under another name", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startPrivate());
  const seed = stack.use(await startMember(relay, FILES));
  const { access, content } = await linkTo(relay, "big.iso");
  const first = await startGet(
    { relay, access: MEMBER, as: "other name.iso", swarm: LINGER },
    stack,
  );
  await first.log.until("swarm_lingers");
  await seed.server.change(TRICKLE);
  for (const given of [{ access: MEMBER }, { access: access(), content }]) {
    const other = await startGet({ relay, ...given }, stack);
    const { clients } = await other.from();
    assert(clients > IMAGE.length / 2, `${clients}`);
    await within(other.result, "the end");
    assert(await isRight(other.path));
    assert(!other.log.names.includes("swarm_lingers"));
  }
});

Deno.test("A client of a private and an open relay gives a file of the open relay to clients there, and gets it from them", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startPrivate());
  const further = stack.use(await startRelay());
  stack.use(await startMember(relay, { "other.txt": "for members" }));
  const seed = stack.use(await startNode(further, FILES));
  const mixed = { relay, further, access: MEMBER };
  const first = await startGet({ ...mixed, swarm: LINGER }, stack);
  await first.log.until("swarm_lingers");
  await seed.server.change(TRICKLE);
  for (const given of [{ relay: further }, mixed]) {
    const { from } = await startGet({ ...given }, stack);
    const { clients } = await from();
    assert(clients > IMAGE.length / 2, `${clients}`);
  }
});

Deno.test("A client that lingers stops when nobody has read for swarmQuietMs", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  stack.use(await startNode(relay, FILES));
  const limits = { swarmQuietMs: 10 };
  const client = await startGet({ relay, swarm: LINGER, limits }, stack);
  await within(client.result, "the end");
  const { names } = client.log;
  assert(names.indexOf("swarm_lingers") < names.indexOf("swarm_ended"));
});

Deno.test("With --wait a client looks for missing files, and does not linger before it has them", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const node = stack.use(await startNode(relay, FILES));
  const { log, result } = await startGet({
    relay,
    selections: ["big.iso", "late.txt"].map((name) => ({ kind: "name", name })),
    swarm: LINGER,
    waitMs: 600_000,
  }, stack);
  await log.until("file_received", ({ name }) => name === "big.iso");
  await log.until("waiting_for_files");
  assert(!log.names.includes("swarm_lingers"));
  await Deno.writeTextFile(join(node.directory, "late.txt"), "late");
  await log.until("file_received", ({ name }) => name === "late.txt");
  const { saved } = await within(result, "the end");
  assertEquals([...saved.keys()].toSorted(), ["big.iso", "late.txt"]);
});

Deno.test("A file smaller than swarmFromBytes is fetched without a swarm", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  stack.use(await startNode(relay, FILES));
  for (const [more, isJoined] of [[0, true], [1, false]] as const) {
    const limits = { swarmFromBytes: IMAGE.length + more };
    const { log, result } = await startGet({ relay, limits }, stack);
    await within(result, "the end");
    assertEquals(log.names.includes("swarm_ended"), isJoined);
  }
});

Deno.test("isSwarmUseful says whether the rest of a file would take swarmWorthMs", () => {
  const limits = limitsWith({ swarmWorthMs: 4_000 });
  for (
    const [receivedCount, left, ms, isOfUse] of [
      [0, 128, 999, false],
      [0, 128, 1_000, true], // others have their turns
      [0, 0, 250, false],
      [128, 0, 9_000, false],
      [8, 120, 250, false], // 3.75 s
      [8, 128, 250, true], // 4 s
      [120, 8, 60_000, true],
      [127, 1, 60_000, false],
    ] as const
  ) assertEquals(isSwarmUseful({ receivedCount, left, ms }, limits), isOfUse);
});

for (
  const [what, swarmLookMs, isJoined] of [
    ["takes no part in a swarm before its first look after", 600_000, false],
    ["takes part in a swarm that could help, which it sees every", 10, true],
  ] as const
) {
  Deno.test(`A client ${what} swarmLookMs`, async () => {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await startRelay());
    stack.use(await startNode(relay, FILES, { limitRate: 4_000_000 }));
    const limits = { swarmLookMs };
    const { log, result } = await startGet({ relay, limits }, stack);
    const { failed } = await within(result, "the end");
    assertEquals([...failed], []);
    assertEquals(log.names.includes("swarm_ended"), isJoined);
  });
}

Deno.test("A client that had its file before it joined the swarm still serves it while it lingers", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const seed = stack.use(await startNode(relay, FILES));
  const limits = { swarmLookMs: 600_000 };
  const first = await startGet({ relay, swarm: LINGER, limits }, stack);
  await first.log.until("swarm_lingers");
  await seed.server.change(TRICKLE);
  const other = await startGet({ relay }, stack);
  const { clients } = await other.from();
  assert(clients > IMAGE.length / 2, `${clients}`);
});

/** A client, and the seed that leaves when the client has some of the file. */
async function seedLeaves(
  limits: Partial<Limits>,
  stack: AsyncDisposableStack,
) {
  const relay = stack.use(await startRelay());
  const identity = await createIdentity();
  const node = { ...ownAddress(), identity };
  const seed = await startNode(relay, FILES, { ...node, limitRate: 500_000 });
  const client = await startGet({ relay, limits }, stack);
  await client.log.until("progress", ({ received }) => received > 0);
  await seed[Symbol.asyncDispose]();
  await client.log.until("node_trouble");
  const comeBack = () => startNode(relay, FILES, node);
  return { ...client, comeBack };
}

Deno.test("A file fails if its seed is offline for swarmSeedPatienceMs and nobody has some pieces for swarmNowhereMs, and the error names them", async () => {
  await using stack = new AsyncDisposableStack();
  const limits = { swarmSeedPatienceMs: 10, swarmNowhereMs: 10 };
  const { result, log } = await seedLeaves(limits, stack);
  const { failed } = await within(result, "the end");
  const failure = failed.get("big.iso")!;
  assertEquals(failure.kind, "undelivered");
  const { from } = await log.until("file_failed");
  const here = from.reduce((sum, { bytes }) => sum + bytes, 0) / PIECE;
  const lacking = IMAGE.length / PIECE - here;
  assertMatch(
    failure.message,
    new RegExp(`no node or client has ${lacking} pieces?: \\d`),
  );
});

Deno.test("A file is finished when its seed comes back within swarmSeedPatienceMs", async () => {
  await using stack = new AsyncDisposableStack();
  const limits = { swarmSeedPatienceMs: 600_000 };
  const { result, path, comeBack } = await seedLeaves(limits, stack);
  stack.use(await comeBack());
  const { failed } = await within(result, "the end");
  assertEquals([...failed], []);
  assert(await isRight(path));
});
