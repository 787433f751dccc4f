import {
  assert,
  assertEquals,
  assertExists,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { createCertificate } from "../../lib/identity/certificate.ts";
import { type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  encodeMessage,
  type MessageOf,
  type SignedRecord,
} from "../../lib/protocol/messages.ts";
import {
  openRegistration,
  readRegistration,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { serveRelay } from "../../lib/relay/server.ts";
import { within } from "../_event_log.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";

const [, alice, bob] = IDENTITIES as [Identity, Identity, Identity];
const AT = [{ host: "127.0.0.1", port: 1500 }];

/** A channel that has greeted the relay, and the relay's hello. */
async function greeted(
  relay: TestRelay,
  role: string,
  from?: string,
): Promise<{ channel: Channel; hello: MessageOf<"hello"> }> {
  const { address } = relay.server;
  const channel = from === undefined
    ? await openChannel(address, relay.identity)
    : await openChannelFrom(from, address);
  await channel.send({ kind: "hello", protocol: 1, role });
  const hello = await channel.receive(["hello"]);
  assertExists(hello);
  channel.openUp();
  return { channel, hello };
}

interface Claim {
  relay?: string;
  nonce?: string;
  instance?: string;
  sequence?: number;
  name?: string;
  addresses?: readonly Endpoint[];
  purpose?: "register" | "withdraw";
}

/** Signs as `identity`, for this connection unless `claim` says otherwise. */
function signFor(
  hello: MessageOf<"hello">,
  identity: Identity,
  claim: Claim = {},
): Promise<SignedRecord> {
  return signRegistration({
    purpose: "register",
    relay: hello.id ?? "",
    nonce: hello.nonce ?? "",
    instance: "instance 1",
    sequence: 1,
    name: "alpha",
    addresses: AT,
    ...claim,
  }, identity);
}

type Answer = MessageOf<"registered" | "withdrawn" | "refused"> | null;

/** One connection: greet, sign, send, and what came back. */
async function register(
  relay: TestRelay,
  identity: Identity,
  claim: Claim = {},
  from?: string,
): Promise<Answer> {
  const { channel, hello } = await greeted(relay, "node", from);
  await using _channel = channel;
  const signed = await signFor(hello, identity, claim);
  await channel.send({ kind: claim.purpose ?? "register", ...signed });
  return await channel.receive(["registered", "withdrawn", "refused"]);
}

async function list(relay: TestRelay): Promise<MessageOf<"nodes">> {
  const { channel } = await greeted(relay, "client");
  await using _channel = channel;
  await channel.send({ kind: "list" });
  const nodes = await channel.receive(["nodes"]);
  assertExists(nodes);
  return nodes;
}

Deno.test("A relay says hello with its id and a nonce for this connection", async () => {
  await using relay = await startRelay({ greeting: "good day" });
  const first = await greeted(relay, "client");
  const second = await greeted(relay, "client");
  assertEquals(first.hello.id, relay.identity.id);
  assertEquals(first.hello.role, "relay");
  assertEquals(first.hello.greeting, "good day");
  assertEquals(first.hello.nonce === second.hello.nonce, false);
  assertEquals(Uint8Array.fromBase64(first.hello.nonce!).length, 32);
  await first.channel.close();
  await second.channel.close();
});

/** What an open relay says to a node that has told no index. */
async function emptyIndexOf({ identity }: TestRelay) {
  const text = new TextEncoder().encode(`relay-p2p index 1\n${identity.id}`);
  const key = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return { key: key.toBase64(), epoch: "", version: 0 };
}

Deno.test("A relay lists a node exactly as it registered, and withdraws it", async () => {
  await using relay = await startRelay();
  const { channel, hello } = await greeted(relay, "node");
  const signed = await signFor(hello, alice);
  await channel.send({ kind: "register", ...signed });
  const registered = await channel.receive(["registered"]);
  assertExists(registered?.renewal);
  assertEquals(registered, {
    kind: "registered",
    renewal: registered.renewal,
    leaseSeconds: 60,
    renewSeconds: 20,
    stay: true,
    index: await emptyIndexOf(relay),
  });
  await channel.close();
  const nodes = [{ ...signed, observed: [0] }];
  assertEquals(await list(relay), { kind: "nodes", count: 1, nodes });
  const answer = await register(relay, alice, { purpose: "withdraw" });
  assertEquals(answer, { kind: "withdrawn" });
  assertEquals((await list(relay)).count, 0);
  assertEquals(relay.log.names.filter((name) => name.startsWith("node_")), [
    "node_registered",
    "node_left",
  ]);
});

Deno.test("A relay lists records of other programs exactly as they registered", async () => {
  await using relay = await startRelay();
  const keys = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const certificate = await createCertificate({
    keys,
    hostname: "of-another-make.example",
    now: Date.now(),
  });
  const sign = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(
      await crypto.subtle.sign(
        { name: "ECDSA", hash: "SHA-256" },
        keys.privateKey,
        bytes,
      ),
    );
  const { channel, hello } = await greeted(relay, "node");
  const record = JSON.stringify({
    purpose: "register",
    relay: hello.id,
    nonce: hello.nonce,
    instance: "instance 7",
    sequence: 7,
    name: "\u{1f5a5}\u2028\0é",
    addresses: ["[2001:db8::7]:1500"],
  });
  const signature = await sign(
    new TextEncoder().encode(`relay-p2p registration 1\n${record}`),
  );
  const signed = {
    record,
    certificate: certificate.toBase64(),
    signature: signature.toBase64(),
  };
  await channel.send({ kind: "register", ...signed });
  assertEquals(
    (await channel.receive(["registered", "refused"]))?.kind,
    "registered",
  );
  await channel.close();
  assertEquals((await list(relay)).nodes, [signed]);
});

const ELSEWHERE = [
  { host: "192.0.2.1", port: 1500 },
  { host: "192.0.2.2", port: 1500 },
  { host: "192.0.2.3", port: 1500 },
];

Deno.test("A relay marks the addresses at which it saw the node, and takes few others", async () => {
  await using relay = await startRelay();
  const seen = [1, 2, 3, 4, 5].map((port) => ({ host: "127.0.0.1", port }));
  const [first, second, third] = ELSEWHERE as [Endpoint, Endpoint, Endpoint];
  const many = await register(relay, alice, { addresses: ELSEWHERE });
  assertEquals(
    many?.kind === "refused" && `${many.code}: ${many.text}`,
    "bad_address: addresses: over 2 at other hosts than the node comes from",
  );
  const mixed = [first, ...seen.slice(0, 2), second, ...seen.slice(2)];
  await register(relay, alice, { addresses: mixed });
  await register(relay, bob, { addresses: [third] });
  const { nodes } = await list(relay);
  assertEquals(nodes.map(({ observed }) => observed), [
    [1, 2, 4, 5, 6],
    undefined,
  ]);
  const { address } = relay.server;
  const listing = await listNodes({
    relay: { ...address, id: relay.server.id },
  });
  assertEquals(
    listing.nodes.map(({ addresses }) => addresses),
    [[...seen, first, second], [third]],
    "a client has those first",
  );
});

Deno.test("A relay bounds what a node takes on a page, whatever it is when it is sent", async () => {
  await using relay = await startRelay();
  const name = "\u{1f5a5}".repeat(64); // 256 bytes as sent, 768 as listed
  const host = (n: number) => `${"h".repeat(63)}.${"h".repeat(60)}.${n}a`;
  const seen = [1, 2, 3].map((port) => ({ host: "127.0.0.1", port }));
  const far = [1, 2].map((n) => ({ host: host(n), port: 50_000 }));
  const addresses = [...seen, ...far];
  assertEquals(
    (await register(relay, alice, { name, addresses }))?.kind,
    "registered",
    "the longest name, and the longest hosts",
  );
  await using small = await startRelay({ limits: { listedEntryBytes: 2_000 } });
  const answer = await register(small, alice, { name, addresses });
  assertEquals(answer?.kind === "refused" && answer.code, "bad_record");
  assertMatch(
    answer?.kind === "refused" ? answer.text : "",
    /^record: must list in 2000 bytes, found 2\d\d\d$/,
  );
  const [{ nodes: [listed] }] = [await list(relay)];
  const bytes = new TextEncoder().encode(JSON.stringify(listed)).length;
  assertLess(bytes, LIMITS.listedEntryBytes);
});

Deno.test("A relay's client may follow all pages that it is offered, however many", async () => {
  await using relay = await startRelay({
    limits: {
      listingPageCount: 1,
      controlBurstCount: 2, // hello, and the first page
      controlRatePerSecond: 0,
    },
  });
  const identities = await Promise.all(
    Array.from({ length: 12 }, createIdentity),
  );
  for (const identity of identities) await register(relay, identity);
  const { address } = relay.server;
  const { nodes } = await listNodes({
    relay: { ...address, id: relay.server.id },
  });
  assertEquals(
    new Set(nodes.map(({ id }) => id)),
    new Set(identities.map(({ id }) => id)),
  );
});

for (
  const [what, claim, code] of [
    ["for another relay", { relay: alice.id }, "replayed"],
    ["for another connection", { nonce: "AAAA" }, "replayed"],
  ] as const
) {
  Deno.test(`A relay refuses a registration signed ${what}`, async () => {
    await using relay = await startRelay();
    const answer = await register(relay, alice, claim);
    assertEquals(answer?.kind === "refused" && answer.code, code);
    assertEquals(relay.server.nodeCount, 0);
    await relay.log.until("refused", ({ reason }) => reason === code);
  });
}

Deno.test("A relay refuses a captured registration that is sent again", async () => {
  await using relay = await startRelay();
  const first = await greeted(relay, "node");
  const captured = await signFor(first.hello, alice);
  await first.channel.send({ kind: "register", ...captured });
  assertEquals(
    (await first.channel.receive(["registered"]))?.kind,
    "registered",
  );
  await first.channel.close();
  const second = await greeted(relay, "node");
  await second.channel.send({ kind: "register", ...captured });
  const answer = await second.channel.receive(["registered", "refused"]);
  assertEquals(answer?.kind === "refused" && answer.code, "replayed");
  await second.channel.close();
  // Nor can it be sent twice on its own connection.
  const third = await greeted(relay, "node");
  const signed = await signFor(third.hello, alice, { sequence: 2 });
  const codes: string[] = [];
  for (let n = 0; n < 2; n++) {
    await third.channel.send({ kind: "register", ...signed });
    const answer = await third.channel.receive(["registered", "refused"]);
    codes.push(answer?.kind === "refused" ? answer.code : answer?.kind ?? "");
  }
  assertEquals(codes, ["registered", "stale_sequence"]);
  await third.channel.close();
});

Deno.test("A relay refuses a registration for another peer's id", async () => {
  await using relay = await startRelay();
  await register(relay, alice);
  const { channel, hello } = await greeted(relay, "node");
  const own = await signFor(hello, bob, { sequence: 9 });
  const forged = { ...own, certificate: alice.certificate.toBase64() };
  await channel.send({ kind: "register", ...forged });
  const answer = await channel.receive(["registered", "refused"]);
  assertEquals(answer?.kind === "refused" && answer.code, "bad_signature");
  assertEquals(await channel.receive(["registered"]), null, "it has ended");
  await channel.close();
  const second = await greeted(relay, "node");
  const leaving = await signFor(second.hello, bob, {
    sequence: 9,
    purpose: "withdraw",
  });
  await second.channel.send({
    kind: "withdraw",
    ...leaving,
    certificate: forged.certificate,
  });
  const again = await second.channel.receive(["withdrawn", "refused"]);
  assertEquals(again?.kind === "refused" && again.code, "bad_signature");
  await second.channel.close();
  assertEquals(relay.server.nodeCount, 1);
});

const onLinux = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "A relay checks a signature last, because that costs it most",
  onLinux,
  async () => {
    await using relay = await startRelay({
      limits: { nodesPerAddressCount: 1 },
    });
    await register(relay, alice, { sequence: 5 }, "127.0.0.2");
    const signature = new Uint8Array(64).toBase64();
    for (
      const [identity, claim, outcome] of [
        [alice, { sequence: 5 }, "stale_sequence"],
        [bob, {}, "too_many_nodes_for_address"],
        [alice, { sequence: 6, nonce: "AAAA" }, "replayed"],
        [bob, { purpose: "withdraw" }, "withdrawn"],
        [alice, { sequence: 6 }, "bad_signature"],
        [alice, { sequence: 6, purpose: "withdraw" }, "bad_signature"],
      ] as const
    ) {
      const { channel, hello } = await greeted(relay, "node", "127.0.0.2");
      const { purpose: kind = "register" } = claim as Claim;
      const signed = await signFor(hello, identity, claim);
      await channel.send({ kind, ...signed, signature });
      const answer = await channel.receive([
        "registered",
        "withdrawn",
        "refused",
      ]);
      const found = answer?.kind === "refused" ? answer.code : answer?.kind;
      assertEquals(found, outcome);
      await channel.close();
    }
    assertEquals(relay.server.nodeCount, 1);
  },
);

Deno.test("A relay refuses a withdrawal dressed as a registration, and the reverse", async () => {
  await using relay = await startRelay();
  for (const kind of ["register", "withdraw"] as const) {
    const { channel, hello } = await greeted(relay, "node");
    const purpose = kind === "register" ? "withdraw" : "register";
    await channel.send({ kind, ...await signFor(hello, alice, { purpose }) });
    const answer = await channel.receive([
      "registered",
      "withdrawn",
      "refused",
    ]);
    assertEquals(answer?.kind === "refused" && answer.code, "bad_record");
    await channel.close();
  }
});

Deno.test("A relay keeps one entry for a node that registers twice", async () => {
  await using relay = await startRelay();
  await register(relay, alice, { sequence: 1 });
  await register(relay, alice, { sequence: 2 });
  const { nodes, count } = await list(relay);
  assertEquals(count, 1);
  const verdict = readRegistration(nodes[0]!);
  assertEquals(verdict.kind === "opened" && verdict.registration.sequence, 2);
});

Deno.test("A relay refuses the process that another with its identity displaced", async () => {
  await using relay = await startRelay();
  const one = { instance: "instance 1" };
  const two = { instance: "instance 2" };
  await register(relay, alice, { ...one, sequence: 1 });
  await register(relay, alice, { ...two, sequence: 2 });
  const answer = await register(relay, alice, { ...one, sequence: 3 });
  assertEquals(answer, {
    kind: "refused",
    code: "identity_used_twice",
    text: "another process uses this identity",
  });
  const leaving = { ...one, purpose: "withdraw", sequence: 3 } as const;
  assertEquals((await register(relay, alice, leaving))?.kind, "withdrawn");
  assertEquals(relay.server.nodeCount, 1, "the other's lease lives on");
});

Deno.test("A relay ends leases by its own clock", async () => {
  await using relay = await startRelay({
    limits: { leaseSeconds: 1, renewSeconds: 1, sweepMs: 20 },
  });
  await register(relay, alice);
  const left = await relay.log.until("node_left");
  assertEquals(left.how, "expired");
  assertEquals((await list(relay)).count, 0);
});

Deno.test("A relay pages through more nodes than one frame takes", async () => {
  await using relay = await startRelay({ limits: { listingPageCount: 2 } });
  const identities = await Promise.all(
    Array.from({ length: 5 }, createIdentity),
  );
  for (const identity of identities) await register(relay, identity);
  const { channel } = await greeted(relay, "client");
  const ids = new Set<string>();
  let cursor: string | undefined;
  let pages = 0;
  do {
    await channel.send({ kind: "list", ...(cursor ? { cursor } : {}) });
    const page = await channel.receive(["nodes"]);
    assertEquals(page?.count, 5);
    for (const signed of page?.nodes ?? []) {
      const verdict = readRegistration(signed);
      if (verdict.kind === "opened") ids.add(verdict.registration.id);
    }
    cursor = page?.cursor;
    pages++;
  } while (cursor !== undefined);
  await channel.close();
  assertEquals(ids, new Set(identities.map(({ id }) => id)));
  assertEquals(pages, 3);
});

Deno.test(
  "A relay takes any number of nodes through a proxy beside it, and few from elsewhere",
  onLinux,
  async () => {
    await using relay = await startRelay({
      limits: { nodesPerAddressCount: 1 },
    });
    const outcomes = [];
    for (const from of ["127.0.0.1", "127.0.0.2"]) {
      for (let n = 0; n < 3; n++) {
        const answer = await register(relay, await createIdentity(), {}, from);
        outcomes.push(answer?.kind);
      }
    }
    const places = ["registered", "registered", "registered"];
    assertEquals(outcomes, [...places, "registered", "refused", "refused"]);
  },
);

Deno.test("A relay sweeps leases that end at once in many turns", async () => {
  await using relay = await startRelay({
    limits: { leaseSeconds: 1, renewSeconds: 1, sweepMs: 20, sweepCount: 1 },
  });
  for (let n = 0; n < 4; n++) await register(relay, await createIdentity());
  for (let n = 0; n < 4; n++) {
    const ids = relay.log.events.flatMap((event) =>
      event.event === "node_left" ? [event.id] : []
    );
    await relay.log.until("node_left", ({ id }) => !ids.includes(id));
  }
  assertEquals((await list(relay)).count, 0);
});

Deno.test("A relay's pages stay within a frame, whatever the nodes are called", async () => {
  await using relay = await startRelay({
    limits: { nodesPerAddressCount: 100 },
  });
  const name = "\u{1f5a5}".repeat(64); // 2 units, 4 bytes, 12 when escaped
  const identities = await Promise.all(
    Array.from({ length: 80 }, createIdentity),
  );
  for (const identity of identities) await register(relay, identity, { name });
  const { channel } = await greeted(relay, "client"); // takes 64 KiB a frame
  const ids = new Set<string>();
  let cursor: string | undefined;
  do {
    await channel.send({ kind: "list", ...(cursor ? { cursor } : {}) });
    const page = await channel.receive(["nodes"]);
    for (const signed of page?.nodes ?? []) {
      const verdict = await openRegistration(signed);
      assertEquals(
        verdict.kind === "opened" && verdict.registration.name,
        name,
      );
      if (verdict.kind === "opened") ids.add(verdict.registration.id);
    }
    cursor = page?.cursor;
  } while (cursor !== undefined);
  await channel.close();
  assertEquals(ids, new Set(identities.map(({ id }) => id)));
});

for (
  const [what, frames, code] of [
    ["another protocol version", [
      encodeMessage({ kind: "hello", protocol: 2, role: "client" }),
    ], "unsupported_version"],
    ["another role", [
      encodeMessage({ kind: "hello", protocol: 1, role: "king" }),
    ], "wrong_service"],
    [
      "a message before hello",
      [encodeMessage({ kind: "list" })],
      "wrong_phase",
    ],
    ["a second hello", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
    ], "wrong_phase"],
    ["a node's message from a client", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeFrame(0x20, new Uint8Array(2)),
    ], "wrong_phase"],
    ["file bytes", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeFrame(0x60, new Uint8Array(8)),
    ], "wrong_phase"],
    ["a frame of 5 KiB before hello", [
      encodeFrame(0x01, new Uint8Array(5 * 1024)),
    ], "frame_too_large"],
    [
      "a length of 4 GiB",
      [Uint8Array.of(1, 255, 255, 255, 255)],
      "frame_too_large",
    ],
    [
      "a body that is no JSON",
      [encodeFrame(0x01, new Uint8Array(9))],
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`A relay ends a peer that sends ${what}, and says why`, async () => {
    await using relay = await startRelay();
    const channel = await openChannel(
      relay.server.address,
      relay.identity,
    );
    for (const frame of frames) await writeAll(channel.conn, frame);
    await channel.receive(["hello"]);
    const answer = await channel.receive(["refused"]);
    assertEquals(answer?.code, code);
    assertEquals(await channel.receive(["refused"]).catch(() => null), null);
    await relay.log.until("refused", ({ reason }) => reason === code);
    channel.conn.close();
  });
}

Deno.test("A relay's client may list again and again on one connection", async () => {
  await using relay = await startRelay();
  await register(relay, alice);
  const { channel } = await greeted(relay, "client");
  for (let n = 0; n < 20; n++) {
    await channel.send({ kind: "list" });
    assertEquals((await channel.receive(["nodes"]))?.count, 1);
  }
  await channel.close();
});

Deno.test("A relay disconnects a peer that asks too often", async () => {
  await using relay = await startRelay();
  const { channel } = await greeted(relay, "client");
  const asking = (async () => {
    for (let n = 0; n < 500; n++) await channel.send({ kind: "list" });
  })().catch(() => {});
  let last: string | undefined;
  const answers = (async () => {
    for (;;) {
      const answer = await channel.receive(["nodes", "refused"]);
      if (answer === null) return;
      last = answer.kind === "refused" ? answer.code : last;
    }
  })().catch(() => {});
  await within(answers, "the end");
  await relay.log.until("refused", ({ reason }) => reason === "rate_limited");
  await asking;
  assertMatch(last ?? "rate_limited", /rate_limited/);
  channel.conn.close();
});

/** Reports `id` as dead; the relay's finding. */
async function report(
  relay: TestRelay,
  id: string,
): Promise<string | undefined> {
  const { channel } = await greeted(relay, "client");
  await using _channel = channel;
  await channel.send({ kind: "report", ids: [id] });
  return (await channel.receive(["reported"]))?.outcomes[0];
}

Deno.test("A relay checks a reported node itself, and keeps one that answers", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  assertEquals(await report(relay, node.server.id), "alive");
  assertEquals(relay.server.nodeCount, 1);
  // Not again so soon, whoever asks.
  assertEquals(await report(relay, node.server.id), "unchecked");
});

Deno.test("A relay drops a reported node that does not answer", async () => {
  await using relay = await startRelay();
  await register(relay, alice); // nobody listens on its port
  assertEquals(await report(relay, alice.id), "gone");
  assertEquals(relay.server.nodeCount, 0);
  const left = await relay.log.until("node_left");
  assertEquals([left.id, left.how], [alice.id, "found_dead"]);
});

Deno.test("A relay drops a reported node in whose place another peer answers", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {}, { identity: bob });
  const { port } = node.server.address;
  const addresses = [{ host: "127.0.0.1", port }];
  const answer = await register(relay, alice, { name: "impostor", addresses });
  assertEquals(answer?.kind, "registered");
  assertEquals(await report(relay, alice.id), "gone");
  assertEquals(await report(relay, bob.id), "alive");
});

Deno.test("A relay never dials an address that the node did not register from", async () => {
  await using relay = await startRelay();
  const listener = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  const addresses = [{ host: "127.0.0.2", port: listener.addr.port }];
  await register(relay, alice, { name: "far", addresses });
  const dialled = listener.accept().then(() => "dialled", () => "closed");
  assertEquals(await report(relay, alice.id), "unchecked");
  listener.close();
  assertEquals(await dialled, "closed");
  assertEquals(relay.server.nodeCount, 1, "nothing is proven against it");
});

Deno.test("A relay answers a report about an unknown node", async () => {
  await using relay = await startRelay();
  assertEquals(await report(relay, alice.id), "unknown");
});

Deno.test("A relay that closes ends open connections and frees its port", async () => {
  const relay = await startRelay();
  const { channel } = await greeted(relay, "client");
  await within(relay.server.close(), "closing");
  assertEquals(await channel.receive(["nodes"]).catch(() => null), null);
  channel.conn.close();
  const { port } = relay.server.address;
  await using again = await startRelay({ port });
  assertEquals(again.server.address.port, port);
});

Deno.test("A relay that closes does not wait for a node that does not answer", async () => {
  const relay = await startRelay();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr;
  await register(relay, alice, { addresses: [{ host: "127.0.0.1", port }] });
  const { channel } = await greeted(relay, "client");
  await channel.send({ kind: "report", ids: [alice.id] });
  using _dialBack = await within(silent.accept(), "the dial-back");
  const startedAt = performance.now();
  await relay.server.close();
  assertLess(performance.now() - startedAt, LIMITS.connectMs / 2);
  assertEquals(relay.log.names.includes("node_left"), false);
  channel.conn.close();
});

Deno.test("A relay closes when its signal is aborted", async () => {
  const stop = new AbortController();
  const relay = await startRelay({ signal: stop.signal });
  const { channel } = await greeted(relay, "client");
  stop.abort();
  await within(channel.receive(["nodes"]).catch(() => null), "the end");
  await relay.server.close();
  channel.conn.close();
});

Deno.test("A relay releases its signal when it closes", async () => {
  const { signal } = new AbortController();
  const listeners: unknown[] = [];
  signal.addEventListener = (_type: string, listener: unknown) => {
    listeners.push(listener);
  };
  signal.removeEventListener = (_type: string, listener: unknown) => {
    listeners.splice(listeners.indexOf(listener), 1);
  };
  const relay = await startRelay({ signal });
  assertEquals(listeners.length, 1);
  await relay.server.close();
  assertEquals(listeners.length, 0);
});

for (const plaintext of [false, true]) {
  Deno.test(`A relay told to stop while it starts${plaintext ? " in the clear" : ""} does not start`, async () => {
    const stop = new AbortController();
    const starting = serveRelay({
      host: "127.0.0.1",
      port: 0,
      identity: alice,
      plaintext,
      signal: stop.signal,
    });
    stop.abort(new Error("told to"));
    await assertRejects(() => starting, Error, "told to");
  });
}

Deno.test("A relay refuses to start with a greeting that no client would take", async () => {
  await using relay = await startRelay({ greeting: "x".repeat(200) });
  const { channel, hello } = await greeted(relay, "client");
  assertEquals(hello.greeting?.length, 200);
  await channel.close();
  await assertRejects(
    () => startRelay({ greeting: "x".repeat(201) }),
    RangeError,
    "Cannot use greeting: wanted at most 200 characters, found 201",
  );
});

Deno.test("A relay's address names the loopback host when it binds all of them", async () => {
  await using relay = await startRelay({ host: "0.0.0.0" });
  const { port } = relay.server.address;
  assertEquals(
    relay.server.relayAddress,
    `p2p://127.0.0.1:${port}/${relay.identity.id}`,
  );
  await using other = await startRelay({ advertise: { host: "nas", port: 9 } });
  assertEquals(other.server.relayAddress, `p2p://nas:9/${relay.identity.id}`);
  await using named = await startRelay({ advertise: { host: "nas" } });
  assertEquals(
    named.server.relayAddress,
    `p2p://nas:${named.server.address.port}/${relay.identity.id}`,
    "the port it listens on",
  );
});

Deno.test("Relay events hold names as they came: showing them is for others", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {}, { name: "al\u202epha" });
  const registered = await relay.log.until("node_registered");
  assertEquals(registered.name, "al\u202epha");
});

Deno.test("A relay that has run before tells for half a minute since when, and a new one does not", async () => {
  await using fresh = await startRelay();
  const new_ = await greeted(fresh, "client");
  assertEquals(new_.hello.uptime, undefined);
  await new_.channel.close();
  await using again = await startRelay({ hasRunBefore: true });
  const back = await greeted(again, "client");
  assertEquals(back.hello.uptime, 0);
  await back.channel.close();
  const { address, id } = again.server;
  const listing = await listNodes({ relay: { ...address, id } });
  assertEquals(listing.uptime, 0);
  await using old = await startRelay({
    hasRunBefore: true,
    limits: { comingBackSeconds: 0 },
  });
  const late = await greeted(old, "client");
  assertEquals(late.hello.uptime, undefined);
  await late.channel.close();
});

Deno.test("A relay keeps the connections of so many nodes, and tells the others to come again", async () => {
  await using relay = await startRelay({ limits: { stayingNodeCount: 1 } });
  const stays = async (identity: Identity) => {
    const { channel, hello } = await greeted(relay, "node");
    const signed = await signFor(hello, identity);
    await channel.send({ kind: "register", ...signed });
    const answer = await channel.receive(["registered"]);
    return { channel, stay: answer?.stay };
  };
  const first = await stays(alice);
  const second = await stays(bob);
  assertEquals([first.stay, second.stay], [true, undefined]);
  await first.channel.conn.closeWrite();
  assertEquals(await first.channel.receive(["refused"]), null, "it has left");
  first.channel.conn.close();
  await second.channel.close();
  const third = await stays(await createIdentity());
  assertEquals(third.stay, true, "a place is free again");
  await third.channel.close();
  await using busy = await startRelay({
    limits: { renewSeconds: 46, leaseSeconds: 138 },
  });
  const answer = await register(busy, alice);
  assert(answer?.kind === "registered" && answer.renewal !== undefined);
  assertEquals(
    answer,
    {
      ...{ kind: "registered", leaseSeconds: 138, renewSeconds: 46 },
      renewal: answer.renewal,
      index: await emptyIndexOf(busy),
    },
    "it would be taken for idle",
  );
});

Deno.test("A relay answers in time whether a silent node can be dialled", async () => {
  await using relay = await startRelay({ limits: { reachMs: 100 } });
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { channel, hello } = await greeted(relay, "node");
  const addresses = [{ host: "127.0.0.1", port: silent.addr.port }];
  const signed = await signFor(hello, alice, { addresses });
  await channel.send({ kind: "register", ...signed });
  await channel.receive(["registered"]);
  await channel.send({ kind: "reach" });
  const conn = await silent.accept();
  assertEquals((await channel.receive(["reached"]))?.outcome, "gone");
  conn.close();
  await channel.close();
});
