/**
 * Fetches between real processes, and what happens to them: killed nodes and
 * clients, nodes that lie, contents that differ, large files and folders, full
 * disks, many clients. Figures are printed; what is asserted of them leaves room
 * for a busy machine.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { fetchFile } from "../../lib/client/fetch.ts";
import { sha256 } from "../../lib/hash.ts";
import { pieceCountOf, pieceLength } from "../../lib/manifest.ts";
import type { ClientToNode, MessageOf } from "../../lib/messages.ts";
import { PartialFile, partialPathOf } from "../../lib/transfer/partial.ts";
import { within } from "../_event_log.ts";
import { type EvilNode, startEvilNode } from "../_evil_node.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import { honestBut, sendWrongBytes } from "../_lies.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { type Member, openCrowd, readTogether } from "./_crowd.ts";
import { commandLine, spawnNode, spawnRelay, spawnRole } from "./_processes.ts";
import {
  accessTo,
  assertSaved,
  bytesFrom,
  eventsOf,
  getArgs,
  KIB,
  MIB,
  namesIn,
  only,
  peakBytesOf,
  PIECE,
  received,
  runGet,
  say,
  sentBytes,
  spawnGet,
  spawnNodes,
  until,
  writeSparse,
} from "./_transfer.ts";

const PARTIAL = partialPathOf("f");
/** Memory that node and client may take, whatever they fetch. */
const MOST_BYTES = 200 * MIB;
// What TLS, frames and messages add.
const OVERHEAD = 1.003;

/** More than are hashed on the spot: what has come is verified a moment later. */
const LARGE = randomBytes(17 * MIB + 7, seededRandom(1));
const CONTENT = randomBytes(4 * MIB + 7, seededRandom(2));

/** The port that a relay in this process listens on. */
function portOf(relay: TestRelay): { port: string } {
  return { port: String(relay.server.address.port) };
}

Deno.test("kill -9 of one of three nodes: the file arrives whole, and at most a piece of that node is fetched twice", async () => {
  await using share = await tempShare({ f: LARGE });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  // Counts what reaches the client, which the node cannot tell any more.
  await using proxy = await startFaultProxy();
  const args = ["--limit-rate", "6M"];
  const [starting, ...others] = [
    ...spawnNodes(relay, share, ["killed"], [
      ...args,
      ...["--advertise", `127.0.0.1:${proxy.port}`],
    ]),
    ...spawnNodes(relay, share, ["alpha", "beta"], args),
  ] as const;
  await using killed = await starting!;
  await using alpha = await others[0]!;
  await using beta = await others[1]!;
  proxy.target = Number(killed.port);
  await using client = spawnGet(relay, folder);
  // In the middle of a request for four: some of its pieces are whole already.
  await until(() => proxy.passedBytes > 10.5 * PIECE, "eleven pieces");
  killed.signal("SIGKILL");
  assertEquals(await within(client.exitCode, "the exit"), 0);
  await assertSaved(folder, LARGE);
  const from = bytesFrom(only(client.stdout, "file_received"));
  const { killed: used = 0, ...rest } = from;
  assertEquals(Object.keys(rest).toSorted(), ["alpha", "beta"]);
  assertEquals(used + rest["alpha"]! + rest["beta"]!, LARGE.length);
  const lost = proxy.passedBytes / OVERHEAD - used;
  const twice = await sentBytes(alpha) + await sentBytes(beta) -
    rest["alpha"]! - rest["beta"]!;
  say(
    `killed node: ${(lost / PIECE).toFixed(1)} pieces lost on the way, ` +
      `${(twice / PIECE).toFixed(1)} fetched twice from the others`,
  );
  assertLess(lost, PIECE);
  // Idle at the end, each may have taken over a piece of the other.
  assertLess(twice, 4 * PIECE);
});

Deno.test("kill -9 of the only node: exit 5 says how to go on, and the next run fetches from another node what is missing", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, share.path, [
    "--limit-rate",
    "3M",
  ]);
  await using client = spawnGet(relay, folder);
  await client.stdout.until(received(7));
  node.signal("SIGKILL");
  assertEquals(await within(client.exitCode, "the exit"), 5);
  assertEquals(client.stderr.all.length, 1);
  assertMatch(
    client.stderr.all[0]!,
    /^error: Cannot fetch file \(f\): no node that has it is left, at \d\d % \(.+\); run again to resume$/,
  );
  assertEquals(namesIn(folder), [PARTIAL]);
  const trouble = client.stdout.all.findLast((line) =>
    line.includes('"event":"node_trouble"')
  );
  assertMatch(trouble!, /"cause":"connection refused"/);

  await using other = await spawnNode(relay.port, share.path);
  await using again = spawnGet(relay, folder);
  assertEquals(await within(again.exitCode, "the exit"), 0);
  await assertSaved(folder, CONTENT);
  const { bytes: resumed } = only(again.stdout, "file_resumed");
  assert(resumed >= MIB, `only ${resumed} bytes were kept`);
  assertEquals(await sentBytes(other), CONTENT.length - resumed);
});

Deno.test("kill -9 of the client: the same command fetches only the rest, also from another node", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  let kept = 0;
  // Twice, each time at another node.
  for (const digits of [6, 7]) {
    await using node = await spawnNode(relay.port, share.path, [
      "--limit-rate",
      "3M",
    ]);
    await using client = spawnGet(relay, folder);
    await client.stdout.until(received(digits));
    await until(
      async () =>
        (await Deno.stat(join(folder.path, PARTIAL))).size > kept + PIECE,
      "more of the file",
    );
    client.signal("SIGKILL");
    assertEquals(await within(client.exitCode, "the exit"), 137);
    assertEquals(namesIn(folder), [PARTIAL]);
    kept = (await Deno.stat(join(folder.path, PARTIAL))).size;
    node.signal("SIGTERM");
    assertEquals(await within(node.exitCode, "the exit"), 0);
  }
  await using node = await spawnNode(relay.port, share.path);
  await using client = spawnGet(relay, folder);
  assertEquals(await within(client.exitCode, "the exit"), 0);
  await assertSaved(folder, CONTENT);
  const { bytes: resumed } = only(client.stdout, "file_resumed");
  // Of what is there only the last piece may be incomplete.
  assertEquals(resumed, Math.floor(kept / PIECE) * PIECE);
  assertEquals(await sentBytes(node), CONTENT.length - resumed);
});

Deno.test("Ctrl-C: exit 130 says how to go on, and what has come is kept; twice, it ends at once", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, share.path, [
    "--limit-rate",
    "2M",
  ]);
  const path = join(folder.path, PARTIAL);
  const args = getArgs(relay, folder);
  let kept = 0;
  for (const times of [1, 2]) {
    await using client = spawnRole("peer_client.ts", args, accessTo(folder));
    await until(
      async () =>
        namesIn(folder).length > 0 && (await Deno.stat(path)).size > kept,
      "more of the file",
    );
    for (let n = 0; n < times; n++) client.signal("SIGINT");
    assertEquals(await within(client.exitCode, "the exit"), 130);
    const last = client.stderr.all.at(-1);
    const isTold = last === "error: Stopped: interrupted; " +
        "what has come is kept; run the same again to go on";
    assert(isTold || times === 2, last);
    assertEquals(namesIn(folder), [PARTIAL]);
    kept = (await Deno.stat(path)).size;
  }
  node.signal("SIGKILL");
  await using _other = await spawnNode(relay.port, share.path);
  const outcome = await runGet(relay, folder);
  assertEquals(outcome.code, 0);
  assertMatch(
    outcome.stderr.join("\n"),
    /^f: .*B are here from an earlier run$/m,
  );
  await assertSaved(folder, CONTENT);
});

Deno.test("Two clients on one target: the second says that the first is at it, and does it no harm", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using _node = await spawnNode(relay.port, share.path, [
    "--limit-rate",
    "3M",
  ]);
  await using first = spawnGet(relay, folder);
  await first.stdout.until(received(7));
  const second = await runGet(relay, folder, ["f", "--overwrite"]);
  assertEquals([second.code, second.stderr], [8, [
    `error: Cannot save file (${folder.path}/f): another process is receiving it; wait for that one, or name another place`,
  ]]);
  assertEquals(await within(first.exitCode, "the exit"), 0);
  await assertSaved(folder, CONTENT);
  const third = await runGet(relay, folder);
  assertEquals([third.code, third.stderr], [0, [
    `${folder.path}/f is here already, verified`,
  ]]);
});

Deno.test("Two clients that start at once leave each file whole, and nothing else", async () => {
  const files: Record<string, Uint8Array> = { large: CONTENT };
  for (let n = 0; n < 40; n++) {
    files[`small${n}`] = randomBytes(5_000, seededRandom(n));
  }
  await using share = await tempShare(files);
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using _node = await spawnNode(relay.port, share.path);
  const outcomes = await Promise.all(
    [0, 1].map(() => runGet(relay, folder, ["**"])),
  );
  const explained =
    /another process is receiving it|exists already|is here already, verified|^saved |files, |more files failed|^and \d+ files more$/;
  for (const { code, stderr } of outcomes) {
    assert(code === 0 || code === 8, `${code} ${stderr.join("\n")}`);
    for (const line of stderr) assertMatch(line, explained);
  }
  // Whatever one of them left to the other is there now, or is fetched.
  const last = await runGet(relay, folder, ["**"]);
  assertEquals(last.code, 0, last.stderr.join("\n"));
  assertEquals(namesIn(folder), Object.keys(files).toSorted());
  for (const [name, content] of Object.entries(files)) {
    const saved = await Deno.readFile(join(folder.path, name));
    assertEquals(sha256(saved).toHex(), sha256(content).toHex(), name);
  }
});

Deno.test("One of three nodes sends wrong bytes: it is left out and named, and the file is right", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await startRelay();
  await using mallory = await startEvilNode(relay, {
    identity: IDENTITIES[1]!,
    name: "mallory",
    lie: honestBut({ f: CONTENT }, { piece: sendWrongBytes }),
  });
  const [starting, other] = spawnNodes(
    portOf(relay),
    share,
    ["alpha", "beta"],
    [
      "--limit-rate",
      "4M",
    ],
  );
  await using _alpha = await starting!;
  await using _beta = await other!;
  const { code, stderr } = await runGet(relay, folder);
  assertEquals(code, 0, stderr.join("\n"));
  await assertSaved(folder, CONTENT);
  assert(mallory.asked.some(({ kind }) => kind === "read"));
  assertEquals(stderr.filter((line) => line.startsWith("node ")).length, 1);
  assertMatch(
    stderr.join("\n"),
    /^node \d \(mallory\) left out: sent bytes of f that do not match their hash$/m,
  );
  assertMatch(
    stderr.find((line) => line.startsWith("saved "))!,
    /^saved .*\/f, \d+ bytes, from (alpha, beta|beta, alpha)$/,
  );
  assertMatch(stderr.at(-1)!, /^1 file, .* from 2 nodes$/);
});

Deno.test("All three nodes send wrong bytes: exit 6 names them all, and nothing is under the final name", async () => {
  await using folder = await tempShare();
  await using relay = await startRelay();
  await using stack = new AsyncDisposableStack();
  const names = ["mallory", "trudy", "carol"];
  for (const [index, name] of names.entries()) {
    stack.use(
      await startEvilNode(relay, {
        identity: IDENTITIES[index + 1]!,
        name,
        lie: honestBut({ f: CONTENT }, { piece: sendWrongBytes }),
      }),
    );
  }
  const { code, stderr } = await runGet(relay, folder);
  assertEquals(code, 6, stderr.join("\n"));
  const out = stderr.flatMap((line) => / \((\w+)\) left out: /.exec(line) ?? [])
    .filter((word) => names.includes(word));
  assertEquals(out.toSorted(), names.toSorted());
  const last = stderr.at(-1)!;
  assertMatch(
    last,
    /^error: Cannot verify file \(f\): nodes sent something else than they vouched for, and no other has it \((.*)\); look at those nodes$/,
  );
  for (const name of names) {
    const cause = `${name}: sent bytes of f that do not match their hash`;
    assert(last.includes(cause), last);
  }
  assertEquals(namesIn(folder), [PARTIAL]);
});

Deno.test("Two contents under one name on three nodes: what most have arrives, the other is mentioned, --sha256 picks either", async () => {
  const other = randomBytes(CONTENT.length, seededRandom(3));
  await using share = await tempShare({ f: CONTENT });
  await using otherShare = await tempShare({ f: other });
  await using relay = await spawnRelay();
  const [starting, second] = spawnNodes(relay, share, ["alpha", "beta"]);
  const [third] = spawnNodes(relay, otherShare, ["gamma"]);
  await using _alpha = await starting!;
  await using _beta = await second!;
  await using _gamma = await third!;
  const size = CONTENT.length;
  const differs = (first: number) =>
    `f has 2 contents: ${size} bytes on ${first}, ${size} bytes on ${
      3 - first
    }; taking the first (see --sha256, --node, --prefer)`;
  for (
    const [args, content, from] of [
      [[], CONTENT, /from (alpha|beta)(, (alpha|beta))?$/],
      [["--sha256", sha256(CONTENT).toHex()], CONTENT, /from (alpha|beta)/],
      [["--sha256", sha256(other).toHex().toUpperCase()], other, /from gamma$/],
      [["--node", "gamma"], other, /from gamma$/],
    ] as const
  ) {
    await using folder = await tempShare();
    const { code, stderr } = await runGet(relay, folder, ["f", ...args]);
    assertEquals(code, 0, stderr.join("\n"));
    const isTold = stderr.includes(differs(content === CONTENT ? 2 : 1));
    assertEquals(isTold, args[0] !== "--node");
    const lone = "warning: only gamma has this content of f";
    if (content === CONTENT) assertEquals(stderr.includes(lone), false);
    assertMatch(stderr.find((line) => line.startsWith("saved "))!, from);
    await assertSaved(folder, content);
  }
  await using folder = await tempShare();
  const none = await runGet(relay, folder, ["f", "--sha256", "0".repeat(64)]);
  assertEquals(none.code, 4);
  assertEquals(namesIn(folder), []);
});

Deno.test("Files of 0 bytes, 1, and around a piece, and one with a name of 255 bytes, arrive whole", async () => {
  const long = "é".repeat(127) + "x";
  assertEquals(new TextEncoder().encode(long).length, 255);
  const random = seededRandom(4);
  const files: Record<string, Uint8Array> = {
    [long]: randomBytes(PIECE + 1, random),
  };
  for (const size of [0, 1, PIECE - 1, PIECE, PIECE + 1]) {
    files[`f${size}`] = randomBytes(size, random);
  }
  await using share = await tempShare(files);
  await using relay = await spawnRelay();
  await using _node = await spawnNode(relay.port, share.path);
  for (const words of [["**"], Object.keys(files)]) {
    await using folder = await tempShare();
    const { code, stderr } = await runGet(relay, folder, words);
    assertEquals(code, 0, stderr.join("\n"));
    assertEquals(namesIn(folder), Object.keys(files).toSorted());
    for (const [name, content] of Object.entries(files)) {
      const saved = await Deno.readFile(join(folder.path, name));
      assertEquals(saved.toHex(), content.toHex());
    }
  }
});

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
  say(`600 MiB: node ${mib(nodeBytes)} MiB, client ${mib(clientBytes)} MiB`);
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

// Each of them beyond what 31 or 32 bits can tell.
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
      piece: (_index, sha256) => hash = sha256,
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
  const told = eventsOf(node.stdout).map(({ event }) => event);
  assertEquals(told.includes("hashed"), false, told.join(", "));
  const most = Math.max(...waitsMs);
  say(
    `20 GB: registered after ${registeredMs.toFixed(0)} ms, ` +
      `first bytes after at most ${most.toFixed(0)} ms`,
  );
  assertLess(registeredMs, 4 * 2_000);
  assertLess(most, 4 * 1_000);
});

Deno.test("Four nodes with --limit-rate give nearly four times the rate together", async () => {
  const rate = 2e6;
  const content = randomBytes(12e6, seededRandom(5));
  await using share = await tempShare({ f: content });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using stack = new AsyncDisposableStack();
  const names = ["a", "b", "c", "d"];
  for (
    const starting of spawnNodes(relay, share, names, ["--limit-rate", "2M"])
  ) stack.use(await starting);
  await using client = spawnGet(relay, folder);
  await client.stdout.until(/"event":"node_answered"/);
  const startedAt = performance.now();
  await client.stdout.until(/"event":"file_received"/);
  const seconds = (performance.now() - startedAt) / 1000;
  assertEquals(await within(client.exitCode, "the exit"), 0);
  await assertSaved(folder, content);
  const times = content.length / seconds / rate;
  say(`four nodes: ${times.toFixed(2)} times the rate of one`);
  const from = bytesFrom(only(client.stdout, "file_received"));
  assertEquals(Object.keys(from).toSorted(), names);
  assertLess(3.5, times);
});

for (
  const [what, args, totalBytes] of [
    ["as fast as it can", [], 200 * MIB],
    ["at a limited rate", ["--limit-rate", "40M"], 60 * MIB],
  ] as const
) {
  Deno.test(`A node that serves a hundred clients ${what} gives each its part`, async () => {
    await using share = await tempShare({ f: LARGE });
    await using relay = await spawnRelay();
    await using node = await spawnNode(relay.port, share.path, args);
    await using crowd = await openCrowd(relay, { name: "f", count: 100 });
    const { counts, seconds } = await readTogether(crowd, totalBytes);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const least = Math.min(...counts);
    const nodeBytes = await peakBytesOf(node.pid);
    say(
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

Deno.test("cat gives out the first bytes of a large file before the last are asked for, with two nodes", async () => {
  const content = randomBytes(40 * MIB, seededRandom(6));
  const lastPiece = pieceCountOf(content.length) - 1;
  await using relay = await startRelay();
  const start = (index: number, name: string) =>
    startEvilNode(relay, {
      identity: IDENTITIES[index]!,
      name,
      lie: honestBut({ f: content }),
    });
  await using alpha = await start(1, "alpha");
  await using beta = await start(2, "beta");
  const reads = ({ asked }: EvilNode) => asked.filter(isRead);
  const [command = "", ...args] = commandLine("peer_client.ts", [
    relay.server.relayAddress,
    "cat",
    "f",
  ]);
  await using child = new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const first = await within(reader.read(), "the first bytes");
  const furthest = Math.max(
    ...[...reads(alpha), ...reads(beta)].map(({ first, count }) =>
      first + count - 1
    ),
  );
  say(`cat: piece ${furthest} of ${lastPiece} asked for at the first bytes`);
  assertLess(furthest, lastPiece);
  const parts = [first.value!];
  for (;;) {
    const { value, done } = await within(reader.read(), "more bytes");
    if (done) break;
    parts.push(value);
  }
  assertEquals((await child.status).code, 0);
  const found = new Uint8Array(await new Blob(parts).arrayBuffer());
  assertEquals(sha256(found).toHex(), sha256(content).toHex());
  assert(reads(alpha).length > 0);
  assert(reads(beta).length > 0);
});

function isRead(message: ClientToNode): message is MessageOf<"read"> {
  return message.kind === "read";
}

/** How to have a small disk of one's own, if this machine lets us. */
function smallDisk(): string[] | undefined {
  return [["unshare", "-m"], ["unshare", "-rm"]].find(
    ([command = "", ...args]) => {
      const script = "mount -t tmpfs -o size=1m small /tmp";
      try {
        return new Deno.Command(command, {
          args: [...args, "sh", "-c", script],
          stdout: "null",
          stderr: "null",
        }).outputSync().success;
      } catch {
        return false; // no such program
      }
    },
  );
}

const SMALL_DISK = smallDisk();

Deno.test({
  name:
    "A full disk: exit 8 says how to go on, what has come is kept, and with " +
    "room the same command brings the rest" +
    (SMALL_DISK === undefined ? " (skipped: no tmpfs can be mounted)" : ""),
  ignore: SMALL_DISK === undefined,
  fn: async () => {
    await using share = await tempShare({ f: CONTENT });
    await using folder = await tempShare();
    await using relay = await spawnRelay();
    await using _node = await spawnNode(relay.port, share.path, [
      "--name",
      "alpha",
    ]);
    const client = commandLine(
      "peer_client.ts",
      getArgs(relay, folder),
      accessTo(folder),
    );
    // The disk is seen by this shell alone, and is gone when it ends.
    const script = `
      mount -t tmpfs -o size=1m small "$0" || exit
      "$@" 2>&1; echo "exit $?"
      ls -A "$0"
      mount -o remount,size=16m "$0" || exit
      "$@" 2>&1; echo "exit $?"
      ls -A "$0"
      sha256sum <"$0/f"
    `;
    const [command = "", ...args] = SMALL_DISK!;
    const { stdout, stderr } = await within(
      new Deno.Command(command, {
        args: [...args, "sh", "-c", script, folder.path, ...client],
        env: { NO_COLOR: "1" },
      }).output(),
      "both runs",
    );
    assertEquals(new TextDecoder().decode(stderr), "");
    const { path } = folder;
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assertMatch(lines[3] ?? "", /^f: \d.*B are here from an earlier run$/);
    assertMatch(lines[5] ?? "", /^1 file, .* from 1 node$/);
    assertEquals(lines.toSpliced(5, 1).toSpliced(3, 1), [
      `error: Cannot save file (${path}/f): no space left on the disk; free some space and run the same again: what has come is kept`,
      "exit 8",
      PARTIAL,
      `saved ${path}/f, ${CONTENT.length} bytes, from alpha`,
      "exit 0",
      "f",
      `${sha256(CONTENT).toHex()}  -`,
    ]);
  },
});
