/**
 * Fetching files that are zeros in part: neither the line nor the disk pays for
 * them.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { join } from "@std/path";
import { fetchFile } from "../../lib/client/fetch.ts";
import { describeBytes } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, fetch, filesIn, get } from "./_outcomes.ts";
import { MIB, PARTIAL, PIECE, read, startLyingNode } from "./_setting.ts";

const SIZE = 12 * MIB + 5;
const DATA = randomBytes(2 * PIECE, seededRandom(3));
const DATA_AT = 9 * PIECE;
/** Zeros, with two pieces of data in it. */
const IMAGE = new Uint8Array(SIZE);
IMAGE.set(DATA, DATA_AT);

// What a file system may take beside the data.
const SLACK_BYTES = 256 * 1024;

/** Bytes that a file takes on the disk. */
async function diskBytes(folder: string, name: string): Promise<number> {
  const { blocks } = await Deno.stat(join(folder, name));
  return (blocks ?? 0) * 512;
}

/** A folder with the image as "f", with holes where the disk has them. */
async function sparseShare() {
  const folder = await tempShare();
  using file = await Deno.open(join(folder.path, "f"), {
    write: true,
    createNew: true,
  });
  await file.truncate(SIZE);
  await file.seek(DATA_AT, Deno.SeekMode.Start);
  await file.write(DATA);
  return folder;
}

Deno.test("getFiles neither fetches nor writes the zeros of a sparse file", async () => {
  await using relay = await startRelay();
  await using share = await sparseShare();
  await using node = await startNode(relay, {}, {
    name: "node",
    directory: share.path,
  });
  await node.log.until("hashed");
  await using folder = await tempShare();
  const { saved, log } = await get(relay, folder.path, ["f"]);
  assertEquals(Object.keys(saved), ["f"]);
  assertBytes(await read(folder, "f"), IMAGE);
  assertEquals(log.bytesFrom("f"), { node: DATA.length });
  assertEquals(
    log.of("zeros_skipped").map(({ name, bytes }) => [name, bytes]),
    [["f", SIZE - DATA.length]],
  );
  const last = log.of("progress").at(-1);
  assertEquals([last?.received, last?.total], [SIZE, SIZE]);
  assertEquals(last?.paths, { direct: DATA.length, tunnel: 0 });
  const there = await diskBytes(share.path, "f");
  const here = await diskBytes(folder.path, "f");
  assert(here <= there + SLACK_BYTES, `${here} bytes, of ${there}`);
  // Whatever it is saved with, a second run finds it right.
  const again = await get(relay, folder.path, ["f"]);
  assertEquals(again.log.of("file_present").length, 1);
});

Deno.test("getFiles leaves holes for zeros that a node sends because it has not hashed the file", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": IMAGE }, {
    unhashed: true,
  });
  await using share = await sparseShare();
  await using folder = await tempShare();
  await get(relay, folder.path, ["f"]);
  assertBytes(await read(folder, "f"), IMAGE);
  const there = await diskBytes(share.path, "f");
  const here = await diskBytes(folder.path, "f");
  assert(here <= there + SLACK_BYTES, `${here} bytes, of ${there}`);
});

for (
  const [what, left] of [
    ["ends in zeros", undefined],
    ["ends in zeros, after a run that left a part", 5 * PIECE + 99],
  ] as const
) {
  Deno.test(`getFiles with a SHA-256 saves a file that ${what}`, async () => {
    await using relay = await startRelay();
    await using _node = await startLyingNode(relay, { "f": IMAGE });
    await using folder = await tempShare(
      left === undefined
        ? {}
        : { [PARTIAL]: randomBytes(left, seededRandom(4)) },
    );
    const { sha256 } = describeBytes("f", IMAGE);
    const { saved, failed } = await get(relay, folder.path, ["f"], { sha256 });
    assertEquals([Object.keys(saved), failed], [["f"], {}]);
    assertEquals(filesIn(folder.path), ["f"]);
    assertBytes(await read(folder, "f"), IMAGE);
  });
}

for (
  const [what, bytes] of [
    ["is longer than the file", SIZE + 3 * PIECE],
    ["ends in a piece of zeros", 5 * PIECE + 99],
  ] as const
) {
  Deno.test(`getFiles writes zeros over other bytes of an earlier run that ${what}`, async () => {
    await using relay = await startRelay();
    await using node = await startLyingNode(relay, { "f": IMAGE });
    const left = randomBytes(bytes, seededRandom(4));
    left.fill(0, PIECE, 3 * PIECE); // two pieces are right
    await using folder = await tempShare({ [PARTIAL]: left });
    const { log } = await get(relay, folder.path, ["f"]);
    assertBytes(await read(folder, "f"), IMAGE);
    assertEquals(log.bytesFrom("f"), { mallory: DATA.length });
    assertEquals(
      log.of("file_resumed").map(({ bytes }) => bytes),
      [2 * PIECE],
    );
    const asked = node.asked.flatMap((message) =>
      message.kind === "read" ? [message.first] : []
    );
    assertEquals(Math.min(...asked), DATA_AT / PIECE);
  });
}

Deno.test("getFiles requests no small file of zeros, and leaves a hole for it", async () => {
  await using relay = await startRelay();
  const files = {
    "tiny": new Uint8Array(3),
    "whole": new Uint8Array(PIECE),
    "two": new Uint8Array(2 * PIECE),
    "other": new Uint8Array(PIECE - 1).fill(1, PIECE - 2),
  };
  await using node = await startLyingNode(relay, files);
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    Object.keys(files),
  );
  assertEquals([Object.keys(saved).length, failed], [4, {}]);
  for (const [name, bytes] of Object.entries(files)) {
    assertBytes(await read(folder, name), bytes);
  }
  assertEquals(node.asked.filter(({ kind }) => kind === "read").length, 1);
  assertEquals(log.bytesFrom("other"), { mallory: PIECE - 1 });
  assertEquals(log.bytesFrom("whole"), {});
  await Deno.writeFile(join(folder.path, "control"), files.other);
  if (await diskBytes(folder.path, "control") > 0) {
    assert(
      await diskBytes(folder.path, "whole") <
        await diskBytes(folder.path, "control"),
    );
  }
});

Deno.test("fetchFile yields zeros in their places, and fetches only the rest", async () => {
  await using relay = await startRelay();
  const small = new Uint8Array(1000);
  await using node = await startLyingNode(relay, {
    "f": IMAGE,
    "small": small,
  });
  const { content, log } = await fetch(relay, "f");
  assertBytes(content, IMAGE);
  assertEquals(log.bytesFrom("f"), { mallory: DATA.length });
  assertEquals(
    log.of("zeros_skipped").map(({ bytes }) => bytes),
    [SIZE - DATA.length],
  );
  const before = node.asked.filter(({ kind }) => kind === "read").length;
  const other = await fetch(relay, "small");
  assertBytes(other.content, small);
  const after = node.asked.filter(({ kind }) => kind === "read").length;
  assertEquals(after, before);
});

Deno.test("fetchFile stops in the middle of zeros that a node claims without end", async () => {
  await using relay = await startRelay();
  const zeros = new Uint8Array(400 * PIECE);
  await using _evil = await startLyingNode(relay, { "f": zeros });
  const stop = new AbortController();
  const why = new Error("enough");
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "f",
    signal: stop.signal,
  });
  const pieces = file.pieces();
  assertEquals((await pieces.next()).value?.length, PIECE);
  stop.abort(why);
  let further = 0;
  const reason = await (async () => {
    for await (const _piece of pieces) further++;
    return "it went on to the end";
  })().catch((error) => error);
  assertStrictEquals(reason, why);
  assertEquals(further, 0);
});
