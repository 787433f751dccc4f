import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Channel } from "../../lib/protocol/channel.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { DIRECTION, type ListedFile } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { describeBytes } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { type TempFolder, tempShare } from "../_temp_share.ts";
import { describe, find, greeted, NODE, PIECE, read } from "./_server.ts";

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
  Deno.test(`A node has no file named ${JSON.stringify(name.slice(0, 12))}, and reveals nothing else`, async () => {
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

Deno.test("A node reports what it sent to a client when the client has disconnected", async () => {
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
  const reported = node.log.names.filter((name) => name === "served");
  assertEquals(
    reported.length,
    2,
    "a client that was sent nothing is not reported",
  );
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

Deno.test("A node answers any number of requests at once in their order", async () => {
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

Deno.test("A node gives the content id of a small file at the first request", async () => {
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
  const content = randomBytes(2 * PIECE, seededRandom(2));
  const path = join(folder.path, "f");
  await Deno.writeFile(path, content);
  // Hashed in the background, it takes longer than the client to ask.
  await Deno.truncate(path, 2 ** 34);
  await using channel = await greeted(node);
  const found = await find(channel, "f");
  if (found?.kind !== "found") throw new Error("not found");
  assertEquals([found.content, found.sha256], [undefined, undefined]);
  const { manifest } = describeBytes("f", content);
  const hashes = [manifest.hashOf(0), manifest.hashOf(1)];
  const task = { of: found.version, count: 2 };
  assertEquals(await read(channel, task), hashes);
});

Deno.test("A node gives the content id of a file while it hashes a huge one", async () => {
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

Deno.test("A node ends at once, even while a client waits for a hash", async () => {
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
  Deno.test(`A node serves a content while one of its files has it, even if ${goes} is removed`, async () => {
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
  const names = Array.from({ length: 700 }, (_, n) => name(n));
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
