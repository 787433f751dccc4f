/**
 * Two relays side by side, as processes: one that is killed or frozen costs no
 * command anything, and is used again when it is back.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path/join";
import { within } from "../../_event_log.ts";
import { ownPort } from "../../_own_address.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";
import {
  type RelayProcess,
  runRole,
  spawnRelay,
  spawnRole,
} from "../../e2e/_processes.ts";
import {
  accessTo,
  assertSaved,
  MIB,
  only,
  received,
  until,
} from "../../e2e/_transfer.ts";

const CONTENT = randomBytes(6 * MIB + 7, seededRandom(734));

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

Deno.test("row 734: two relays, and the one whose tunnel a get uses is killed: the get continues over the other, which lists all nodes, and the first is used again", async () => {
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
      ...["--advertise", `127.0.0.1:${ownPort()}`],
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
  assertMatch(warning[0]!, /continuing with the other relays$/);
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

/** Two relays, a node at both, and a client of both. */
async function twoRelays(files: Readonly<Record<string, string>>) {
  const stack = new AsyncDisposableStack();
  const share = stack.use(await tempShare(files));
  const lists = stack.use(await tempShare());
  const relays = [
    stack.use(await spawnRelay()),
    stack.use(await spawnRelay()),
  ] as const;
  const list = await listOf(lists, relays);
  const node = stack.use(
    await spawnListed(list, share, { name: "n", relays }),
  );
  const permissions = [
    `--allow-read=${lists.path}`,
    `--allow-write=${lists.path}`,
  ];
  const args = (...words: readonly string[]) => [
    ...["--relays", list.path],
    ...words,
  ];
  return {
    ...{ relays, node },
    known: join(lists.path, "known"),
    run: (...words: readonly string[]) =>
      runRole("peer_client.ts", args(...words), { permissions }),
    spawn: (...words: readonly string[]) =>
      stack.use(spawnRole("peer_client.ts", args(...words), { permissions })),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Kills relays, and waits for their ends. */
async function kill(relays: readonly RelayProcess[]): Promise<void> {
  for (const relay of relays) relay.signal("SIGKILL");
  await Promise.all(
    relays.map(({ exitCode }) => within(exitCode, "the end of a relay")),
  );
}

Deno.test("row 740: a relay that is killed in the middle of an ls does not affect it", async () => {
  await using two = await twoRelays({ f: "x", g: "y" });
  // The list is in the middle while its node answers nothing.
  two.node.signal("SIGSTOP");
  const client = two.spawn("--json", "ls");
  await client.stdout.until(/"event":"nodes_listed"/);
  await kill([two.relays[0]]);
  two.node.signal("SIGCONT");
  assertEquals(await within(client.exitCode, "the exit"), 0);
  const names = client.stdout.all.flatMap((line) => {
    const { event, name } = JSON.parse(line);
    return event === "file" ? [name] : [];
  });
  assertEquals(names, ["f", "g"]);
});

Deno.test("row 741: an ls continues without a frozen relay, reports it, and asks it again when it runs", async () => {
  await using two = await twoRelays({ f: "x" });
  const [first, second] = two.relays;
  first.signal("SIGSTOP");
  const { code, text, stderr } = await two.run("ls");
  first.signal("SIGCONT");
  assertEquals(code, 0);
  assertMatch(text, /^.* f$/m);
  assertStringIncludes(
    stderr.join("\n"),
    `the relay at 127.0.0.1:${first.port} has not answered yet`,
  );
  const both = `127.0.0.1:${first.port},127.0.0.1:${second.port}`;
  await until(
    async () => (await two.run("nodes")).text.includes(both),
    "both relays",
  );
});

Deno.test("row 742: with all relays down a command ends with 3 and names them, or dials the nodes that were known", async () => {
  await using two = await twoRelays({ f: "hello\n" });
  const withKnown = ["--known-relays", two.known];
  assertEquals((await two.run(...withKnown, "ls")).code, 0);
  await kill(two.relays);

  const unknown = await two.run("ls");
  assertEquals(unknown.code, 3);
  const [one, other] = two.relays.map(({ port }) => `127.0.0.1:${port}`);
  assertStringIncludes(
    unknown.stderr.join("\n"),
    `Cannot reach any relay (${one}, ${other}): connection refused`,
  );
  const cat = await two.run(...withKnown, "cat", "f");
  assertEquals([cat.code, cat.text], [0, "hello\n"]);
  const said = cat.stderr.filter((line) => line.includes("relay"));
  assertEquals(said.length, 1, said.join("\n"));
  assertMatch(
    said[0]!,
    /^no relay answers: dialling the 1 node known \d+ s ago$/,
  );
  const ls = await two.run(...withKnown, "ls");
  assertEquals(ls.code, 0);
  assertMatch(ls.text, /^.* f$/m);
});
