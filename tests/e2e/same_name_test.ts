/**
 * Two nodes of one name: every line about one of them says which it is.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { runRoleHere } from "../_here.ts";
import { type NodeHere, nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";

/** What to call a node whose name another node has too. */
const calledOf = ({ id }: NodeHere) => `nas.${id.slice(0, 4)}`;

Deno.test("Two nodes of one name can be distinguished in every table and line of the client", async () => {
  await using one = await tempShare({ "a.txt": "a", "both.txt": "one" });
  await using two = await tempShare({ "b.txt": "b", "both.txt": "two" });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using first = await nodeHere(relay, one.path, { name: "nas" });
  await using second = await nodeHere(relay, two.path, { name: "nas" });
  const [a, b] = [calledOf(first), calledOf(second)];
  const run = async (...words: string[]) => {
    const { text, stderr } = await runRoleHere("peer_client.ts", [
      ...[relay.address, ...words],
    ]);
    return `${text}\n${stderr.join("\n")}`;
  };
  const to = ["-o", `${folder.path}/`];
  assertMatch(await run("get", "a.txt", ...to), new RegExp(`from ${a}$`, "m"));
  assertMatch(
    await run("get", "b.txt", ...to),
    new RegExp(`warning: only ${b} has b\\.txt`),
  );
  assertMatch(
    await run("get", "a.txt", "--dry-run", "--overwrite", "-o", "x/"),
    new RegExp(`from ${a}$`, "m"),
  );
  for (
    const words of [["nodes"], ["get", "both.txt", ...to], ["search", "txt"]]
  ) {
    const text = await run(...words);
    for (const called of [a, b]) {
      assertEquals(text.includes(called), true, `${words}: ${text}`);
    }
  }
  // The table of what was tried, where no node delivers.
  const wrong = "0".repeat(64);
  const tried = await run("get", "a.txt", "--sha256", wrong, "-o", "none");
  assertMatch(tried, new RegExp(`^ *\\d +${a} `, "m"));
});
