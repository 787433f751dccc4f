/**
 * `p2p` as a process: what a shell, a terminal and a service manager see of it
 * is what they see of Deno started directly, and Deno asks for nothing.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { createIdentity } from "../../../lib/identity/identity.ts";
import { announce } from "../../../lib/transport/announce.ts";
import { within } from "../../_event_log.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { type P2pHome, p2pHome } from "../../packaging/_p2p.ts";
import { spawnCommand } from "../../e2e/_processes.ts";
import { Pty, QUESTION } from "../../e2e/_pty.ts";

interface Ran {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
}

/** Runs `p2p` to its end. */
async function run(
  { command, env, home }: P2pHome,
  args: readonly string[],
  { input = "" } = {},
): Promise<Ran> {
  await using process = spawnCommand([command, ...args], { cwd: home, env });
  await process.type(input).catch(() => {}); // it may end without reading
  await process.endInput().catch(() => {});
  const code = await within(process.exitCode, args.join(" "));
  return {
    code,
    text: process.stdout.all.join("\n"),
    stderr: process.stderr.all.join("\n"),
  };
}

Deno.test("p2p has the exit codes, standard input and errors of the program that it starts", async () => {
  await using home = await p2pHome();
  await using share = await tempShare({
    "a.txt": "whole\n",
    "odd 'name.txt": "odd\n",
  });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const none = await run(home, ["ls"]);
  assertEquals(none.code, 2);
  assertMatch(
    none.stderr,
    /no relay is remembered; name one with p2p use RELAY/,
  );
  const asJson = await run(home, ["ls", "--json"]);
  assertEquals(JSON.parse(asJson.text).kind, "usage");
  assertEquals(
    (await run(home, ["use", "-"], { input: `${relay.address}\n` })).code,
    0,
  );
  assertEquals((await run(home, ["cat", "odd 'name.txt"])).text, "odd");
  assertEquals((await run(home, [], { input: "a.txt\n" })).text, "whole");
  const missing = await run(home, ["cat", "no.txt"]);
  assertEquals(missing.code, 4);
  const wrong = await run(home, ["get", "--bogus"]);
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /see p2p --help/);
  const mistyped = await run(home, ["gte", "a.txt"]);
  assertMatch(mistyped.stderr, /there is no command gte; did you mean get\?/);
  const version = await run(home, ["--version"]);
  assertMatch(version.text, /^relay-p2p \d+\.\d+\.\d+, protocol \d+$/);
});

Deno.test("The output of p2p --show runs when it is pasted, with spaces and quotes in all places", async () => {
  await using home = await p2pHome();
  await using share = await tempShare({ "a.txt": "whole\n" });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  await run(home, ["use", relay.address]);
  const shown = await run(home, [
    "--show",
    "get",
    "a.txt",
    "-o",
    "it's, new.txt",
  ]);
  assertEquals(shown.code, 0);
  // What is typed stays as it is, behind the nodes that are kept.
  assertMatch(shown.text, /known-relays\.nodes\.new,\.'/);
  const { code } = await new Deno.Command("sh", {
    args: ["-c", shown.text],
    cwd: home.home,
  }).output();
  assertEquals(code, 0);
  const saved = join(home.home, "it's, new.txt");
  assertEquals(await Deno.readTextFile(saved), "whole\n");
});

Deno.test("p2p finds files while no remembered relay answers, does not warn about a relay that it knows, and forgets its nodes with it", async () => {
  await using home = await p2pHome();
  await using share = await tempShare({ "a.txt": "whole\n" });
  const relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  await run(home, ["use", relay.address]);
  const listed = await run(home, ["ls"]);
  assertEquals([listed.code, listed.stderr], [0, "1 file, 6 bytes"]);
  await relay[Symbol.asyncDispose]();
  const got = await run(home, ["cat", "a.txt"]);
  assertEquals([got.code, got.text], [0, "whole"], got.stderr);
  assertMatch(got.stderr, /^no relay answers: dialling the 1 node known/m);
  await run(home, ["use", "--forget"]);
  const kept = join(home.home, ".config", "relay-p2p");
  assertEquals(await Array.fromAsync(Deno.readDir(kept)), []);
});

Deno.test("row 872: with two relays at home, as docs/OPERATIONS.md has them, either may stop", async () => {
  await using home = await p2pHome();
  const documents = join(home.home, "Documents");
  await Deno.mkdir(documents);
  await Deno.writeTextFile(join(documents, "report.pdf"), "whole\n");
  const spawn = (...args: readonly string[]) =>
    spawnCommand([home.command, ...args], { cwd: home.home, env: home.env });
  const relays = await Promise.all(["nas", "pi"].map(async (name) => {
    // Two machines, and here one home: each keeps an identity of its own.
    const state = ["--state", join(home.home, name), "--host", "127.0.0.1"];
    const process = spawn("relay", "--no-announce", ...state, "0");
    const [, place = ""] = await process.stdout.until(
      /^relay listening on (.*)$/,
    );
    return { process, place };
  }));
  await using stack = new AsyncDisposableStack();
  for (const { process } of relays) stack.use(process);
  const places = relays.map(({ place }) => place);
  assertEquals((await run(home, ["use", ...places])).code, 0);
  await using node = spawn("share", documents, "--host", "127.0.0.1");
  for (const place of places) {
    await node.stdout.until(new RegExp(`^registered with ${place},`));
  }
  const nodes = await run(home, ["nodes"]);
  assert(nodes.text.endsWith(`at ${places.join()}`), nodes.text);
  const [first] = relays;
  first!.process.signal("SIGKILL");
  await within(first!.process.exitCode, "the end of a relay");
  const got = await run(home, ["get", "report.pdf"]);
  assertEquals(got.code, 0, got.stderr);
  assertMatch(got.stderr, /continuing with the other relays/);
  assertEquals(
    await Deno.readTextFile(join(home.home, "report.pdf")),
    "whole\n",
  );
  // A relay that does not come back is forgotten, and nothing warns any more.
  assertEquals((await run(home, ["use", "--forget", places[0]!])).code, 0);
  const listed = await run(home, ["ls"]);
  assertMatch(listed.text, / report\.pdf$/);
  assert(!listed.stderr.includes("warning"), listed.stderr);
});

Deno.test("SIGTERM ends what p2p share runs: the node withdraws, and its exit code is 0", async () => {
  await using home = await p2pHome();
  await using relay = await relayHere();
  await Deno.mkdir(join(home.home, "my files"));
  await using node = spawnCommand(
    [home.command, relay.address, "share", "my files"],
    { cwd: home.home, env: home.env },
  );
  await node.stdout.until(/^registered with /);
  if (Deno.build.os === "linux") {
    // The shell has become Deno: a terminal and a job are the same to it.
    const { stdout } = await new Deno.Command("readlink", {
      args: [`/proc/${node.pid}/exe`],
    }).output();
    const program = new TextDecoder().decode(stdout).trimEnd();
    assertEquals(program, await Deno.realPath(Deno.execPath()));
  }
  node.signal("SIGTERM");
  assertEquals(await node.exitCode, 0);
  await relay.log.until("node_left", ({ how }) => how === "withdrawn");
});

/**
 * The command that `p2p` becomes, free to ask: p2p forbids Deno to, so that a
 * missing permission would never show.
 */
function askingFor(line: string): string {
  const shown = line.replace(/^p2p\b/, "p2p --show");
  return `eval "exec env $(${shown} | sed 's/ --no-prompt//')"`;
}

/** Commands that run while a relay and a node are there. */
const COMMANDS = [
  "p2p use",
  "p2p nodes",
  "p2p ls",
  "p2p ls --tree",
  "p2p search a",
  "p2p sums",
  "p2p cat a.txt",
  "p2p cat a.txt --tail 3",
  "p2p get a.txt --dry-run",
  "p2p --json get a.txt -o 'Downloads/a new name.txt'",
  "p2p share doctor Downloads --host 127.0.0.1",
];

/** More of them, with the keys that are pressed. */
const LATER_COMMANDS = [
  ["p2p get a.txt -o Downloads/ --receipt Downloads/r.json"],
  ["p2p verify Downloads/a.txt Downloads/r.json"],
  ["p2p link a.txt"],
  ["p2p doctor"],
  ["p2p", "a.txt\r"],
  ["p2p update"],
  ["p2p help"],
  ["p2p help share --all"],
  ["p2p relay --help"],
  ["p2p get --version"],
  ["p2p completions bash"],
  ["p2p clean", "\r"],
  ["p2p clean", "y\r"],
] as const;

testWith(
  ["script"],
  "At a terminal each command of p2p ends as it should, and Deno asks nothing",
  async () => {
    await using home = await p2pHome();
    await Deno.mkdir(join(home.home, "files"));
    await Deno.mkdir(join(home.home, "Downloads"));
    await Deno.writeTextFile(join(home.home, "files/a.txt"), "whole\n");
    await Deno.writeTextFile(join(home.home, ".b.p2p-part"), "half");
    const typed = (line: string) =>
      Pty.type(askingFor(line), {
        cwd: home.home,
        env: { ...home.env, RELAY_P2P_COMMAND: "p2p" },
      });
    await using relay = typed("p2p relay --host 127.0.0.1 --no-announce 0");
    const [, address = ""] = await relay.lines.until(/^relay address (.*)$/);
    const texts: string[] = [];
    const toEnd = async (line: string, keys = "") => {
      await using pty = typed(line);
      if (keys !== "") await pty.press(keys);
      const code = await within(pty.code, line);
      assertEquals(code, 0, `${line}\n${pty.text}`);
      texts.push(pty.text);
    };
    await toEnd(`p2p use ${address}`);
    await using node = typed("p2p share files --host 127.0.0.1");
    await node.lines.until(/^registered with /);
    for (const line of COMMANDS) await toEnd(line);
    await using sending = typed("p2p send files/a.txt --host 127.0.0.1");
    await sending.lines.until(/needs only the link: p2p get LINK;/);
    assertEquals(await sending.interrupt(), 130);
    texts.push(sending.text);
    for (const [line, keys] of LATER_COMMANDS) await toEnd(line, keys);
    assertEquals(
      await Deno.stat(join(home.home, ".b.p2p-part")).catch(() => null),
      null,
    );
    await toEnd("p2p clean --json");
    await toEnd("p2p use --forget");
    await toEnd("p2p uninstall");
    assertEquals(await node.interrupt(), 0);
    assertEquals(await relay.interrupt(), 0);
    for (const text of [...texts, node.text, relay.text]) {
      assertEquals(QUESTION.test(text), false, text);
    }
  },
);

/** `p2p use` at a terminal, where one relay announces itself. */
async function choose(
  { home, env }: P2pHome,
  port: number,
  keys: string,
): Promise<{ code: number; text: string }> {
  await using pty = Pty.type(`p2p use --announce-port ${port}`, {
    cwd: home,
    env: { ...env },
  });
  await pty.press(keys);
  const code = await within(pty.code, "p2p use");
  assertEquals(QUESTION.test(pty.text), false, pty.text);
  return { code, text: pty.text };
}

testWith(
  ["script"],
  "p2p use lists the relays of the network, and remembers the chosen one",
  async () => {
    await using home = await p2pHome();
    await using relay = await relayHere();
    await using announcer = await announce(
      {
        id: relay.id,
        port: Number(relay.port),
        name: "na\x1b[31ms",
        isPrivate: false,
      },
      { host: "127.0.0.1", port: 0 },
    );
    const none = await choose(home, announcer.port, "\r");
    assertEquals(none.code, 0, none.text);
    const row = `1  na\\x1b[31ms  127.0.0.1:${relay.port}`;
    assert(none.text.includes(row), none.text);
    assertMatch(none.text, /not verified: compare the id/);
    assertMatch(none.text, /none is remembered/);
    const chosen = await choose(home, announcer.port, "1\r");
    assertEquals(chosen.code, 0, chosen.text);
    assertEquals((await run(home, ["use"])).text, `relay ${relay.address}`);
  },
);

testWith(
  ["script"],
  "p2p use refuses a relay on the network that claims the id of another",
  async () => {
    await using home = await p2pHome();
    await using liar = await relayHere();
    const id = (await createIdentity()).id;
    await using announcer = await announce(
      { id, port: Number(liar.port), name: "nas", isPrivate: false },
      { host: "127.0.0.1", port: 0 },
    );
    const { code, text } = await choose(home, announcer.port, "1\r");
    assertEquals(code, 3, text);
    const line = text.replaceAll(/\s+/g, " ");
    assert(line.includes(`wanted ${id}, found ${liar.id}`), text);
    assertEquals((await run(home, ["ls"])).code, 2, "nothing is remembered");
  },
);

testWith(
  ["script", "bash"],
  "Ctrl-Z stops p2p, and after fg it continues reading what is typed",
  async () => {
    await using home = await p2pHome();
    await using share = await tempShare({ "a.txt": "whole\n" });
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    await using shell = Pty.type("exec bash --norc -i", {
      cwd: home.home,
      env: { ...home.env, PS1: "" },
    });
    await shell.press(`p2p ${relay.address}\r`);
    await shell.lines.until(/^\(Enter lists all files/);
    await shell.press("\x1a");
    await shell.lines.until(/Stopped/);
    // A line feed ends a line, whether shell or program reads it.
    await shell.press("fg\n");
    await shell.press("a.txt\n");
    await shell.lines.until(/whole$/);
    await shell.press('echo "ended with $?"\n');
    await shell.lines.until(/ended with 0$/);
    await shell.press("exit\n");
    assertEquals(await within(shell.code, "the shell"), 0);
  },
);
