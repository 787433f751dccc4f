import {
  assertEquals,
  assertExists,
  assertLess,
  assertMatch,
} from "@std/assert";
import { createCertificate } from "../../lib/identity/certificate.ts";
import type { Endpoint } from "../../lib/base/conn.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { readRegistration } from "../../lib/protocol/signed_record.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { startRelay } from "../_network.ts";
import {
  alice,
  bob,
  type Claim,
  emptyIndexOf,
  greeted,
  list,
  onLinux,
  register,
  signFor,
} from "./_server.ts";

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

Deno.test("A relay marks the addresses at which it saw the node, and accepts few others", async () => {
  await using relay = await startRelay();
  const seen = [1, 2, 3, 4, 5].map((port) => ({ host: "127.0.0.1", port }));
  const [first, second, third] = ELSEWHERE as [Endpoint, Endpoint, Endpoint];
  const many = await register(relay, alice, { addresses: ELSEWHERE });
  assertEquals(
    many?.kind === "refused" && `${many.code}: ${many.text}`,
    "bad_address: addresses: over 2 at other hosts than the peer comes from",
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

Deno.test("A relay limits the size of a node's entry on a page, not the size that was sent", async () => {
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

Deno.test("A relay refuses a record for withdrawal as a registration, and the reverse", async () => {
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
