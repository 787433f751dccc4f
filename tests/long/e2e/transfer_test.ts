/**
 * Fetches between real processes, and what happens to them: killed nodes and
 * clients, nodes that lie, contents that differ, full disks.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { sha256 } from "../../../lib/base/hash.ts";
import { pieceCountOf } from "../../../lib/content/manifest.ts";
import type {
  ClientToNode,
  MessageOf,
} from "../../../lib/protocol/messages.ts";
import { within } from "../../_event_log.ts";
import { type EvilNode, startEvilNode } from "../../_evil_node.ts";
import { startFaultProxy } from "../../_fault_proxy.ts";
import { honestExcept } from "../../_lies.ts";
import { IDENTITIES, startRelay } from "../../_network.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { commandLine, spawnNode, spawnRole } from "../../e2e/_processes.ts";
import {
  accessTo,
  assertSaved,
  bytesFrom,
  getArgs,
  MIB,
  namesIn,
  only,
  PIECE,
  print,
  received,
  runGet,
  sentBytes,
  spawnGet,
  spawnNodes,
  until,
} from "../../e2e/_transfer.ts";
import { CONTENT, PARTIAL } from "../../e2e/_transfers.ts";

// What TLS, frames and messages add.
const OVERHEAD = 1.003;

/**
 * More than are hashed on the spot: what has arrived is verified a moment
 * later.
 */
const LARGE = randomBytes(17 * MIB + 7, seededRandom(1));

Deno.test("kill -9 of one of three nodes: the file arrives whole, and at most a piece of that node is fetched twice", async () => {
  await using share = await tempShare({ f: LARGE });
  await using folder = await tempShare();
  await using relay = await relayHere();
  // Counts what reaches the client, which the node no longer knows.
  await using proxy = await startFaultProxy();
  // So slow that a client on a busy machine keeps up with what has passed.
  const args = ["--limit-rate", "2M"];
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
  print(
    `killed node: ${(lost / PIECE).toFixed(1)} pieces lost on the way, ` +
      `${(twice / PIECE).toFixed(1)} fetched twice from the others`,
  );
  // A piece, and what greetings and requests add to the bytes on the way.
  assertLess(lost, 1.25 * PIECE);
  // Idle at the end, each takes over pieces of the other that are late: on a busy
  // machine several. Far from all of the file comes again.
  assertLess(twice, LARGE.length / 2);
});

Deno.test("kill -9 of the only node: exit 5 says how to continue, and the next run fetches from another node what is missing", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await relayHere();
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
    /^error: Cannot fetch file \(f\): every node that has it failed, at \d\d % \(.+\); run again to resume$/,
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
  await using relay = await relayHere();
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

Deno.test("Ctrl-C: exit 130 says how to continue, and the bytes so far are kept; twice, it ends at once", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await relayHere();
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
    const isReported = last === "error: Stopped: interrupted; " +
        "the bytes received so far are kept; run the same command again to continue";
    assert(isReported || times === 2, last);
    assertEquals(namesIn(folder), [PARTIAL]);
    kept = (await Deno.stat(path)).size;
  }
  node.signal("SIGKILL");
  await using _other = await nodeHere(relay, share.path);
  const outcome = await runGet(relay, folder);
  assertEquals(outcome.code, 0);
  assertMatch(
    outcome.stderr.join("\n"),
    /^f: .*B are here from an earlier run$/m,
  );
  await assertSaved(folder, CONTENT);
});

Deno.test("Two clients with one target: the second reports that the first is saving it, and does not disturb it", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path, { limitRate: 3e6 });
  await using first = spawnGet(relay, folder);
  await first.stdout.until(received(7));
  // It stands still meanwhile, so that it cannot be done first.
  first.signal("SIGSTOP");
  const second = await runGet(relay, folder, ["f", "--overwrite"]);
  first.signal("SIGCONT");
  assertEquals([second.code, second.stderr], [8, [
    `error: Cannot save file (${folder.path}/f): another process is receiving it; wait for it, or choose another path`,
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
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const outcomes = await Promise.all(
    [0, 1].map(() => runGet(relay, folder, ["**"])),
  );
  const explained =
    /another process is receiving it|is here already, verified|^saved |^\d+ files?, |more files? failed|^and \d+ files? more$/;
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
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
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

Deno.test("cat yields the first bytes of a large file before the last are asked for, with two nodes", async () => {
  const content = randomBytes(40 * MIB, seededRandom(6));
  const lastPiece = pieceCountOf(content.length) - 1;
  await using relay = await startRelay();
  const start = (index: number, name: string) =>
    startEvilNode(relay, {
      identity: IDENTITIES[index]!,
      name,
      lie: honestExcept({ f: content }),
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
  print(`cat: piece ${furthest} of ${lastPiece} asked for at the first bytes`);
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
