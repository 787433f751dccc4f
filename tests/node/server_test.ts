import { assertEquals, assertExists, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { sha256 } from "../../lib/base/hash.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import {
  DIRECTION,
  encodeMessage,
  type ListedFile,
  type MessageOf,
} from "../../lib/protocol/messages.ts";
import { serveNode } from "../../lib/node/server.ts";
import { EventLog, within } from "../_event_log.ts";
import { describeBytes } from "../_lies.ts";
import {
  IDENTITIES,
  openChannel,
  startNode,
  startRelay,
  type TestNode,
} from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { type TempFolder, tempShare } from "../_temp_share.ts";

const NODE = IDENTITIES[1] as Identity;
const PIECE = 256 * 1024;

/** A channel that has greeted the node. */
async function greeted(node: TestNode): Promise<Channel> {
  const channel = await openChannel(node.server.address, NODE);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  const hello = await channel.receive(["hello"]);
  assertEquals(hello, {
    kind: "hello",
    protocol: 1,
    role: "node",
    id: NODE.id,
  });
  channel.openUp();
  return channel;
}

function find(
  channel: Channel,
  name: string,
): Promise<MessageOf<"found" | "refused"> | null> {
  void channel.send({ kind: "find", request: 7, name });
  return channel.receive(["found", "refused"]);
}

interface ReadTask {
  readonly request?: number;
  readonly of: string;
  readonly first?: number;
  readonly count: number;
}

function askToRead(
  channel: Channel,
  { request = 8, of, first = 0, count }: ReadTask,
): Promise<void> {
  return channel.send({ kind: "read", request, of, first, count });
}

interface Part {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** The pieces that answer a read, as they come; a refusal is the last. */
async function* partsOf(
  channel: Channel,
  { request = 8, first = 0, count }: ReadTask,
): AsyncGenerator<Part | MessageOf<"refused">> {
  const end = first + count;
  let run = new Uint8Array(count * PIECE);
  let filled = 0;
  for (let index = first; index < end;) {
    const message = await channel.receiveOrData(DIRECTION.nodeToClient);
    assertEquals(message?.request, request);
    if (message?.kind === "data") {
      await channel.readData(run.subarray(filled, filled + message.length));
      filled += message.length;
      continue;
    }
    if (message?.kind === "refused") {
      yield message;
      return;
    }
    if (message?.kind !== "pieces") throw new Error(`a ${message?.kind}`);
    const { hashes } = message;
    for (let at = 0; at < hashes.length; at += 32) {
      const bytes = run.subarray(0, Math.min(filled, PIECE));
      yield {
        index: index++,
        bytes,
        sha256: hashes.slice(at, at + 32).toHex(),
      };
      run = run.subarray(bytes.length);
      filled -= bytes.length;
    }
    assertEquals(filled, 0, "all that came is vouched for");
  }
}

/** What a read brings: hashes of the pieces, or the code of a refusal. */
async function read(channel: Channel, task: ReadTask): Promise<string[]> {
  await askToRead(channel, task);
  const parts: string[] = [];
  for await (const part of partsOf(channel, task)) {
    if ("kind" in part) {
      assertEquals(part.text.length > 0, true);
      parts.push(part.code);
    } else {
      assertEquals(sha256(part.bytes).toHex(), part.sha256);
      parts.push(part.sha256);
    }
  }
  return parts;
}

/** The manifest of a file: hashes of its pieces with what was said of it. */
async function describe(
  channel: Channel,
  of: string,
): Promise<
  { said: MessageOf<"manifest" | "refused">; hashes: string[] }
> {
  await channel.send({ kind: "describe", request: 9, of });
  const said = await channel.receive(["manifest", "refused"]);
  assertExists(said);
  assertEquals(said.request, 9);
  const hashes: string[] = [];
  const count = said.kind === "refused" ? 0 : Math.ceil(said.size / PIECE);
  while (hashes.length < count) {
    const data = await channel.receiveOrData([]);
    if (data?.kind !== "data") throw new Error("no data");
    assertEquals([data.request, data.length % 32], [9, 0]);
    for (let left = data.length; left > 0; left -= 32) {
      const hash = new Uint8Array(32);
      await channel.readData(hash);
      hashes.push(hash.toHex());
    }
  }
  return { said, hashes };
}

/** All pages of a listing. */
async function browse(
  channel: Channel,
  prefix: string,
): Promise<ListedFile[][]> {
  await channel.send({ kind: "browse", request: 10, prefix });
  const pages: ListedFile[][] = [];
  for (;;) {
    const page = await channel.receive(["files"]);
    assertEquals(page?.request, 10);
    pages.push(page!.files);
    if (!page!.more) return pages;
  }
}

Deno.test("A node says whether it has a file, with its size", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a/1.txt": "one" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const found = await find(channel, "a/1.txt");
  assertEquals(found?.kind === "found" && [found.request, found.size], [7, 3]);
  const refused = await find(channel, "2.txt");
  assertEquals(refused?.kind === "refused" && [refused.code, refused.request], [
    "not_found",
    7,
  ]);
});

for (
  const name of [
    "../secret",
    "/etc/passwd",
    "a//1.txt",
    "",
    "a\0",
    "a\x1b[2J",
    "a".repeat(1_024),
  ]
) {
  Deno.test(`A node has no file named ${JSON.stringify(name.slice(0, 12))}, and says no more`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "1.txt": "one" }, {
      identity: NODE,
    });
    await using channel = await greeted(node);
    const answer = await find(channel, name);
    assertEquals(answer?.kind === "refused" && answer, {
      kind: "refused",
      code: "not_found",
      text: "no such file here",
      request: 7,
    });
  });
}

Deno.test("A node sends a file in pieces, each with its hash", async () => {
  await using relay = await startRelay();
  const content = randomBytes(2 * PIECE + 1, seededRandom(1));
  await using node = await startNode(relay, { "f": content }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const found = await find(channel, "f");
  if (found?.kind !== "found") throw new Error("not found");
  const hashes = [0, PIECE, 2 * PIECE].map((from) =>
    sha256(content.subarray(from, from + PIECE)).toHex()
  );
  // By its version and by its content, all of it and a part, on one connection.
  for (const id of [found.version, found.content!]) {
    assertEquals(await read(channel, { of: id, count: 3 }), hashes);
    assertEquals(
      await read(channel, { of: id, first: 1, count: 1 }),
      hashes.slice(1, 2),
    );
    assertEquals(
      await read(channel, { of: id, first: 2, count: 1 }),
      hashes.slice(2),
    );
  }
});

Deno.test("A node tells what it sent to a client, once that has left", async () => {
  await using relay = await startRelay();
  const content = randomBytes(PIECE + 1, seededRandom(1));
  const files = { "f": content, "g": "two", "empty": "" };
  await using node = await startNode(relay, files, { identity: NODE });
  const one = await greeted(node);
  const f = await find(one, "f");
  if (f?.kind !== "found") throw new Error("not found");
  await read(one, { of: f.version, count: 2 });
  await one.close();
  const first = await node.log.until("served");
  assertEquals(first, {
    event: "served",
    to: "127.0.0.1",
    files: 1,
    bytes: content.length,
    name: "f",
  });
  const both = await greeted(node);
  const g = await find(both, "g");
  if (g?.kind !== "found") throw new Error("not found");
  await read(both, { of: f.version, count: 2 });
  await read(both, { of: g.version, count: 1 });
  await both.close();
  const second = await node.log.until("served", ({ files }) => files === 2);
  assertEquals([second.bytes, second.name], [content.length + 3, undefined]);
  const idle = await greeted(node);
  await find(idle, "f");
  await idle.close();
  await node.server.close();
  const told = node.log.names.filter((name) => name === "served");
  assertEquals(told.length, 2, "who was sent nothing is not told");
});

Deno.test("A node with a large share serves by name while it is scanned, and lists when the scan is complete", async () => {
  await using relay = await startRelay();
  const { readDir } = Deno;
  const held = Promise.withResolvers<void>();
  Deno.readDir = async function* (path) {
    await held.promise;
    yield* readDir(path);
  };
  try {
    await using node = await startNode(relay, { "d/f": "one", "g": "two" }, {
      identity: NODE,
      limits: { firstScanMs: 0 },
    });
    assertEquals(node.log.names.includes("scanning"), true);
    assertEquals(node.log.names.includes("sharing"), false);
    const lister = await greeted(node);
    await lister.send({ kind: "browse", request: 1, prefix: "" });
    const other = await greeted(node);
    const found = await find(other, "d/f");
    assertEquals(found?.kind === "found" && found.size, 3);
    held.resolve();
    const page = await within(
      lister.receive(DIRECTION.nodeToClient),
      "the listing",
    );
    if (page?.kind !== "files") throw new Error(page?.kind);
    assertEquals(page.files.map(({ name }) => name), ["d/f", "g"]);
    const { files } = await node.log.until("sharing");
    assertEquals(files, 2);
    await Promise.all([lister.close(), other.close()]);
  } finally {
    held.resolve();
    Deno.readDir = readDir;
  }
});

Deno.test("A node refuses pieces that a file does not have", async () => {
  await using relay = await startRelay();
  const content = randomBytes(PIECE + 1, seededRandom(1));
  const files = { "f": content, "empty": "" };
  await using node = await startNode(relay, files, { identity: NODE });
  await using channel = await greeted(node);
  const f = await find(channel, "f");
  const empty = await find(channel, "empty");
  if (f?.kind !== "found" || empty?.kind !== "found") {
    throw new Error("not found");
  }
  for (
    const [of, first, count] of [
      [f.version, 0, 3],
      [f.version, 2, 1],
      [f.content!, 65_535, 65_536],
      [empty.version, 0, 1],
    ] as const
  ) {
    assertEquals(await read(channel, { of, first, count }), ["bad_range"]);
  }
  assertEquals((await read(channel, { of: f.version, count: 2 })).length, 2);
});

Deno.test("A node answers requests in order, however many have been sent at once", async () => {
  await using relay = await startRelay();
  const content = randomBytes(3 * PIECE, seededRandom(1));
  await using node = await startNode(relay, { "f": content, "1.txt": "one" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const f = await find(channel, "f");
  if (f?.kind !== "found") throw new Error("not found");
  const of = f.version;
  const sending = channel.send(
    { kind: "read", request: 1, of, first: 2, count: 1 },
    { kind: "find", request: 2, name: "1.txt" },
    { kind: "read", request: 3, of, first: 9, count: 1 },
    { kind: "describe", request: 4, of },
    { kind: "browse", request: 5, prefix: "f" },
    { kind: "read", request: 6, of, first: 0, count: 1 },
  );
  const answers: string[] = [];
  while (answers.at(-1) !== "6 pieces") {
    const message = await channel.receiveOrData(DIRECTION.nodeToClient);
    if (message?.kind === "data") {
      await channel.readData(new Uint8Array(message.length));
    }
    const answer = `${message?.request} ${message?.kind}`;
    if (answers.at(-1) !== answer) answers.push(answer);
  }
  await sending;
  assertEquals(answers, [
    "1 data",
    "1 pieces",
    "2 found",
    "3 refused",
    "4 manifest",
    "4 data",
    "5 files",
    "6 data",
    "6 pieces",
  ]);
});

Deno.test("A node says what a small file contains as soon as it is asked for it", async () => {
  await using relay = await startRelay();
  const content = randomBytes(2 * PIECE + 1, seededRandom(1));
  await using node = await startNode(relay, { "f": content, "empty": "" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  for (const [name, bytes] of [["f", content], ["empty", null]] as const) {
    const wanted = describeBytes(name, bytes ?? new Uint8Array());
    const found = await find(channel, name);
    if (found?.kind !== "found") throw new Error("not found");
    assertEquals(
      [found.content, found.sha256],
      [wanted.manifest.contentId, wanted.sha256],
    );
    for (const id of [found.version, found.content!]) {
      const { said, hashes } = await describe(channel, id);
      assertEquals(said, {
        kind: "manifest",
        request: 9,
        size: wanted.bytes.length,
        content: wanted.manifest.contentId,
        sha256: wanted.sha256,
      });
      assertEquals(hashes.join(""), wanted.manifest.hashes.toHex());
    }
  }
});

/** A folder whose first file takes longer to hash than any test lasts. */
async function hugeShare(): Promise<TempFolder> {
  const folder = await tempShare();
  using file = await Deno.create(join(folder.path, "huge"));
  await file.truncate(2 ** 39); // sparse: takes no room
  return folder;
}

Deno.test("A node sends a file that it has not hashed yet, with the hashes of its pieces", async () => {
  await using relay = await startRelay();
  await using folder = await hugeShare();
  await using node = await startNode(relay, {}, {
    identity: NODE,
    directory: folder.path,
    limits: { hashOnFindBytes: 0, rescanWatchedMs: 0, rescanPercent: 100 },
  });
  const content = randomBytes(PIECE + 1, seededRandom(2));
  await Deno.writeFile(join(folder.path, "f"), content);
  await using channel = await greeted(node);
  const found = await find(channel, "f");
  if (found?.kind !== "found") throw new Error("not found");
  assertEquals([found.content, found.sha256], [undefined, undefined]);
  const { manifest } = describeBytes("f", content);
  const hashes = [manifest.hashOf(0), manifest.hashOf(1)];
  const task = { of: found.version, count: 2 };
  assertEquals(await read(channel, task), hashes);
});

Deno.test("A node says what a file contains while it is busy hashing a huge one", async () => {
  await using relay = await startRelay();
  await using folder = await hugeShare();
  await using node = await startNode(relay, {}, {
    identity: NODE,
    directory: folder.path,
    limits: { rescanWatchedMs: 0, rescanPercent: 100 },
  });
  const content = randomBytes(PIECE + 1, seededRandom(2));
  await Deno.writeFile(join(folder.path, "f"), content);
  await using channel = await greeted(node);
  const found = await within(find(channel, "f"), "an answer");
  const { manifest } = describeBytes("f", content);
  assertEquals(
    found?.kind === "found" && found.content,
    manifest.contentId,
  );
});

Deno.test("A node leaves at once, also while a client waits for a hash", async () => {
  await using relay = await startRelay();
  await using folder = await hugeShare();
  await using node = await startNode(relay, {}, {
    identity: NODE,
    directory: folder.path,
  });
  const waiting = await greeted(node);
  const huge = await find(waiting, "huge");
  if (huge?.kind !== "found") throw new Error("not found");
  await waiting.send({ kind: "describe", request: 9, of: huge.version });
  await using other = await greeted(node);
  assertEquals((await find(other, "none"))?.kind, "refused");
  await within(node.server.close(), "leaving");
  waiting.conn.close();
});

for (const goes of ["a", "b"]) {
  Deno.test(`A node serves a content while one of its files has it, also when ${goes} goes`, async () => {
    await using relay = await startRelay();
    const content = randomBytes(PIECE + 1, seededRandom(1));
    const files = { "a": content, "b": content };
    await using node = await startNode(relay, files, { identity: NODE });
    await node.log.until("hashed");
    await using channel = await greeted(node);
    const stays = await find(channel, goes === "a" ? "b" : "a");
    if (stays?.kind !== "found") throw new Error("not found");
    await Deno.remove(join(node.directory, goes));
    assertEquals((await find(channel, goes))?.kind, "refused");
    const task = { of: stays.content!, count: 2 };
    assertEquals((await read(channel, task)).length, 2);
    const { said } = await describe(channel, stays.content!);
    assertEquals(said.kind, "manifest");
  });
}

Deno.test("A node lists its files, page by page, those of a folder too", async () => {
  await using relay = await startRelay();
  const names = ["1.txt", "a/1.txt", "a/b/2.txt", "ab.txt", "\u00e9.txt"];
  await using node = await startNode(
    relay,
    Object.fromEntries(names.map((name) => [name, name])),
    { identity: NODE, limits: { listingPageCount: 2 } },
  );
  await node.log.until("hashed");
  await using channel = await greeted(node);
  const pages = await browse(channel, "");
  assertEquals(pages.map(({ length }) => length), [2, 2, 1]);
  const listed = pages.flat().toSorted((a, b) => a.name < b.name ? -1 : 1);
  assertEquals(listed.map(({ name }) => name), names);
  for (const { name, size, content, version } of listed) {
    const { manifest, bytes } = describeBytes(
      name,
      new TextEncoder().encode(name),
    );
    assertEquals([size, content], [bytes.length, manifest.contentId]);
    assertEquals(await read(channel, { of: version, count: 1 }), [
      manifest.hashOf(0),
    ]);
  }
  for (
    const [prefix, count] of [["a/", 2], ["a", 3], ["zz", 0], [
      "../",
      0,
    ]] as const
  ) {
    const files = (await browse(channel, prefix)).flat();
    assertEquals(files.length, count);
    assertEquals(files.every(({ name }) => name.startsWith(prefix)), true);
  }
});

Deno.test("A node lists many long names in frames that may be sent", async () => {
  await using relay = await startRelay();
  const name = (n: number) =>
    `${String(n).padStart(4, "0")}${"\u20ac".repeat(60)}`;
  const names = Array.from({ length: 2_000 }, (_, n) => name(n));
  await using node = await startNode(
    relay,
    Object.fromEntries(names.map((name) => [name, ""])),
    { identity: NODE },
  );
  await using channel = await greeted(node);
  const pages = await browse(channel, "");
  assertEquals(pages.length > 1, true);
  assertEquals(pages.flat().map(({ name }) => name).toSorted(), names);
});

for (
  const [what, limitRate, wanted] of [
    [
      "a piece at first, then for two, then for four mebibytes at a time",
      undefined,
      [1, 2, 4, 8, 16, 16, 3],
    ],
    ["each piece by itself where its rate is limited", 1e9, Array(50).fill(1)],
  ] as const
) {
  Deno.test(`A node vouches for ${what}`, async () => {
    await using relay = await startRelay();
    const content = randomBytes(49 * PIECE + 1, seededRandom(9));
    const rate = limitRate === undefined ? {} : { limitRate };
    await using node = await startNode(relay, { "f": content }, {
      identity: NODE,
      ...rate,
    });
    await using channel = await greeted(node);
    const f = await find(channel, "f");
    if (f?.kind !== "found") throw new Error("not found");
    await askToRead(channel, { of: f.version, count: 50 });
    const runs: number[] = [];
    let filled = 0;
    for (let left = 50; left > 0; left -= runs.at(-1)!) {
      const wholeBytes = Math.min(content.length, (50 - left) * PIECE);
      assertEquals(filled, wholeBytes, "pieces come before their hashes");
      let message = await channel.receiveOrData(["pieces"]);
      for (; message?.kind === "data";) {
        await channel.readData(new Uint8Array(message.length));
        filled += message.length;
        message = await channel.receiveOrData(["pieces"]);
      }
      runs.push(message!.hashes.length / 32);
    }
    assertEquals(runs, [...wanted]);
  });
}

Deno.test("A node keeps its rate, however many ask", async () => {
  await using relay = await startRelay();
  const content = randomBytes(PIECE, seededRandom(1));
  await using node = await startNode(relay, { "f": content }, {
    identity: NODE,
    limitRate: 2 * PIECE,
  });
  const channels = [await greeted(node), await greeted(node)];
  const f = await find(channels[0]!, "f");
  if (f?.kind !== "found") throw new Error("not found");
  const startedAt = performance.now();
  await Promise.all(
    channels.map((channel) => read(channel, { of: f.version, count: 1 })),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  // Two files of half a second each, but for what a pause allows at once.
  assertEquals(seconds > 0.6 && seconds < 3, true, `${seconds} s`);
  for (const channel of channels) await channel.close();
});

Deno.test("A node refuses to read what changed, went, or never was", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": "one", "g": "two" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const f = await find(channel, "f");
  const g = await find(channel, "g");
  if (f?.kind !== "found" || g?.kind !== "found") throw new Error("not found");
  await Deno.writeTextFile(join(node.directory, "f"), "other");
  await Deno.remove(join(node.directory, "g"));
  // The watcher may have seen it: then there is no such version any more.
  const isOld = (codes: string[]) =>
    codes.length === 1 && ["changed", "gone"].includes(codes[0]!);
  for (const id of [f.version, f.content!]) {
    assertEquals(isOld(await read(channel, { of: id, count: 1 })), true);
  }
  for (
    const id of [
      g.version,
      g.content!,
      "never-was".padEnd(32),
      "../f".padEnd(32),
      "ab".repeat(32),
    ]
  ) {
    assertEquals(await read(channel, { of: id, count: 1 }), ["gone"]);
    const { said } = await describe(channel, id);
    // What was hashed before it went is known on, until that is noticed.
    if (said.kind === "refused") assertEquals(said.code, "gone");
    else assertEquals(said.sha256, g.sha256);
  }
});

for (
  const [how, alter] of [
    [
      "grows",
      (path: string) => Deno.writeTextFile(path, "x", { append: true }),
    ],
    ["is cut", (path: string) => Deno.truncate(path, PIECE + 1)],
    ["is written over", async (path: string) => {
      using file = await Deno.open(path, { write: true });
      await file.write(new Uint8Array(64 * PIECE));
    }],
  ] as const
) {
  for (const by of ["version", "content"] as const) {
    Deno.test(`A node stops with "changed" when a file asked for by ${by} ${how} while it is sent`, async () => {
      await using relay = await startRelay();
      const content = randomBytes(64 * PIECE, seededRandom(2));
      await using node = await startNode(relay, { "f": content }, {
        identity: NODE,
      });
      await using channel = await greeted(node);
      const found = await find(channel, "f");
      if (found?.kind !== "found") throw new Error("not found");
      const task = { of: found[by]!, count: 64 };
      await askToRead(channel, task);
      const parts = partsOf(channel, task);
      // The node is held back by what is not read: it cannot be done yet.
      const first = await parts.next();
      if (first.done || "kind" in first.value) throw new Error("no piece");
      await alter(join(node.directory, "f"));
      let refused: MessageOf<"refused"> | undefined;
      let count = 1;
      for await (const part of parts) {
        if ("kind" in part) refused = part;
        else {
          count++;
          const from = part.index * PIECE;
          const wanted = content.subarray(from, from + PIECE);
          assertEquals(part.bytes, wanted, "never a mixture");
          assertEquals(part.sha256, sha256(wanted).toHex());
        }
      }
      assertEquals(refused?.code, "changed");
      assertEquals(count < 64, true);
      await channel.close();
      await node.server.close();
      const served = node.log.names.filter((name) => name === "served");
      assertEquals(served, [], "that is not a file that was sent");
    });
  }
}

for (
  const [what, frame, code] of [
    ["file bytes", encodeFrame(0x60, new Uint8Array(8)), "wrong_phase"],
    [
      "a second hello",
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      "wrong_phase",
    ],
    ["a relay's message", encodeMessage({ kind: "list" }), "wrong_phase"],
    [
      "a length of 4 GiB",
      Uint8Array.of(0x40, 255, 255, 255, 255),
      "frame_too_large",
    ],
    [
      "a request id of -1",
      encodeFrame(0x40, new TextEncoder().encode('{"request":-1,"name":"a"}')),
      "bad_message",
    ],
    [
      "a request id of 2^32",
      encodeFrame(
        0x40,
        new TextEncoder().encode('{"request":4294967296,"name":"a"}'),
      ),
      "bad_message",
    ],
    [
      "a name of 1,025 characters",
      encodeMessage({ kind: "find", request: 1, name: "a".repeat(1_025) }),
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`A node ends a client that sends ${what}, and serves others on`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "1.txt": "one" }, {
      identity: NODE,
    });
    await using good = await greeted(node);
    const bad = await greeted(node);
    await writeAll(bad.conn, frame);
    const answer = await bad.receive(["refused"]);
    assertEquals(answer?.code, code);
    bad.conn.close();
    await node.log.until("refused", ({ reason }) => reason === code);
    assertEquals((await find(good, "1.txt"))?.kind, "found");
  });
}

Deno.test("A node serves one client while another does not read", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(3));
  await using node = await startNode(
    relay,
    { "big": content, "1.txt": "one" },
    { identity: NODE },
  );
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  await askToRead(cathy, { of: big.version, count: 64 });
  await using bob = await greeted(node);
  for (let n = 0; n < 20; n++) {
    const found = await within(find(bob, "1.txt"), "an answer to bob");
    if (found?.kind !== "found") throw new Error("not found");
    const one = sha256(new TextEncoder().encode("one")).toHex();
    const task = { of: found.version, count: 1 };
    assertEquals(await within(read(bob, task), "bob"), [one]);
  }
  cathy.conn.close();
  await bob.close();
  await node.server.close();
  const served = node.log.events.filter(({ event }) => event === "served");
  // Bob's alone: what cathy did not take was not sent.
  assertEquals(
    served.map((event) => event.event === "served" && event.bytes),
    [60],
  );
});

Deno.test("A node cuts off a client that reads nothing for the stall time", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(4));
  await using node = await startNode(relay, { "big": content }, {
    identity: NODE,
    limits: { dataWriteStallMs: 100 },
  });
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  await askToRead(cathy, { of: big.version, count: 64 });
  await node.log.until("refused", ({ reason }) => reason === "slow_consumer");
  cathy.conn.close();
});

Deno.test("A node continues to serve while its relay is away, and stops without it", async () => {
  const relay = await startRelay();
  await using node = await startNode(relay, { "1.txt": "one" }, {
    identity: NODE,
  });
  await relay.server.close();
  await using channel = await greeted(node);
  assertEquals((await find(channel, "1.txt"))?.kind, "found");
  await within(node.server.close(), "leaving");
});

Deno.test("A node starts while its relay is away, and says so once", async () => {
  const relay = await startRelay();
  await relay.server.close();
  const log = new EventLog<{ event: string }>();
  await using node = await serveNode({
    relay: relay.server.address,
    host: "127.0.0.1",
    port: 0,
    directory: "files/one",
    limits: { retryFirstMs: 1, retryMaxMs: 2 },
    onEvent: log.onEvent,
  });
  await log.until("registration_failed");
  assertEquals(node.fileCount, 2);
  await node.close();
  assertEquals(
    log.names.filter((name) => name === "registration_failed").length,
    1,
  );
});

Deno.test("A node withdraws when it is closed, or its signal aborted", async () => {
  for (const how of ["close", "signal"]) {
    await using relay = await startRelay();
    const stop = new AbortController();
    await using node = await startNode(relay, {}, { signal: stop.signal });
    assertEquals(relay.server.nodeCount, 1);
    if (how === "signal") stop.abort();
    await node.server.close();
    assertEquals(relay.server.nodeCount, 0);
    assertEquals(node.log.names.at(-1), "withdrawn");
    const left = await relay.log.until("node_left");
    assertEquals(left.how, "withdrawn");
  }
});

for (
  const [what, options, expected] of [
    ["where it listens", {}, (port: number) => `127.0.0.1:${port}`],
    [
      "where it reaches the relay from",
      { host: "0.0.0.0" },
      (port: number) => `127.0.0.1:${port}`,
    ],
    [
      "the host it was told",
      { advertise: { host: "nas.local" } },
      (port: number) => `nas.local:${port}`,
    ],
    ["the host and port it was told", {
      advertise: { host: "nas.local", port: 99 },
    }, () => "nas.local:99"],
  ] as const
) {
  Deno.test(`A node registers ${what}`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, {}, options);
    const registered = await relay.log.until("node_registered");
    assertEquals(registered.addresses, [expected(node.server.address.port)]);
  });
}

Deno.test("A node has a name made from its id when it is given none", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  const { name } = await relay.log.until("node_registered");
  assertEquals(name, `node-${node.server.id.slice(0, 6)}`);
});

Deno.test("serveNode says when its folder cannot be shared, and leaves nothing open", async () => {
  const error = await assertRejects(
    () =>
      serveNode({
        relay: { host: "127.0.0.1", port: 1 },
        port: 0,
        directory: "no/such/folder",
      }),
    Failure,
  );
  assertEquals(error.kind, "local");
});

Deno.test("serveNode tells what it shares and what it skips", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {
    "1.txt": "one",
    "trailing.": "",
  });
  const sharing = await node.log.until("sharing");
  assertEquals([sharing.files, sharing.skipped.name], [1, 1]);
  assertExists(node.log.events.find(({ event }) => event === "node_listening"));
});
