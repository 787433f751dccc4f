/**
 * `p2p use`: the relays that are remembered, and those that are refused.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { createIdentity } from "../../lib/identity/identity.ts";
import { type OutcomeHere, runRoleHere } from "../_here.ts";
import { relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { makeKeys, privateRelayHere } from "../e2e/_private.ts";
import { ROOT } from "../e2e/_processes.ts";

/** A home without a remembered relay. */
async function freshHome() {
  const folder = await tempShare();
  const config = join(folder.path, "config");
  const file = join(config, "relay-p2p", "relay.json");
  return {
    config,
    file,
    use: (args: readonly string[], input = ""): Promise<OutcomeHere> =>
      runRoleHere("p2p", ["use", ...args], {
        input,
        env: { HOME: folder.path, XDG_CONFIG_HOME: config },
      }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("p2p use remembers a relay with its proven id, in a file only for its owner", async () => {
  await using relay = await relayHere();
  await using home = await freshHome();
  const forms = [
    { args: ["127.0.0.1", relay.port] },
    { args: [`127.0.0.1:${relay.port}`] },
    { args: [relay.address] },
    { args: ["-"], input: `${relay.address}\n` },
    { args: ["-"], input: `relay address ${relay.address}\n` },
    { args: ["-"], input: `127.0.0.1 ${relay.port}\n` },
    // As QR codes hold it.
    { args: ["-"], input: relay.address.toUpperCase() },
  ];
  for (const { args, input } of forms) {
    await home.use(["--forget"]);
    const { code, text, stderr } = await home.use(args, input);
    assertEquals([code, text, stderr], [0, `relay ${relay.address}\n`, []]);
    const { mode } = await Deno.stat(home.file);
    assertEquals(mode! & 0o777, 0o600);
  }
  assertEquals((await home.use([])).text, `relay ${relay.address}\n`);
});

/** A port that leads to a relay, once it is opened. */
function heldPort(port: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialled = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const carry = async (from: Deno.Conn) => {
    dialled.resolve();
    await open.promise;
    using to = await Deno.connect({
      hostname: "127.0.0.1",
      port: Number(port),
    });
    const ways = [
      from.readable.pipeTo(to.writable),
      to.readable.pipeTo(from.writable),
    ];
    await Promise.allSettled(ways);
  };
  const carrying: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) carrying.push(carry(conn));
  })();
  return {
    port: listener.addr.port,
    dialled: dialled.promise,
    open: open.resolve,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      await Promise.allSettled(carrying);
    },
  };
}

Deno.test("p2p use --add keeps a relay that another run added meanwhile", async () => {
  await using one = await relayHere();
  await using two = await relayHere();
  await using home = await freshHome();
  await home.use([one.address]);
  await using held = heldPort(one.port);
  const slow = `p2p://127.0.0.1:${held.port}/${one.id}`;
  const script = join(ROOT, "packaging", "p2p", "p2p.ts");
  const adding = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", script, "use", "--add", slow],
    env: { XDG_CONFIG_HOME: home.config }, // Deno's packages are in the real home
    stdout: "null",
  }).spawn();
  await held.dialled;
  assertEquals((await home.use(["--add", two.address])).code, 0);
  held.open();
  assertEquals((await adding.status).code, 0);
  assertEquals(
    (await home.use([])).text,
    [one.address, two.address, slow].map((address) => `relay ${address}\n`)
      .join(""),
  );
});

Deno.test("p2p use keeps a link in place of relay.json, and replaces the file that it leads to", async () => {
  await using one = await relayHere();
  await using two = await relayHere();
  await using home = await freshHome();
  await home.use([one.address]);
  const dotfiles = join(home.config, "dotfiles");
  const behind = join(dotfiles, "p2p.json");
  await Deno.mkdir(dotfiles);
  await Deno.rename(home.file, behind);
  await Deno.symlink(behind, home.file);
  const { code, stderr } = await home.use(["--add", two.address]);
  assertEquals([code, stderr], [0, []]);
  assert((await Deno.lstat(home.file)).isSymlink);
  for (const { address } of [one, two]) {
    assert((await Deno.readTextFile(behind)).includes(address));
  }
  const left = await Array.fromAsync(Deno.readDir(dotfiles));
  assertEquals(left.map(({ name }) => name), ["p2p.json"]);
});

Deno.test("p2p use does not wait for a pipe in place of relay.json", async () => {
  await using home = await freshHome();
  await Deno.mkdir(join(home.file, ".."), { recursive: true });
  await new Deno.Command("mkfifo", { args: [home.file] }).output();
  const { code, stderr } = await home.use([]);
  assertEquals(code, 8, stderr.join("\n"));
  assertMatch(stderr.join("\n"), /relay\.json\): it is not a regular file/);
  assertEquals((await home.use(["--forget"])).code, 0);
  await assertRejects(() => Deno.lstat(home.file), Deno.errors.NotFound);
});

Deno.test("p2p use takes a link to nothing in place of relay.json for no missing file", async () => {
  await using relay = await relayHere();
  await using home = await freshHome();
  await Deno.mkdir(join(home.file, ".."), { recursive: true });
  const behind = join(home.config, "not-mounted", "p2p.json");
  await Deno.symlink(behind, home.file);
  for (const args of [[], [relay.address]]) {
    const { code, stderr } = await home.use(args);
    assertEquals(code, 8, stderr.join("\n"));
    assertMatch(
      stderr.join("\n"),
      /relay\.json\): it is a link to a file that does not exist; forget it with/,
    );
    assertEquals(await Deno.readLink(home.file), behind);
  }
  assertEquals((await home.use(["--forget"])).code, 0);
  assertEquals((await home.use([relay.address])).code, 0);
});

Deno.test("p2p use --forget forgets the relay, and reports if there is none", async () => {
  await using relay = await relayHere();
  await using home = await freshHome();
  await home.use([relay.address]);
  const first = await home.use(["--forget"]);
  assertEquals([first.code, first.stderr], [0, ["forgotten"]]);
  const second = await home.use(["--forget"]);
  assertEquals([second.code, second.stderr], [0, ["no relay was remembered"]]);
});

Deno.test("p2p use refuses a different relay at the same address, unless its id is given", async () => {
  await using home = await freshHome();
  const first = await relayHere();
  const port = Number(first.port);
  await home.use(["127.0.0.1", first.port]);
  await first[Symbol.asyncDispose]();
  await using second = await relayHere({
    port,
    identity: await createIdentity(),
  });
  const refused = await home.use(["127.0.0.1", first.port]);
  assertEquals(refused.code, 3);
  assertMatch(
    refused.stderr.join("\n"),
    new RegExp(
      `another one is remembered, wanted ${first.id}, found ${second.id}; if the relay was set up again, forget it with p2p use --forget 127\\.0\\.0\\.1:${port} and`,
    ),
  );
  assert((await Deno.readTextFile(home.file)).includes(first.id));
  assertEquals((await home.use([second.address])).code, 0);
  assert((await Deno.readTextFile(home.file)).includes(second.id));
});

Deno.test("p2p use remembers nothing of a relay that cannot be reached or is no relay", async () => {
  await using home = await freshHome();
  const wrong = [
    { args: ["127.0.0.1", "1"], code: 3 },
    // A host alone means port 1700.
    { args: ["nas.invalid"], code: 3, says: "nas.invalid:1700" },
    { args: ["nas", "1700", "1701"], code: 2 },
    { args: ["nas", "1700", "more:0"], code: 2 },
    { args: ["-"], code: 2 },
    { args: [`p2p://127.0.0.1:1/${"a".repeat(52)}/AQFw/a.txt`], code: 2 },
  ];
  for (const { args, code, says = "" } of wrong) {
    const used = await home.use(args);
    assertEquals(used.code, code, args.join(" "));
    assert(used.stderr.join("\n").includes(says), used.stderr.join("\n"));
  }
  await assertRejects(() => Deno.stat(home.file), Deno.errors.NotFound);
});

Deno.test("p2p use remembers the paths of the tokens of a private relay, one for each role, and not the tokens", async () => {
  await using keys = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using home = await freshHome();
  assertEquals((await home.use([relay.address])).code, 7);
  const { client, node } = keys.tokenFiles;
  const first = await home.use([relay.address, "--token-file", client]);
  assertEquals(first.code, 0, first.stderr.join("\n"));
  assertEquals((await home.use(["--token-file", node])).code, 0);
  const { text } = await home.use([]);
  assertEquals(text.split("\n").toSorted(), [
    "",
    `client token in ${client}`,
    `node token in ${node}`,
    `relay ${relay.address}`,
  ]);
  const kept = await Deno.readTextFile(home.file);
  for (const token of Object.values(keys.tokens)) assert(!kept.includes(token));
  // Another relay gets none of them.
  await using other = await relayHere();
  assertEquals(
    (await home.use([other.address])).text,
    `relay ${other.address}\n`,
  );
});

Deno.test("p2p use replaces several relays, adds one, and forgets one", async () => {
  await using one = await relayHere();
  await using two = await relayHere();
  await using three = await relayHere();
  await using home = await freshHome();
  const facts = (...relays: readonly { address: string }[]) =>
    relays.map(({ address }) => `relay ${address}\n`).join("");
  const steps = [
    { args: [three.address], used: [three] },
    // A host with its port, and an address.
    { args: ["127.0.0.1", one.port, two.address], used: [one, two] },
    { args: ["--add", `127.0.0.1:${three.port}`], used: [one, two, three] },
    // Each once, and in its place.
    { args: ["--add", one.address], used: [one, two, three] },
    { args: ["--forget", `127.0.0.1:${two.port}`], used: [one, three] },
    { args: ["--forget", "127.0.0.1", one.port], used: [three] },
    { args: ["-"], input: `${two.address} ${one.address}\n`, used: [two, one] },
    { args: [], used: [two, one] },
  ];
  for (const { args, input, used } of steps) {
    const { code, text } = await home.use(args, input);
    assertEquals([code, text], [0, facts(...used)], args.join(" "));
  }
  const forgotten = await home.use(["--forget", two.address, one.address]);
  assertEquals([forgotten.code, forgotten.stderr], [0, ["forgotten"]]);
  await assertRejects(() => Deno.stat(home.file), Deno.errors.NotFound);
});

Deno.test("p2p use changes nothing of several relays if one is down, unknown, or one too many", async () => {
  await using one = await relayHere();
  await using two = await relayHere();
  await using home = await freshHome();
  await home.use([one.address, two.address]);
  const before = await Deno.readTextFile(home.file);
  const wrong = [
    { args: [two.address, "127.0.0.1:1"], code: 3, says: /127\.0\.0\.1:1/ },
    {
      args: ["--forget", "127.0.0.1:1"],
      code: 2,
      says: /127\.0\.0\.1:1\): it is not remembered; p2p use shows/,
    },
    {
      args: ["--forget", "--add", one.address],
      code: 2,
      says: /--forget excludes --add/,
    },
    {
      args: ["--token-file", home.file],
      code: 2,
      says: /2 relays are remembered.*p2p use --add RELAY --token-file/,
    },
  ];
  for (const { args, code, says } of wrong) {
    const used = await home.use(args);
    assertEquals(used.code, code, args.join(" "));
    assertMatch(used.stderr.join("\n"), says);
  }
  assertEquals(await Deno.readTextFile(home.file), before);
});

Deno.test("p2p use keeps a token for each of several relays, and reads what an earlier version remembered", async () => {
  await using keys = await makeKeys();
  await using closed = await privateRelayHere(keys);
  await using open = await relayHere();
  await using home = await freshHome();
  await home.use([open.address]);
  const [{ relay }] = JSON.parse(await Deno.readTextFile(home.file)).relays;
  await Deno.writeTextFile(home.file, JSON.stringify({ relay }));
  const { client } = keys.tokenFiles;
  const added = ["--add", closed.address, "--token-file", client];
  const expected = `relay ${open.address}\nrelay ${closed.address}\n` +
    `client token in ${client}\n`;
  assertEquals((await home.use(added)).text, expected);
  assertEquals((await home.use(["--add", open.address])).text, expected);
});

Deno.test("p2p use remembers the path of the index key of a relay, and accepts only a key", async () => {
  await using relay = await relayHere();
  await using home = await freshHome();
  const key = btoa("0123456789abcdefghijklmnopqrstuv");
  await using folder = await tempShare({ "index.key": key, "bad.key": "bad" });
  const path = join(folder.path, "index.key");
  const badPath = join(folder.path, "bad.key");
  for (const file of [path, badPath]) await Deno.chmod(file, 0o600);
  const bad = await home.use([relay.address, "--index-key-file", badPath]);
  assertEquals(bad.code, 2);
  assertMatch(bad.stderr.join("\n"), /Cannot use index key/);
  await assertRejects(() => Deno.stat(home.file), Deno.errors.NotFound);
  assertEquals((await home.use([relay.address])).code, 0);
  const used = await home.use(["--index-key-file", path]);
  const expected = `relay ${relay.address}\nindex key in ${path}\n`;
  assertEquals([used.code, used.text], [0, expected]);
  assertEquals((await home.use([])).text, expected);
  assertEquals((await home.use([relay.address])).text, expected);
  assert(!(await Deno.readTextFile(home.file)).includes(key));
  // Another relay does not get it.
  await using other = await relayHere();
  assertEquals(
    (await home.use([other.address])).text,
    `relay ${other.address}\n`,
  );
});
