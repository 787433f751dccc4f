/**
 * Completions of more command lines, in real shells.
 */

import {
  askZsh,
  assertOffered,
  CASES,
  prepare,
  testInShells,
  ZSH_COMPINIT,
  ZSH_SOURCE,
} from "../../../cli/options/_shells.ts";
import { testWith } from "../../../_tools.ts";

const ZSH_STARTS = [
  ["is read where compinit was not called", ZSH_SOURCE],
  [
    "lies in a folder of fpath",
    `mkdir functions
    mv completions.zsh functions/_relay.ts
    fpath=($PWD/functions $fpath)
    ${ZSH_COMPINIT}`,
  ],
] as const;

for (const [how, start] of ZSH_STARTS) {
  testWith(
    ["zsh", "timeout"],
    `In zsh, Tab offers what fits when the program ${how}`,
    async () => {
      const wanted = {
        script: "relay.ts",
        typed: ["--log", ""],
        offered: ["json", "text"],
        not: ["help"],
      };
      await using folder = await prepare("zsh", "relay.ts");
      assertOffered(await askZsh(folder.path, wanted, start), wanted);
    },
  );
}

testInShells(["bash", "fish"], CASES.slice(1));
testInShells(["zsh"], CASES);
