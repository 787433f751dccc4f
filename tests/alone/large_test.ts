/**
 * Large files and folders, and many clients, with real processes. Figures are
 * printed; what is asserted of them leaves room for a busy machine.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import { fetchFile } from "../../lib/client/fetch.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { pieceLength } from "../../lib/content/manifest.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type Member, openCrowd, readTogether } from "../e2e/_crowd.ts";
import { spawnNode, spawnRelay, spawnRole } from "../e2e/_processes.ts";
import {
  assertSaved,
  bytesFrom,
  eventsOf,
  KIB,
  MIB,
  namesIn,
  only,
  peakBytesOf,
  PIECE,
  print,
  spawnGet,
  spawnNodes,
  until,
  writeSparse,
} from "../e2e/_transfer.ts";

/** Memory that node and client may take, whatever they fetch. */
const MOST_BYTES = 200 * MIB;
const LARGE = randomBytes(17 * MIB + 7, seededRandom(1));

Deno.test("A sparse file of 600 MiB arrives whole, and neither node nor client needs much memory", async () => {
  const size = 600 * MIB + 7;
  const marks = {
    0: new TextEncoder().encode("the first"),
    [size - 8]: new TextEncoder().encode("the last"),
  };
  await using share = await tempShare();
  await using folder = await tempShare();
  await writeSparse(join(share.path, "f"), size, marks);
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, share.path);
  await using client = spawnGet(relay, folder);
  let clientBytes = 0;
  let isOver = false;
  client.exitCode.then(() => isOver = true);
  await until(
    async () => {
      clientBytes = Math.max(clientBytes, await peakBytesOf(client.pid));
      return isOver;
    },
    "the exit",
    { deadlineMs: 60_000, everyMs: 100 },
  );
  assertEquals(await client.exitCode, 0, client.stderr.all.join("\n"));
  const nodeBytes = await peakBytesOf(node.pid);
  const mib = (bytes: number) => (bytes / MIB).toFixed(0);
  print(`600 MiB: node ${mib(nodeBytes)} MiB, client ${mib(clientBytes)} MiB`);
  for (const bytes of [nodeBytes, clientBytes]) {
    assert(bytes > 0);
    assertLess(bytes, MOST_BYTES);
  }
  assertEquals(namesIn(folder), ["f"]);
  const { code } = await new Deno.Command("cmp", {
    args: [join(share.path, "f"), join(folder.path, "f")],
  }).output();
  assertEquals(code, 0);
});

// Each of them beyond what fits into 31 or 32 bits.
const HUGE_BYTES = 4 * KIB * MIB + 2 * PIECE + 7;
const HUGE_MARKS: Readonly<Record<number, Uint8Array>> = Object.fromEntries(
  [0, 2 * KIB * MIB, 4 * KIB * MIB, HUGE_BYTES - 7].map((at) => [
    at,
    new TextEncoder().encode(`mark ${at}`).slice(0, 7),
  ]),
);
const HUGE_PIECES = Object.keys(HUGE_MARKS).map((at) =>
  Math.floor(Number(at) / PIECE)
);

/** A piece of the sparse file with the marks. */
function hugePiece(index: number): Uint8Array {
  const bytes = new Uint8Array(pieceLength(HUGE_BYTES, index));
  for (const [at, mark] of Object.entries(HUGE_MARKS)) {
    const inPiece = Number(at) - index * PIECE;
    if (inPiece >= 0 && inPiece < bytes.length) bytes.set(mark, inPiece);
  }
  return bytes;
}

Deno.test("Pieces beyond 4 GiB are served and saved at their place, of a file that is not hashed yet", async () => {
  await using share = await tempShare();
  await using folder = await tempShare();
  await writeSparse(join(share.path, "f"), HUGE_BYTES, HUGE_MARKS);
  await using relay = await spawnRelay();
  await using _node = await spawnNode(relay.port, share.path);
  await using crowd = await openCrowd(relay, { name: "f", count: 1 });
  const [{ session, version }] = crowd.members as [Member];
  const path = join(folder.path, "f");
  const options = { size: HUGE_BYTES, overwrite: false, modifiedMs: 0 };
  const partial = await PartialFile.open(path, options);
  for (const index of HUGE_PIECES) {
    const wanted = hugePiece(index);
    const found = new Uint8Array(wanted.length);
    let filled = 0;
    let hash = "";
    await session.read({ of: version, first: index, count: 1 }, {
      target: (length) =>
        Promise.resolve(found.subarray(filled, filled + length)),
      filled: (length) => filled += length,
      pieces: (hashes) => hash = hashes.toHex(),
    });
    assertEquals(found.toHex(), wanted.toHex());
    assertEquals(hash, sha256(wanted).toHex());
    await partial.write(index, found);
  }
  await partial.finish();
  using saved = await Deno.open(path);
  assertEquals((await saved.stat()).size, HUGE_BYTES);
  for (const [at, mark] of Object.entries(HUGE_MARKS)) {
    await saved.seek(Number(at), Deno.SeekMode.Start);
    const found = new Uint8Array(mark.length);
    await saved.read(found);
    assertEquals(found, mark);
  }
});

Deno.test("A folder of 20 GB is shared, and its files are served, long before it has been hashed", async () => {
  await using share = await tempShare();
  for (let n = 0; n < 20; n++) {
    await writeSparse(join(share.path, `f${n}`), 1e9 + n);
  }
  await using relay = await spawnRelay();
  const startedAt = performance.now();
  await using node = spawnRole(
    "peer_node.ts",
    ["--json", "--host", "127.0.0.1", relay.address, "0", share.path],
    { permissions: [`--allow-read=${share.path}`] },
  );
  await node.stdout.until(/"event":"registered"/);
  const registeredMs = performance.now() - startedAt;
  const waitsMs: number[] = [];
  for (const name of ["f0", "f7", "f19"]) {
    const askedAt = performance.now();
    await using file = await fetchFile({
      relay: { host: "127.0.0.1", port: Number(relay.port) },
      name,
    });
    for await (const piece of file.pieces()) {
      assert(piece.length > 0);
      waitsMs.push(performance.now() - askedAt);
      break;
    }
  }
  const reported = eventsOf(node.stdout).map(({ event }) => event);
  assertEquals(reported.includes("hashed"), false, reported.join(", "));
  const most = Math.max(...waitsMs);
  print(
    `20 GB: registered after ${registeredMs.toFixed(0)} ms, ` +
      `first bytes after at most ${most.toFixed(0)} ms`,
  );
});

/** A rate is never more than it should be, and less where the machine stands still. */
const RATE_ATTEMPTS = 5;

Deno.test("Four nodes with --limit-rate give nearly four times the rate together", async () => {
  const rate = 2e6;
  const content = randomBytes(12e6, seededRandom(5));
  await using share = await tempShare({ f: content });
  await using relay = await spawnRelay();
  await using stack = new AsyncDisposableStack();
  const names = ["a", "b", "c", "d"];
  for (
    const starting of spawnNodes(relay, share, names, ["--limit-rate", "2M"])
  ) stack.use(await starting);
  let most = 0;
  for (let n = 0; n < RATE_ATTEMPTS && most <= 3.5; n++) {
    await using folder = await tempShare();
    await using client = spawnGet(relay, folder);
    await client.stdout.until(/"event":"node_answered"/);
    const startedAt = performance.now();
    await client.stdout.until(/"event":"file_received"/);
    const seconds = (performance.now() - startedAt) / 1000;
    assertEquals(await within(client.exitCode, "the exit"), 0);
    await assertSaved(folder, content);
    const from = bytesFrom(only(client.stdout, "file_received"));
    const times = content.length / seconds / rate;
    print(
      `${Object.keys(from).length} nodes: ${times.toFixed(2)} times a rate`,
    );
    if (Object.keys(from).length === names.length) most = Math.max(most, times);
  }
  assertLess(3.5, most);
});

for (
  const [what, args, totalBytes] of [
    ["as fast as it can", [], 200 * MIB],
    ["at a limited rate", ["--limit-rate", "40M"], 60 * MIB],
  ] as const
) {
  Deno.test(`A node that serves a hundred clients ${what} gives each a fair part`, async () => {
    await using share = await tempShare({ f: LARGE });
    await using relay = await spawnRelay();
    await using node = await spawnNode(relay.port, share.path, args);
    await using crowd = await openCrowd(relay, { name: "f", count: 100 });
    const { counts, seconds } = await readTogether(crowd, totalBytes);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const least = Math.min(...counts);
    const nodeBytes = await peakBytesOf(node.pid);
    print(
      `100 clients, ${what}: ${
        (100 * mean / 1e6 / seconds).toFixed(0)
      } MB/s, ` +
        `the slowest ${(least / mean).toFixed(2)} of the mean, ` +
        `the fastest ${(Math.max(...counts) / mean).toFixed(2)}, ` +
        `node ${(nodeBytes / MIB).toFixed(0)} MiB`,
    );
    assertLess(mean / 5, least);
    assertLess(nodeBytes, 200 * MIB);
  });
}
