/**
 * Nodes that lie, and contents that differ, with real processes.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { sha256 } from "../../../lib/base/hash.ts";
import { startEvilNode } from "../../_evil_node.ts";
import { honestExcept, sendWrongBytes } from "../../_lies.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../../_network.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import {
  assertSaved,
  namesIn,
  runGet,
  spawnNodes,
} from "../../e2e/_transfer.ts";
import { CONTENT, PARTIAL } from "../../e2e/_transfers.ts";

/** The port that a relay in this process listens on. */
function portOf(relay: TestRelay): { port: string } {
  return { port: String(relay.server.address.port) };
}

Deno.test("One of three nodes sends wrong bytes: it is excluded and named, and the file is right", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using relay = await startRelay();
  await using mallory = await startEvilNode(relay, {
    identity: IDENTITIES[1]!,
    name: "mallory",
    lie: honestExcept({ f: CONTENT }, { piece: sendWrongBytes }),
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
        lie: honestExcept({ f: CONTENT }, { piece: sendWrongBytes }),
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
    /^error: Cannot verify file \(f\): the data failed verification, and no other node has the file \((.*)\); check the nodes that sent it$/,
  );
  for (const name of names) {
    const cause = `${name}: sent bytes of f that do not match their hash`;
    assert(last.includes(cause), last);
  }
  assertEquals(namesIn(folder), [PARTIAL]);
});

Deno.test("Two contents under one name on three nodes: the one that most have arrives, the other is reported, --sha256 selects either", async () => {
  const other = randomBytes(CONTENT.length, seededRandom(3));
  await using share = await tempShare({ f: CONTENT });
  await using otherShare = await tempShare({ f: other });
  await using relay = await relayHere();
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
    const isReported = stderr.includes(differs(content === CONTENT ? 2 : 1));
    assertEquals(isReported, args[0] !== "--node");
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
