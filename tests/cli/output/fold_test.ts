import { assertEquals } from "@std/assert";
import { fold } from "../../../lib/cli/output/fold.ts";

for (
  const [what, text, columns, expected] of [
    ["text breaks at words", "one two three", 8, "one two\nthree"],
    ["short lines stay", "one\n\ntwo", 8, "one\n\ntwo"],
    [
      "the rest continues below the last column",
      "ok  relay  answers after 20 ms, at port 1700",
      30,
      "ok  relay  answers after 20\n           ms, at port 1700",
    ],
    [
      "beside a wide column, the rest begins near the left",
      "  --token-file FILE        read the token from this file",
      40,
      "  --token-file FILE        read the\n    token from this file",
    ],
    [
      "a longer indentation stays",
      "                    [default 1, RELAY_P2P_CONNECTIONS]",
      40,
      "                    [default 1,\n                    RELAY_P2P_CONNECTIONS]",
    ],
    [
      "an address stays whole, so that it can be copied",
      "give p2p://nas.local:1700/aaaaaaaaaaaaaaaa instead",
      20,
      "give\np2p://nas.local:1700/aaaaaaaaaaaaaaaa\ninstead",
    ],
    [
      "an address in a column stays there",
      "ok  id  p2p://nas.local:1700/aaaaaaaaaaaaaaaa",
      26,
      "ok  id  p2p://nas.local:1700/aaaaaaaaaaaaaaaa",
    ],
    [
      "a command stays whole",
      "  p2p get disk.img --receipt disk.json",
      20,
      "  p2p get disk.img --receipt disk.json",
    ],
    ["wide characters count twice", "文件 文件 文件", 9, "文件 文件\n文件"],
  ] as const
) {
  Deno.test(`fold: ${what}`, () => {
    assertEquals(fold(text, columns), expected);
  });
}
