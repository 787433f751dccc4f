/**
 * `cat` of a part of a file.
 */

import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { ROOT } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";

const TEXT = "0123456789".repeat(100);

Deno.test("cat writes the bytes of --range and of --tail, and refuses senseless ranges", async () => {
  await using share = await tempShare({ "log": TEXT });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const cat = (...words: string[]) =>
    runRoleHere("peer_client.ts", [relay.address, "cat", "log", ...words]);
  for (
    const [words, wanted] of [
      [["--range", "3-5"], "345"],
      [["--range", "990-"], TEXT.slice(990)],
      [["--range=-4"], "6789"],
      [["--tail", "12"], "890123456789"],
      [["--tail", "1K"], TEXT],
    ] as const
  ) {
    const { code, text, stderr } = await cat(...words);
    assertEquals([code, text, stderr], [0, wanted, []], words.join(" "));
  }
  for (
    const words of [
      ["--range", "5-3"],
      ["--range", "x"],
      ["--range", "1000-"],
      ["--range", "0-1", "--tail", "5"],
      ["--range", "0-1", "--sha256", "0".repeat(64)],
    ]
  ) assertEquals((await cat(...words)).code, 2, words.join(" "));
  const json = await cat("--range", "3-5", "--json");
  const events = json.text.trim().split("\n").map((line) => JSON.parse(line));
  const received = events.find(({ event }) => event === "file_received");
  assertEquals([received.start, received.bytes], [3, 3]);
});

testWith(
  ["script"],
  "At a terminal cat --tail shows the last bytes with only network access",
  async () => {
    await using share = await tempShare({ "log": TEXT });
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    await using pty = Pty.type(
      `deno run --allow-net ${ROOT}peer_client.ts ${relay.address} cat log --tail 15`,
      { env },
    );
    const code = await within(pty.code, "the client");
    assertEquals(QUESTION.test(pty.text), false, pty.text);
    assertEquals([code, pty.text.trim()], [0, "567890123456789"]);
  },
);
