/**
 * Completions. `tests/long/cli/options/` has more of them, and zsh.
 */

import { assert, assertEquals } from "@std/assert";
import { runRoleHere } from "../../_here.ts";
import { CASES, testInShells } from "./_shells.ts";

testInShells(["bash", "fish"], CASES.slice(0, 1));

Deno.test("completions refuses a shell and a name that it does not know", async () => {
  for (
    const [args, words] of [
      [[], "completions needs the name of a shell"],
      [["tcsh"], "there are no completions for tcsh"],
      [["bash", "p2p; rm"], "wanted a name of letters"],
      [["bash", "p2p", "x"], "too many arguments"],
    ] as const
  ) {
    const outcome = await runRoleHere("relay.ts", ["completions", ...args]);
    assertEquals([outcome.code, outcome.text], [2, ""]);
    assert(outcome.stderr[0]!.includes(words), outcome.stderr[0]);
  }
});

Deno.test("completions uses the name by which the script was called", async () => {
  const { text } = await runRoleHere("peer_client.ts", [
    "completions",
    "bash",
    "p2p",
  ]);
  assert(text.trimEnd().endsWith("\ncomplete -F _relay_p2p_p2p p2p"), text);
  assertEquals(text.includes("peer_client.ts"), false);
});
