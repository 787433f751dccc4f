/**
 * `--node`: one node, by its name or the start of its id. Anybody can register a
 * node with the name of another one, or with the start of its id as a name.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { chosenNodes } from "../../lib/client/transfer_options.ts";
import { startEvilNode } from "../_evil_node.ts";
import { honestExcept } from "../_lies.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { everything, fetch, filesIn, get } from "./_outcomes.ts";

const NAS = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";
const OTHER = `abcdef${"2".repeat(46)}`;

/** Nodes with these ids and names. */
function listed(nodes: Readonly<Record<string, string>>): ListedNode[] {
  return Object.entries(nodes).map(([id, name]) =>
    ({ id, name }) as ListedNode
  );
}

for (
  const [what, nodes, wanted] of [
    ["its name", { [NAS]: "nas", [OTHER]: "pi" }, "nas"],
    ["the start of its id", { [NAS]: "nas", [OTHER]: "pi" }, "ABCDEFG"],
    [
      "16 letters of its id, which another has as its name",
      { [OTHER]: NAS.slice(0, 16), [NAS]: "nas" },
      NAS.slice(0, 16),
    ],
    ["its whole id, which another has as its name", {
      [OTHER]: NAS,
      [NAS]: "nas",
    }, NAS],
  ] as const
) {
  Deno.test(`--node chooses a node by ${what}`, () => {
    const chosen = chosenNodes(listed(nodes), { node: wanted });
    assertEquals(chosen.map(({ id }) => id), [NAS]);
  });
}

for (
  const [what, nodes, wanted] of [
    ["two nodes have as their name", { [NAS]: "nas", [OTHER]: "nas" }, "nas"],
    ["begins two ids", { [NAS]: "nas", [OTHER]: "pi" }, "abcdef"],
    ["begins the id of one, and is the name of another", {
      [NAS]: "nas",
      [OTHER]: "abcdefg",
    }, "abcdefg"],
  ] as const
) {
  Deno.test(`--node chooses no node by what ${what}, and shows their ids`, () => {
    const failure = assertThrows(
      () => chosenNodes(listed(nodes), { node: wanted }),
      Failure,
    );
    assertEquals([failure.kind, failure.parts.why, failure.parts.remedy], [
      "not_found",
      "several nodes have that name, or an id that begins so",
      `name one by its id: ${NAS.slice(0, 16)}, ${OTHER.slice(0, 16)}`,
    ]);
  });
}

Deno.test("A fetch from a node by its id takes no file of nodes that have the start of that id as their name", async () => {
  await using relay = await startRelay();
  const honest = await startNode(relay, { "f": "right", "g": "right" });
  const node = honest.server.id.slice(0, 16);
  const bytes = new TextEncoder().encode("wrong");
  const lie = honestExcept({ "f": bytes, "g": bytes, "new": bytes });
  await using stack = new AsyncDisposableStack();
  for (const identity of IDENTITIES.slice(1, 3)) {
    const evil = { identity, name: node, lie };
    stack.use(await startEvilNode(relay, evil));
  }
  await using folder = await tempShare({ "g": "mine" });
  const options = { node, overwrite: true };
  const there = await get(relay, folder.path, [everything()], options);
  assertEquals([there.error, there.failed], [undefined, {}]);
  assertEquals(filesIn(folder.path), ["f", "g"]);
  for (const name of ["f", "g"]) {
    const text = await Deno.readTextFile(join(folder.path, name));
    assertEquals(text, "right");
  }
  await honest[Symbol.asyncDispose]();
  const gone = await fetch(relay, "f", { node });
  assertEquals([gone.content, gone.kind], [null, "not_found"]);
});
