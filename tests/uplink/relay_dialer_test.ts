import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { KnownRelays } from "../../lib/identity/known_relays.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  RelayDialer,
  type RelayDialEvent,
} from "../../lib/uplink/relay_dialer.ts";
import { within } from "../_event_log.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { MEMBER } from "../access/_private.ts";
import { ownAddress } from "../_own_address.ts";
import { tempShare } from "../_temp_share.ts";
import { allAfter, dialerTo, failureOf, openOnce } from "./_dialer.ts";

const [first, second] = IDENTITIES as [Identity, Identity];

Deno.test("RelayDialer at a bare address accepts any relay, and reports that it is not verified", async () => {
  await using relay = await startRelay();
  const events: RelayDialEvent[] = [];
  const dialer = dialerTo(relay.server.address, { events });
  assertEquals(await openOnce(dialer), first.id);
  assertEquals(await openOnce(dialer), first.id);
  assertEquals(events, [{
    event: "relay_unverified",
    relay: `127.0.0.1:${relay.server.address.port}`,
    id: first.id,
  }], "reported once");
});

for (const role of ["node", "client"] as const) {
  for (const plaintext of [false, true]) {
    const how = plaintext ? "in plaintext" : "with encryption";
    Deno.test(`A ${role} that gets a node's port instead of its relay's, ${how}, reports that`, async () => {
      await using relay = await startRelay({ plaintext });
      await using node = await startNode(relay, {}, { plaintext });
      const { address } = node.server;
      const { message } = await failureOf(
        dialerTo(address, { role, plaintext }),
      );
      assertEquals(
        message,
        `Cannot talk to relay (127.0.0.1:${address.port}): a peer node answers ` +
          "there, not a relay; give the relay's own port, from the line " +
          "`relay address …` that it printed",
      );
    });
  }
}

Deno.test("RelayDialer accepts the relay that a relay address names, without a warning", async () => {
  await using relay = await startRelay();
  const events: RelayDialEvent[] = [];
  const dialer = dialerTo({ ...relay.server.address, id: first.id }, {
    events,
  });
  assertEquals(await openOnce(dialer), first.id);
  assertEquals(events, []);
});

Deno.test("RelayDialer needs one connection to learn a relay's certificate and to talk to it", async () => {
  await using relay = await startRelay();
  await using proxy = await startFaultProxy();
  proxy.target = relay.server.address.port;
  const at = { host: "127.0.0.1", port: proxy.port };
  for (const address of [at, { ...at, id: first.id }]) {
    const before = proxy.acceptedCount;
    const dialer = dialerTo(address);
    assertEquals(await openOnce(dialer), first.id);
    assertEquals(proxy.acceptedCount - before, 1);
    assertEquals(await openOnce(dialer), first.id);
    assertEquals(proxy.acceptedCount - before, 2, "pinned from now on");
  }
});

Deno.test("RelayDialer refuses any other relay than a relay address names, before sending anything", async () => {
  await using relay = await startRelay();
  const dialer = dialerTo({ ...relay.server.address, id: second.id });
  const failure = await failureOf(dialer);
  assertEquals(failure.message.includes("identity does not match"), true);
  assertEquals(failure.message.includes(second.id), true, "wanted");
  assertEquals(failure.message.includes(first.id), true, "found");
});

Deno.test("RelayDialer remembers a relay in the file of known relays, and refuses another", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const at = ownAddress();
  const before = await startRelay({ ...at, identity: first });
  const events: RelayDialEvent[] = [];
  await openOnce(
    dialerTo(at, { knownRelays: await KnownRelays.load(path), events }),
  );
  assertEquals(events, [{
    event: "relay_remembered",
    relay: formatEndpoint(at),
    id: first.id,
    path,
  }]);
  // Known now: nothing more is said.
  await openOnce(
    dialerTo(at, { knownRelays: await KnownRelays.load(path), events }),
  );
  assertEquals(events.length, 1);
  await before.server.close();

  await using _after = await startRelay({ ...at, identity: second });
  const knownRelays = await KnownRelays.load(path);
  const failure = await failureOf(dialerTo(at, { knownRelays, events }));
  assertEquals(failure.message.includes("remembers another"), true);
  assertEquals(knownRelays.compare(at, first.id), { kind: "same" });
});

Deno.test("RelayDialer remembers a relay whose address has its id, without a warning, because it is verified", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  await using relay = await startRelay({ identity: first });
  const at = { ...relay.server.address, id: first.id };
  const events: RelayDialEvent[] = [];
  const knownRelays = await KnownRelays.load(path);
  await openOnce(dialerTo(at, { knownRelays, events }));
  assertEquals(events, []);
  const again = await KnownRelays.load(path);
  assertEquals(again.compare(at, first.id), { kind: "same" });
});

Deno.test("A relay address with another id than the remembered one is used, and not remembered", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  await using relay = await startRelay({ identity: second });
  const at = relay.server.address;
  await (await KnownRelays.load(path)).remember(at, first.id);
  const text = await Deno.readTextFile(path);
  const events: RelayDialEvent[] = [];
  const knownRelays = await KnownRelays.load(path);
  const dialer = dialerTo({ ...at, id: second.id }, { knownRelays, events });
  for (let n = 0; n < 2; n++) await openOnce(dialer);
  assertEquals(events, []);
  assertEquals(await Deno.readTextFile(path), text);
  const failure = await failureOf(dialerTo(at, { knownRelays, events }));
  assertEquals(failure.message.includes("remembers another"), true);
});

Deno.test("RelayDialer refuses another relay than one that another process has met first", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  await using relay = await startRelay({ identity: second });
  const at = relay.server.address;
  const knownRelays = await KnownRelays.load(path);
  await (await KnownRelays.load(path)).remember(at, first.id);
  const failure = await failureOf(dialerTo(at, { knownRelays, events: [] }));
  assertEquals(failure.message.includes("remembers another"), true);
});

Deno.test("RelayDialer at a bare address accepts another relay, and reports it", async () => {
  const at = ownAddress();
  const before = await startRelay({ ...at, identity: first });
  const events: RelayDialEvent[] = [];
  const dialer = dialerTo(at, { events });
  assertEquals(await openOnce(dialer), first.id);
  await before.server.close();
  await using _after = await startRelay({ ...at, identity: second });
  assertEquals(await openOnce(dialer), second.id);
  assertEquals(events.at(-1), {
    event: "relay_changed",
    relay: formatEndpoint(at),
    id: second.id,
    previousId: first.id,
  });
});

Deno.test("RelayDialer works without encryption only if both sides request it", async () => {
  await using clear = await startRelay({ plaintext: true });
  await using secret = await startRelay();
  assertEquals(
    await openOnce(dialerTo(clear.server.address, { plaintext: true })),
    first.id,
  );
  const toClear = await failureOf(dialerTo(clear.server.address));
  assertEquals(toClear.parts.remedyCode, "check_address_or_plaintext");
  const toSecret = await failureOf(
    dialerTo(secret.server.address, { plaintext: true }),
  );
  assertEquals(toSecret.parts.remedyCode, "check_address_or_encryption");
});

Deno.test("RelayDialer refuses an address with an id without encryption, before connecting", () => {
  let failure: unknown;
  try {
    dialerTo({ host: "127.0.0.1", port: 9, id: first.id }, { plaintext: true });
  } catch (error) {
    failure = error;
  }
  assertEquals(failure instanceof Failure && failure.kind, "usage");
});

Deno.test("RelayDialer reports that nobody answers", async () => {
  const relay = await startRelay();
  await relay.server.close();
  const failure = await failureOf(dialerTo(relay.server.address));
  assertEquals(failure.parts.what, "Cannot reach relay");
  assertEquals(failure.parts.why, "connection refused");
});

Deno.test("RelayDialer reports that a host name does not exist", async () => {
  const failure = await failureOf(
    dialerTo({ host: "no-such-host.invalid", port: 9 }),
  );
  assertEquals(failure.parts.what, "Cannot reach relay");
});

for (const plaintext of [false, true]) {
  Deno.test(`RelayDialer gives up on a silent socket${plaintext ? " without encryption" : ""}`, async () => {
    const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const at = { host: "127.0.0.1", port: silent.addr.port };
    const failure = await failureOf(dialerTo(at, { plaintext, timeoutMs: 50 }));
    assertEquals(failure.parts.why, "no answer in time");
    silent.close();
  });
}

for (
  const [what, text] of [
    ["a web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["random bytes", "\x9d\x03\xe1\x7f\x01\x55\xaa\x00\x00"],
    ["a service that hangs up", ""],
  ] as const
) {
  for (const plaintext of [false, true]) {
    Deno.test(`RelayDialer does not accept ${what} as a relay${plaintext ? ", without encryption" : ""}`, async () => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const answering = (async () => {
        for await (const conn of listener) {
          await conn.write(new TextEncoder().encode(text));
          await conn.closeWrite();
          await conn.read(new Uint8Array(4096)).catch(() => null);
          conn.close();
        }
      })();
      const at = { host: "127.0.0.1", port: listener.addr.port };
      await failureOf(dialerTo(at, { plaintext, timeoutMs: 2_000 }));
      listener.close();
      await answering;
    });
  }
}

Deno.test("RelayDialer warns a client with a token once that the relay is open", async () => {
  await using relay = await startRelay({ identity: first });
  const events: RelayDialEvent[] = [];
  const dialer = new RelayDialer({ ...relay.server.address, id: first.id }, {
    role: "client",
    plaintext: false,
    access: MEMBER,
    limits: LIMITS,
    onEvent: (event) => events.push(event),
  });
  for (let times = 0; times < 2; times++) {
    const { channel, isPrivate } = await dialer.open();
    channel.conn.close();
    assertEquals(isPrivate, false);
  }
  assertEquals(events, [{
    event: "relay_open",
    relay: formatEndpoint(relay.server.address),
  }]);
});

Deno.test("RelayDialer ends with the signal's reason", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const dialer = dialerTo({ host: "127.0.0.1", port: silent.addr.port });
  const opening = assertRejects(
    () => dialer.open(stop.signal),
    Error,
    "by the test",
  );
  const conn = await silent.accept();
  stop.abort(new Error("by the test"));
  await opening;
  conn.close();
  silent.close();
});

Deno.test("RelayDialer leaves at most one socket at a stopped relay after any number of requests", async () => {
  const relay = await startRelay();
  const { address } = relay.server;
  await using front = await startFaultProxy();
  front.target = address.port;
  const at = { ...address, port: front.port };
  const limits = { ...LIMITS };
  const dialer = dialerTo(at, { limits });
  await openOnce(dialer);
  Object.assign(limits, allAfter(200)); // only those that are to fail
  await relay.server.close();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  front.target = silent.addr.port;
  const accepted: Deno.TcpConn[] = [];
  const ended: number[] = [];
  const { promise: threeEnded, resolve } = Promise.withResolvers<void>();
  const accepting = (async () => {
    for await (const conn of silent) {
      const number = accepted.push(conn);
      drain(conn).then(() => ended.push(number) === 3 && resolve());
    }
  })();
  for (let n = 0; n < 4; n++) await failureOf(dialer);
  await within(threeEnded, "the end of three connections");
  assertEquals([accepted.length, ended], [4, [2, 3, 4]]);
  silent.close();
  await accepting;
  for (const conn of accepted) conn.close();
});

/** Reads until the other end is gone. */
async function drain(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // gone as well
  }
}
