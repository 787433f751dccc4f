/**
 * Two relays side by side, as processes: one that is killed or frozen costs no
 * command anything, and is used again when it is back.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path/join";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  type RelayProcess,
  runRole,
  spawnRelay,
  spawnRole,
} from "./_processes.ts";
import {
  accessTo,
  assertSaved,
  MIB,
  only,
  received,
  until,
} from "./_transfer.ts";

const CONTENT = randomBytes(6 * MIB + 7, seededRandom(734));

/** A port on loopback at which nobody listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A file that lists relays, with the access that a role needs to it. */
async function listOf(
  folder: { path: string },
  relays: readonly RelayProcess[],
) {
  const path = join(folder.path, "relays");
  const lines = relays.map(({ address }) => `${address}\n`);
  await Deno.writeTextFile(path, ["# ours\n", ...lines].join(""));
  return { path, permissions: [`--allow-read=${path}`] };
}

/** A node at all relays of a list. */
async function spawnListed(
  list: { path: string; permissions: string[] },
  share: { path: string },
  { name, args = [], relays }: {
    name: string;
    args?: readonly string[];
    relays: readonly RelayProcess[];
  },
) {
  const node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "--name", name, ...args],
    ...["--relays", list.path, "0", share.path],
  ], { permissions: [...list.permissions, `--allow-read=${share.path}`] });
  for (const { port } of relays) {
    const fact = new RegExp(`^registered with 127\\.0\\.0\\.1:${port}, lease`);
    await node.stdout.until(fact);
  }
  return node;
}

Deno.test("row 734: two relays, and the one whose tunnel a get uses is killed: the get goes on over the other, which lists all nodes, and the first is used again", async () => {
  await using share = await tempShare({ f: CONTENT });
  await using folder = await tempShare();
  await using lists = await tempShare();
  await using state = await tempShare();
  const args = ["--state", state.path];
  const first = await spawnRelay([...args, "0"], accessTo(state));
  await using _first = first;
  await using second = await spawnRelay();
  const relays = [first, second];
  const list = await listOf(lists, relays);
  await using _node = await spawnListed(list, share, {
    ...{ name: "hidden", relays },
    args: [
      ...["--limit-rate", "3M", "--tunnel"],
      ...["--advertise", `127.0.0.1:${closedPort()}`],
    ],
  });
  const other = await spawnListed(list, share, { name: "other", relays });
  await other[Symbol.asyncDispose]();
  await using client = spawnRole("peer_client.ts", [
    ...["--json", "--relays", list.path],
    ...["get", "f", "--node", "hidden", "-o", `${folder.path}/`],
  ], {
    permissions: [...list.permissions, ...accessTo(folder).permissions],
  });
  await client.stdout.until(received(7));
  first.signal("SIGKILL");
  await within(first.exitCode, "the end of the relay");
  assertEquals(await within(client.exitCode, "the exit"), 0);
  await assertSaved(folder, CONTENT);
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: { paths: { tunnel: number; direct: number } }[];
  };
  assertEquals(from.map(({ paths }) => paths), [
    { tunnel: CONTENT.length, direct: 0 },
  ]);

  const ask = (command: string, ...more: string[]) =>
    runRole("peer_client.ts", [...more, "--relays", list.path, command], list);
  const left = await ask("ls");
  assertEquals(left.code, 0);
  assertMatch(left.text, /^.* f$/m);
  const warning = left.stderr.filter((line) => line.startsWith("warning:"));
  assertEquals(warning.length, 1);
  assertMatch(warning[0]!, /going on with the other relays$/);
  assert(warning[0]!.includes(`127.0.0.1:${first.port}`));

  await using again = await spawnRelay(
    [...args, first.port],
    accessTo(state),
  );
  assertEquals(again.address, first.address);
  const both = new RegExp(
    `hidden .* at 127\\.0\\.0\\.1:${first.port},127\\.0\\.0\\.1:${second.port}`,
  );
  await until(async () => both.test((await ask("nodes")).text), "its return");
});
