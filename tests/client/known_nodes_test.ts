import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path/join";
import { tokenOf } from "../../lib/access/token.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { KnownNodes } from "../../lib/client/known_nodes.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { KnownRelays } from "../../lib/identity/known_relays.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, contentOf } from "./_outcomes.ts";

const SECRET = new Uint8Array(32).fill(7);

/** A folder with the files of `--known-relays`. */
async function kept() {
  const folder = await tempShare();
  const path = join(folder.path, "known");
  return {
    ...{ path, nodesPath: `${path}.nodes` },
    load: () => KnownRelays.load(path),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

for (const isPrivate of [false, true]) {
  const kind = isPrivate ? "private" : "open";
  Deno.test(`row 738: a client whose ${kind} relay is down dials the nodes that were known, and says so`, async () => {
    await using files = await kept();
    const access = isPrivate
      ? { access: { token: tokenOf(SECRET, "client") } }
      : {};
    const secrets = isPrivate ? { secrets: { current: SECRET } } : {};
    const token = isPrivate ? { token: tokenOf(SECRET, "node") } : {};
    const relay = await startRelay(secrets);
    await using _relay = relay;
    await using node = await startNode(relay, { f: "hello" }, token);
    const { address } = relay.server;
    const ask = async () => {
      const log = new ClientLog();
      const options = { relay: address, ...access, onEvent: log.onEvent };
      return { ...options, log, knownRelays: await files.load() };
    };
    const { nodes: [before] } = await listNodes(await ask());
    assertEquals(before?.id, node.server.id);
    const { mode } = await Deno.stat(files.nodesPath);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    await relay.server.close();

    const { log, ...options } = await ask();
    await using file = await fetchFile({ ...options, name: "f" });
    const content = await contentOf(file);
    assertEquals(new TextDecoder().decode(content), "hello");
    const [event] = log.of("relays_away");
    assertEquals([event?.nodes, event?.ended], [1, 0]);
    assertMatch(event!.error.message, /^Cannot reach relay/);
    assertEquals(log.of("relays_away").length, 1);
  });
}

Deno.test("row 739: a client whose relay is down dials no node that the relay did not list, and none after a month", async () => {
  await using files = await kept();
  const relay = await startRelay();
  await using _relay = relay;
  await using _node = await startNode(relay, { f: "hello" });
  await using other = await startRelay({ identity: IDENTITIES[1]! });
  const { address } = relay.server;
  const found = async (path = files.path, now = Date.now) => {
    const knownRelays = await KnownRelays.load(path);
    const known = new KnownNodes(knownRelays, { limits: LIMITS, now });
    const dialer = { relay: address, access: {} };
    return (await known.of([dialer])).nodes.length;
  };
  await listNodes({ relay: address, knownRelays: await files.load() });
  assertEquals(await found(), 1);
  const days = (count: number) => () => Date.now() + count * 86_400_000;
  assertEquals(await found(files.path, days(29)), 1);
  assertEquals(await found(files.path, days(31)), 0);

  const text = await Deno.readTextFile(files.nodesPath);
  const write = (text: string) => Deno.writeTextFile(files.nodesPath, text);
  const signature = /"signature":"(..)/.exec(text)![1]!;
  await write(text.replace(`"signature":"${signature}`, '"signature":"AA'));
  assertEquals(await found(), 0, "a forged signature");
  await write(text.replaceAll(relay.identity.id, other.identity.id));
  assertEquals(await found(), 0, "the id of another relay");
  await write(text.replace(/"node":"../, '"node":"aa'));
  assertEquals(await found(), 0, "the id of another node");
  await write(text);
  assertEquals(await found(), 1);
  await Deno.chmod(files.nodesPath, 0o644);
  assertEquals(await found(), 0, "a file that others can read");
  await Deno.chmod(files.nodesPath, 0o600);
  const known = await Deno.readTextFile(files.path);
  const changed = known.replaceAll(relay.identity.id, other.identity.id);
  await Deno.writeTextFile(files.path, changed);
  assertEquals(await found(), 0, "a relay that is another one by now");
});

Deno.test("KnownNodes keeps a grant for its hour, only for clients with a token, and then reports that it has expired", async () => {
  await using files = await kept();
  await using relay = await startRelay({ secrets: { current: SECRET } });
  await using _node = await startNode(relay, { f: "x" }, {
    token: tokenOf(SECRET, "node"),
  });
  const { address } = relay.server;
  const token = tokenOf(SECRET, "client");
  await listNodes({
    ...{ relay: address, access: { token } },
    knownRelays: await files.load(),
  });
  const found = async (access: { token?: typeof token }, hours: number) => {
    const now = () => Date.now() + hours * 3_600_000;
    const known = new KnownNodes(await files.load(), { limits: LIMITS, now });
    const { nodes, endedCount } = await known.of([{ relay: address, access }]);
    return [nodes.map(({ grant }) => grant !== undefined), endedCount];
  };
  assertEquals(await found({ token }, 0.9), [[true], 0]);
  assertEquals(await found({}, 0.9), [[false], 0]);
  assertEquals(await found({ token }, 1.1), [[], 1]);
});

Deno.test("A client with known nodes fails as before while a relay answers and refuses", async () => {
  await using files = await kept();
  await using relay = await startRelay({ secrets: { current: SECRET } });
  await using _node = await startNode(relay, { f: "x" }, {
    token: tokenOf(SECRET, "node"),
  });
  const log = new ClientLog();
  const ask = async (secret: Uint8Array) => {
    const access = { token: tokenOf(secret, "client") };
    const knownRelays = await files.load();
    const relayAt = relay.server.address;
    return listNodes({
      ...{ relay: relayAt, access, knownRelays, onEvent: log.onEvent },
    });
  };
  await ask(SECRET);
  const failure = await assertRejects(
    async () => await ask(SECRET.map(() => 8)),
    Failure,
  );
  assertEquals(failure.kind, "not_allowed");
  assertEquals(log.of("relays_away"), []);
});

Deno.test("A client in plaintext saves no nodes, and one that may not write there continues", async () => {
  await using files = await kept();
  await using relay = await startRelay({ plaintext: true });
  const { address: plain } = relay.server;
  const knownRelays = await files.load();
  await listNodes({ relay: plain, plaintext: true, knownRelays });
  await assertRejects(() => Deno.stat(files.nodesPath), Deno.errors.NotFound);
  await using other = await startRelay();
  await Deno.mkdir(`${files.nodesPath}.new`); // nothing can be written there
  const { nodes } = await listNodes({
    relay: other.server.address,
    knownRelays: await files.load(),
  });
  assertEquals(nodes, []);
  await assertRejects(() => Deno.stat(files.nodesPath), Deno.errors.NotFound);
});

Deno.test("KnownNodes replaces the temporary file of a dead process, and does not disturb one that writes", async () => {
  await using files = await kept();
  await using relay = await startRelay();
  await using node = await startNode(relay, { f: "x" });
  const temporary = `${files.nodesPath}.new`;
  await Deno.writeTextFile(temporary, "half a l", { mode: 0o600 });
  const ask = async () =>
    await listNodes({
      relay: relay.server.address,
      knownRelays: await files.load(),
    });
  const writing = await Deno.open(temporary, { write: true });
  await writing.lock(true);
  await ask();
  await assertRejects(() => Deno.stat(files.nodesPath), Deno.errors.NotFound);
  writing.close();
  await ask();
  const text = await Deno.readTextFile(files.nodesPath);
  assertEquals(text.includes(node.server.id), true);
  assertEquals(text.includes(formatEndpoint(relay.server.address)), true);
  await assertRejects(() => Deno.stat(temporary), Deno.errors.NotFound);
});

Deno.test("A client with a link remembers neither the link's relay nor its nodes", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "known");
  await using relay = await startRelay();
  await listNodes({
    relay: { ...relay.server.address, id: relay.identity.id },
    knownRelays: await KnownRelays.load(path),
    access: { link: { name: "a.txt", fetch: "A".repeat(22) } },
  });
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});
