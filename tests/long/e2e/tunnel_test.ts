/**
 * Tunnels between real processes: a relay that is killed in the middle of one,
 * and a person who allows so many bytes to come that way and no more.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { within } from "../../_event_log.ts";
import { ownPort } from "../../_own_address.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";
import {
  runRole,
  spawnNode,
  spawnRelay,
  spawnRole,
} from "../../e2e/_processes.ts";
import {
  accessTo,
  assertSaved,
  getArgs,
  MIB,
  namesIn,
  only,
  print,
  received,
  sentBytes,
  spawnGet,
} from "../../e2e/_transfer.ts";

const CONTENT = randomBytes(6 * MIB + 7, seededRandom(85));

/** A node that cannot be dialled where it says, and is attached for it. */
async function spawnHidden(
  relay: { port: string },
  share: { path: string },
  args: readonly string[] = [],
) {
  const node = await spawnNode(relay.port, share.path, [
    ...["--advertise", `127.0.0.1:${ownPort()}`, "--name", "hidden"],
    ...args,
  ]);
  await node.stderr.until(/: clients connect through the relay$/);
  return node;
}

Deno.test("row 85: kill -9 of the relay in the middle of a tunnel: the same relay comes back, and the get continues by itself", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using state = await tempShare();
  const access = accessTo(state);
  const args = ["--state", state.path, `${ownPort()}`];
  const first = await spawnRelay(args, access);
  await using _first = first;
  await using _node = await spawnHidden(first, share, ["--limit-rate", "3M"]);
  const { text } = await runRole("peer_client.ts", [first.address, "nodes"]);
  assertMatch(text, /^1\s+hidden\s+127\.0\.0\.1:\d+\s+\w{52}\s+tunnel$/m);
  await using client = spawnGet(first, folder);
  await client.stdout.until(received(7));
  first.signal("SIGKILL");
  await within(first.exitCode, "the end of the relay");
  await using again = await spawnRelay(args, access);
  assertEquals(again.address, first.address);
  assertEquals(await within(client.exitCode, "the exit"), 0);
  await assertSaved(folder, CONTENT);
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: { bytes: number; paths: { tunnel: number; direct: number } }[];
  };
  assertEquals(from.map(({ paths }) => paths), [
    { tunnel: CONTENT.length, direct: 0 },
  ]);
  await client.stdout.until(/"event":"node_trouble".*"out":false/);
});

Deno.test("--max-relayed: exit 5 says how to continue, and the next run fetches the rest", async () => {
  // More than fits into all the buffers on the way, however slow the client is.
  const content = randomBytes(24 * MIB + 7, seededRandom(86));
  await using share = await tempShare({ f: content });
  await using folder = await tempShare();
  await using relay = await spawnRelay();
  await using node = await spawnHidden(relay, share, ["--limit-rate", "8M"]);
  const get = async (most: string) => {
    const args = ["--max-relayed", most, ...getArgs(relay, folder)];
    await using client = spawnRole("peer_client.ts", args, accessTo(folder));
    const code = await within(client.exitCode, "the exit");
    return { code, said: client.stderr.all.join("\n") };
  };
  const stopped = await get("4M");
  assertEquals(stopped.code, 5);
  assertMatch(stopped.said, /the limit of bytes through the relay is reached/);
  assertMatch(
    stopped.said,
    /^error: Cannot fetch file \(f\): .*; run again to resume$/m,
  );
  assertEquals(namesIn(folder), [".f.p2p-part"]);
  const sent = await sentBytes(node);
  const finished = await get("32M");
  assertEquals(finished.code, 0, finished.said);
  await assertSaved(folder, content);
  assertMatch(finished.said, /^f: .*B are here from an earlier run$/m);
  print(`relayed with --max-relayed 4M: ${sent} bytes were sent`);
  // What was under way when it stopped is all that is sent beyond.
  assertLess(sent, content.length);
  assert(sent >= 3 * MIB);
});
