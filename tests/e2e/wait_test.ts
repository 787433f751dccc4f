/**
 * `get` that waits for a file.
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { ROOT } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";
import { namesIn } from "./_transfer.ts";

Deno.test("get --wait ends with exit code 4 when the time is over", async () => {
  await using share = await tempShare({ "other.txt": "other" });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const { code, stderr } = await runRoleHere("peer_client.ts", [
    ...[relay.address, "get", "late.txt", "-o", `${folder.path}/`],
    ...["--wait", "1s"],
  ]);
  assertEquals(code, 4);
  assertEquals(stderr[0], "no node has late.txt: waiting, Ctrl-C stops");
  assertEquals(
    stderr.filter((line) => line.startsWith("error: ")).length,
    1,
    stderr.join("\n"),
  );
});

testWith(
  ["script"],
  "At a terminal get --wait fetches a file that comes later, and Ctrl-C ends the wait",
  async () => {
    await using share = await tempShare({ "other.txt": "other" });
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    const line = `exec deno run --allow-net --allow-read=. --allow-write=. ` +
      `${ROOT}peer_client.ts ${relay.address} get late.txt --wait 10m`;
    {
      await using pty = Pty.type(line, { cwd: folder.path, env });
      await pty.lines.until(/^no node has late\.txt/);
      assertEquals(await pty.interrupt(), 130);
    }
    await using pty = Pty.type(line, { cwd: folder.path, env });
    await pty.lines.until(/^no node has late\.txt/);
    await Deno.writeTextFile(join(share.path, "late.txt"), "here now");
    assertEquals(await within(pty.code, "the client"), 0);
    assertEquals(QUESTION.test(pty.text), false, pty.text);
    assertEquals(namesIn(folder), ["late.txt"]);
  },
);
