/**
 * The programs in `examples/`, run as their first lines say.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { formatToken } from "../../lib/access/token.ts";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { startNode, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import {
  MEMBER,
  NODE_TOKEN,
  startMember,
  startPrivate,
} from "../access/_private.ts";
import { writeSecret } from "../e2e/_private.ts";
import { Lines, ROOT } from "../e2e/_processes.ts";

function example(name: string): string {
  return join(ROOT, "examples", name);
}

/** The permissions in the first lines of an example, for folders below `cwd`. */
async function permissionsOf(name: string): Promise<string[]> {
  const [lines = ""] = (await Deno.readTextFile(example(name))).split("*/");
  return lines.match(/--allow-\S+/g) ?? [];
}

function spawn(
  command: string,
  args: readonly string[],
  { cwd, path }: { cwd: string; path?: string },
) {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...(path === undefined ? {} : { PATH: path }) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [stdout, stderr] = [new Lines(child.stdout), new Lines(child.stderr)];
  const code = Promise.all([child.status, stdout.ended, stderr.ended])
    .then(([status]) => status.code);
  return { child, stdout, stderr, code: () => within(code, command) };
}

const deno = Deno.execPath();
const addressOf = ({ server }: TestRelay) => server.relayAddress;

Deno.test("examples/fetch_with_progress.ts saves a file and shows its progress", async () => {
  const content = randomBytes(3_000_000, seededRandom(1));
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a/f": content });
  await using folder = await tempShare();
  const flags = await permissionsOf("fetch_with_progress.ts");
  assertEquals(flags, ["--allow-net", "--allow-read=.", "--allow-write=."]);
  const fetch = (name: string) =>
    spawn(deno, [
      ...["run", "--no-prompt", ...flags, example("fetch_with_progress.ts")],
      ...[addressOf(relay), name],
    ], { cwd: folder.path });
  const run = fetch("a/f");
  assertEquals(await run.code(), 0, run.stderr.all.join("\n"));
  assertEquals(
    (await Deno.readFile(join(folder.path, "f"))).toHex(),
    content.toHex(),
  );
  assertMatch(run.stdout.all.join("\n"), /100 %, \d+\.\d MB\/s from \d nodes/);
  assertMatch(run.stdout.all.join("\n"), /^3000000 bytes, content \w{64}$/m);
  assertEquals(run.stdout.all.at(-1), "f");
  const none = fetch("none");
  assertEquals(await none.code(), 4);
  assertMatch(none.stdout.all.join("\n"), /Cannot find file \(none\)/);
});

Deno.test("examples/embedded_node.ts shares what it makes, and withdraws", async () => {
  await using relay = await startRelay();
  await using folder = await tempShare({ "clock/.keep": "" });
  const flags = await permissionsOf("embedded_node.ts");
  assertEquals(flags.length, 3);
  const ids: string[] = [];
  for (let run = 0; run < 2; run++) {
    const node = spawn(deno, [
      ...["run", "--no-prompt", ...flags, example("embedded_node.ts")],
      ...[addressOf(relay), "clock", "state"],
    ], { cwd: folder.path });
    try {
      const [, id = ""] = await node.stdout.until(/^(\w{52}) serves/);
      ids.push(id);
      await node.stdout.until(/^listed by /);
      const { text } = await runRoleHere("peer_client.ts", [
        ...[addressOf(relay), "cat", "now.txt"],
      ]);
      assertMatch(text, /^\d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
      await node.stdout.until(/^sent now\.txt to 127\.0\.0\.1$/);
    } finally {
      node.child.kill("SIGINT");
    }
    assertEquals(await node.code(), 0, node.stderr.all.join("\n"));
    assertMatch(node.stdout.all.at(-1) ?? "", /^sent 25 bytes$/);
    assertEquals(relay.server.nodeCount, 0);
  }
  assertEquals(ids[0], ids[1]);
});

Deno.test("examples/embedded_gateway.ts gets a file from its own gateway, and reports a missing file", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a b/ü.txt": "hello" }, {
    name: "nas",
  });
  const flags = await permissionsOf("embedded_gateway.ts");
  const run = async (name: string) => {
    const program = spawn(deno, [
      ...["run", "--no-prompt", flags[0]!, example("embedded_gateway.ts")],
      ...[addressOf(relay), name],
    ], { cwd: ROOT });
    const code = await program.code();
    return { code, out: program.stdout.all, err: program.stderr.all };
  };
  assertEquals(await run("a b/ü.txt"), {
    ...{ code: 0, out: ["hello"], err: ["5 bytes from nas"] },
  });
  const { code, err } = await run("none.txt");
  assertEquals(code, 1);
  assertMatch(err.join("\n"), /none\.txt/);
});

Deno.test("The programs in examples/ serve and fetch at a private relay, by tokens in files", async () => {
  await using relay = await startPrivate();
  await using folder = await tempShare({
    "clock/.keep": "",
    "state/.keep": "",
  });
  const { path: cwd } = folder;
  await writeSecret(join(cwd, "state/token"), formatToken(NODE_TOKEN));
  await writeSecret(join(cwd, "token"), formatToken(MEMBER.token!));
  const start = async (name: string, ...args: readonly string[]) =>
    spawn(deno, [
      ...["run", "--no-prompt", ...await permissionsOf(name), example(name)],
      ...[addressOf(relay), ...args],
    ], { cwd });
  const node = await start(
    ...["embedded_node.ts", "clock", "state", "state/token"] as const,
  );
  try {
    await node.stdout.until(/^listed by /);
    const fetch = (...token: readonly string[]) =>
      start("fetch_with_progress.ts", "now.txt", ...token);
    const fetched = await fetch("token");
    assertEquals(await fetched.code(), 0, fetched.stdout.all.join("\n"));
    assertMatch(
      await Deno.readTextFile(join(cwd, "now.txt")),
      /^\d{4}-\d\d-\d\dT[\d:.]+Z\n$/,
    );
    const stranger = await fetch();
    assertEquals(await stranger.code(), 7);
    assertMatch(stranger.stdout.all.join("\n"), /it is private/);
    await Deno.chmod(join(cwd, "token"), 0o644);
    const careless = await fetch("token");
    assertEquals(await careless.code(), 8);
    assertMatch(careless.stdout.all.join("\n"), /run chmod 600 token$/);
  } finally {
    node.child.kill("SIGINT");
  }
  assertEquals(await node.code(), 0, node.stderr.all.join("\n"));
});

testWith(
  ["jq", "bash"],
  "examples/backup.sh fetches what is new, and records what arrived",
  async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, {
      "photos/1.jpg": "one",
      "photos/2024/2.jpg": "two",
      "letter.txt": "no photo",
    }, { name: "alpha" });
    await using folder = await tempShare();
    const target = join(folder.path, "backup");
    // The script finds `deno` by its name.
    const path = `${dirname(deno)}:${Deno.env.get("PATH")}`;
    const backup = (pattern: string) =>
      spawn("bash", [example("backup.sh"), addressOf(relay), pattern, target], {
        cwd: folder.path,
        path,
      });
    const first = backup("photos/**");
    assertEquals(await first.code(), 0, first.stderr.all.join("\n"));
    assertEquals(
      first.stdout.all.map((line) => line.split("\t").with(2, "")).sort(),
      [
        ["new", "3", "", "alpha", "photos/1.jpg"],
        ["new", "3", "", "alpha", "photos/2024/2.jpg"],
      ],
    );
    for (const line of first.stdout.all) {
      assertMatch(line.split("\t")[2]!, /^[0-9a-f]{64}$/);
    }
    assertEquals(first.stderr.all, ["2 new, 0 there already, 0 failed"]);
    assertEquals(
      await Deno.readTextFile(join(target, "photos/2024/2.jpg")),
      "two",
    );

    await Deno.writeTextFile(join(node.directory, "photos/3.jpg"), "three");
    await Deno.writeTextFile(join(target, "photos/1.jpg"), "mine");
    const second = backup("photos/**");
    const code = await second.code();
    assertEquals(second.stderr.all, ["1 new, 1 there already, 1 failed"]);
    assertEquals(code, 8);
    assertEquals(await Deno.readTextFile(join(target, "photos/1.jpg")), "mine");
    assertMatch(
      second.stdout.all.join("\n"),
      /^failed\tit already exists with different content\tphotos\/1\.jpg$/m,
    );

    const none = backup("none/**");
    assertEquals(await none.code(), 4);
  },
);

testWith(
  ["jq", "bash"],
  "examples/backup.sh fetches from a private relay with the token in a file, and exits with 7 without it",
  async () => {
    await using relay = await startPrivate();
    await using _node = await startMember(relay, { "photos/1.jpg": "one" });
    await using folder = await tempShare();
    const { path: cwd } = folder;
    await writeSecret(join(cwd, "token"), formatToken(MEMBER.token!));
    const path = `${dirname(deno)}:${Deno.env.get("PATH")}`;
    const backup = (...token: readonly string[]) =>
      spawn("bash", [
        ...[example("backup.sh"), addressOf(relay), "photos/**", "out"],
        ...token,
      ], { cwd, path });
    const stranger = backup();
    assertEquals(await stranger.code(), 7);
    assertMatch(stranger.stdout.all.join("\n"), /it is private/);
    const member = backup("token");
    assertEquals(await member.code(), 0, member.stderr.all.join("\n"));
    assertEquals(member.stderr.all, ["1 new, 0 there already, 0 failed"]);
    const saved = join(cwd, "out/photos/1.jpg");
    assertEquals(await Deno.readTextFile(saved), "one");
  },
);
