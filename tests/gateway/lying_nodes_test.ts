/**
 * What a lying node says of its own files changes nothing of what the files of
 * honest nodes show: their folder, their bytes, their tags.
 */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { type GatewayEvent, serveGateway } from "../../lib/gateway/server.ts";
import type { ListedFile } from "../../lib/protocol/messages.ts";
import { CAROL, startLyingNode, TRUDY } from "../client/_setting.ts";
import { EventLog } from "../_event_log.ts";
import { WebClient } from "../http/_web_client.ts";
import {
  describeBytes,
  type DescribedBytes,
  type Lies,
  sendManifest,
} from "../_lies.ts";
import {
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import { sendData, sendPieces } from "../_evil_node.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const BYTES = randomBytes(70_000, seededRandom(3));
const BAIT = randomBytes(70_000, seededRandom(4));

/** A relay, the nodes that `start` starts, and a gateway; sends a request. */
async function gatewayOver(
  start: (relay: TestRelay) => Promise<AsyncDisposable[]>,
) {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  for (const node of await start(relay)) stack.use(node);
  const log = new EventLog<GatewayEvent>();
  const server = stack.use(
    await serveGateway({
      relay: { ...relay.server.address, id: relay.identity.id },
      listen: { host: "127.0.0.1", port: 0 },
      onEvent: log.onEvent,
    }),
  );
  const moved = stack.move();
  return {
    log,
    ask: async (line: string, fields: Record<string, string> = {}) => {
      using client = await WebClient.to(server.address);
      return await client.ask(line, fields);
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Says of one file what is not so, and whose bytes it has. */
function lyingOf(
  listed: Partial<ListedFile> & Omit<ListedFile, "content">,
  held: DescribedBytes = describeBytes(listed.name, BAIT),
): Lies {
  const { name: _, ...found } = listed;
  return {
    find: (channel, { request, name }) =>
      name === listed.name
        ? channel.send({ kind: "found", request, ...found })
        : channel.send({
          ...{ kind: "refused", request, code: "not_found", text: "no" },
        }),
    browse: (channel, { request }) =>
      channel.send({ kind: "files", request, files: [listed], more: false }),
    describe: (channel, message) => sendManifest(channel, message, held),
    read: async (channel, message) => {
      await sendData(channel, message, held.bytes);
      await sendPieces(channel, message, held.manifest.hashOf(0));
    },
  };
}

function honest(
  relay: TestRelay,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<TestNode> {
  return startNode(relay, files, { name: "honest" });
}

for (const sign of [1, -1]) {
  Deno.test(`A node that gives a file a time of ${sign * 8.64e15} ms and a bit breaks no page of its folder`, async () => {
    const { listed } = describeBytes("late.bin", BAIT);
    const modifiedMs = sign * (LIMITS.dateLastMs + 1);
    await using gateway = await gatewayOver(async (relay) => [
      await startLyingNode(relay, {}, lyingOf({ ...listed, modifiedMs })),
      await honest(relay, { "a.bin": BYTES }),
    ]);
    const { status, text } = await gateway.ask("GET /");
    assertEquals(status, 200);
    assertMatch(text, /a\.bin<\/a>/);
    const { cause } = await gateway.log.until("node_trouble");
    assertMatch(
      cause,
      /files: files\[0\]\.modifiedMs must be a whole number from -8640000000000000 to 8640000000000000, found -?8640000000000001/,
    );
    assertEquals((await gateway.ask("GET /files/a.bin")).body, BYTES);
  });

  Deno.test(`A time of ${sign * 8.64e15} ms is shown, and is in no field that cannot express it`, async () => {
    const { listed } = describeBytes("late.bin", BAIT);
    const modifiedMs = sign * LIMITS.dateLastMs;
    await using gateway = await gatewayOver(async (relay) => [
      await startLyingNode(relay, {}, lyingOf({ ...listed, modifiedMs })),
    ]);
    const page = await gateway.ask("GET /");
    assertMatch(page.text, /[+-]27\d\d\d\d-0[49]-\d\d 00:00<\/time>/);
    const file = await gateway.ask("GET /files/late.bin");
    assertEquals([file.status, file.body], [200, BAIT]);
    assertEquals(file.fields.has("last-modified"), false);
    const dav = await gateway.ask("PROPFIND /dav/", { Depth: "1" });
    assertMatch(dav.text, /late\.bin/);
    assertEquals(dav.text.includes("getlastmodified"), false);
  });
}

Deno.test("A node that gives its file the version of another node's file changes neither bytes nor tag of that one", async () => {
  const film = describeBytes("film.bin", BYTES);
  const { version } = film.listed;
  const { content: _, ...bait } = describeBytes("bait.bin", BAIT).listed;
  await using gateway = await gatewayOver(async (relay) => [
    await startLyingNode(relay, {}, lyingOf({ ...bait, version })),
    await startLyingNode(relay, { "film.bin": BYTES }, {
      ...{ identity: TRUDY, unhashed: true },
    }),
  ]);
  const baited = await gateway.ask("GET /files/bait.bin");
  assertEquals(baited.body, BAIT);
  const found = await gateway.ask("GET /files/film.bin");
  assertEquals([found.status, found.body], [200, BYTES]);
  assertNotEquals(found.fields.get("etag"), baited.fields.get("etag"));
  const again = await gateway.ask("GET /files/film.bin", {
    "If-None-Match": baited.fields.get("etag")!,
  });
  assertEquals(again.status, 200);
});

Deno.test("A node that lists a content that it does not have, in another size, hides no honest node's", async () => {
  const true_ = describeBytes("z.bin", BYTES);
  const content = true_.manifest.contentId;
  const listed = { ...true_.listed, name: "a.bin", size: BYTES.length + 9 };
  await using gateway = await gatewayOver(async (relay) => [
    await startLyingNode(relay, {}, {
      ...lyingOf({ ...listed, content }, true_),
      identity: CAROL,
    }),
    await honest(relay, { "z.bin": BYTES }),
  ]);
  const whole = await gateway.ask(`GET /content/${content}`);
  assertEquals([whole.status, whole.body], [200, BYTES]);
  assertEquals((await gateway.ask("GET /files/z.bin")).body, BYTES);
  // Its hashes are known by now, and its size is still not that.
  const lied = await gateway.ask("GET /files/a.bin");
  assertEquals(lied.status, 502);
});
