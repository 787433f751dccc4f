/**
 * Wrong uses and broken worlds, with real processes: one line that a stranger
 * understands, and the documented exit code.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { sha256 } from "../../lib/base/hash.ts";
import {
  registerNode,
  sayData,
  sayFound,
  sayPieces,
  startEvilNode,
  VERSION,
} from "../_evil_node.ts";
import { type OutcomeHere, runRoleHere } from "../_here.ts";
import { honestBut } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { serveOpenssl } from "../_openssl.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { runRole } from "./_processes.ts";

const ID = "a".repeat(51) + "q";

/** Runs a role that must fail: its code and the one line it says. */
async function failure(
  script: string,
  args: readonly string[],
  options: Parameters<typeof runRole>[2] = {},
): Promise<{ code: number; line: string }> {
  return failed(await runRole(script, ["--quiet", ...args], options));
}

/** The same without a process of its own. */
async function failureHere(
  script: string,
  args: readonly string[],
): Promise<{ code: number; line: string }> {
  return failed(await runRoleHere(script, ["--quiet", ...args]));
}

function failed(outcome: OutcomeHere): { code: number; line: string } {
  assertEquals(outcome.text, "", "nothing on stdout");
  assertEquals(outcome.stderr.length, 1, outcome.stderr.join("\n"));
  const line = outcome.stderr[0] ?? "";
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x1f\x7f-\x9f]/.test(line), false, line);
  return { code: outcome.code, line };
}

Deno.test("A state folder that the process may not use is told with the permissions to give", async () => {
  await using folder = await tempShare();
  const { code, line } = await failure("relay.ts", [
    ...["--state", folder.path, "0"],
  ]);
  assertEquals(code, 7);
  assertEquals(
    line,
    `error: Cannot use state folder (${folder.path}): this process was ` +
      `not given the permission; grant it with --allow-read=${folder.path} ` +
      `--allow-write=${folder.path}`,
  );
});

for (
  const [script, args, words] of [
    ["relay.ts", [], /the port is missing; usage: relay\.ts \[options\] PORT$/],
    [
      "relay.ts",
      ["70000"],
      /Cannot use port \(70000\): a port is a whole number from 0 to 65535$/,
    ],
    ["relay.ts", ["nas"], /Cannot use port \(nas\)/],
    ["relay.ts", ["1700", "1701"], /more words than it takes/],
    [
      "relay.ts",
      ["--port", "1700"],
      /Cannot use option \(--port\): there is no such option; see relay\.ts --help$/,
    ],
    ["peer_node.ts", [], /the relay is missing/],
    ["peer_node.ts", ["127.0.0.1"], /the relay's port is missing/],
    ["peer_node.ts", ["127.0.0.1", "1700"], /the node's port is missing/],
    ["peer_node.ts", ["127.0.0.1", "0", "1500"], /Cannot use port \(0\)/],
    [
      "peer_node.ts",
      ["127.0.0.1", "1700", "70000"],
      /Cannot use port \(70000\)/,
    ],
    [
      "peer_node.ts",
      ["--name", "x".repeat(65), "127.0.0.1", "1700", "0"],
      /a node's name .*64 characters, found 65$/,
    ],
    [
      "peer_node.ts",
      ["--limit-rate", "fast", "127.0.0.1", "1700", "0"],
      /Cannot use --limit-rate \(fast\): wanted bytes a second/,
    ],
    [
      "peer_node.ts",
      ["--advertise", "0.0.0.0", "127.0.0.1", "1700", "0"],
      /Cannot advertise \(0\.0\.0\.0\): unspecified address/,
    ],
    ["peer_client.ts", [], /the relay is missing/],
    ["peer_client.ts", ["127.0.0.1", "70000"], /Cannot use port \(70000\)/],
    ["peer_client.ts", ["a b", "1700"], /Cannot use host \(a b\)/],
    [
      "peer_client.ts",
      ["p2p://127.0.0.1:1700/short"],
      /the relay id must be 52 characters, found 5/,
    ],
    ["peer_client.ts", [`p2p://127.0.0.1/${ID}`], /wanted HOST:PORT/],
    [
      "peer_client.ts",
      [`p2p://127.0.0.1:1700/${ID}\n`],
      /\\x0a\): wanted p2p:\/\/HOST:PORT\/RELAY_ID; copy it again/,
    ],
    [
      "peer_client.ts",
      ["--plaintext", `p2p://127.0.0.1:1700/${ID}`, "nodes"],
      /Cannot use plaintext/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "fetch"],
      /there is no command fetch/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat"],
      /cat needs the file's name/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat", "a", "b"],
      /only one file can go to stdout/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "get", "a", "b", "-o", "-"],
      /only one file can go to stdout/,
    ],
    ["peer_client.ts", ["127.0.0.1", "1700", "get"], /get needs a name/],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "get", "../x"],
      /Cannot ask for file \(\.\.\/x\)/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "ls", "a", "b"],
      /more words than it takes/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "nodes", "a"],
      /more words than it takes/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "--sha256", "12", "cat", "a"],
      /Cannot use --sha256 \(12\): wanted 64 hexadecimal digits$/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "--prefer", "oldest", "cat", "a"],
      /Cannot use --prefer \(oldest\): wanted most-nodes or newest$/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "--connections", "17", "cat", "a"],
      /Cannot use --connections \(17\): wanted a number from 1 to 16$/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "--limit-rate", "0", "cat", "a"],
      /Cannot use --limit-rate \(0\)/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "--lowest-speed", "slow", "cat", "a"],
      /Cannot use --lowest-speed \(slow\)/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat", "../x"],
      /Cannot ask for file \(\.\.\/x\)/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat", ""],
      /a name must not be empty/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat", "\x1b[2Jx"],
      /\(\\x1b\[2Jx\): a name must not hold control characters/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "cat", "x".repeat(5_000)],
      /at most 1024 bytes, found 5000/,
    ],
  ] as const
) {
  Deno.test(`${script} ${JSON.stringify(args).slice(0, 60)} is a usage error`, async () => {
    const run = args.length === 0 ? failure : failureHere;
    const { code, line } = await run(script, args);
    assertEquals(code, 2, line);
    assertMatch(line, words);
  });
}

Deno.test("A port in use is told, with what to do", async () => {
  await using relay = await relayHere();
  const { code, line } = await failure("relay.ts", [
    "--host",
    "127.0.0.1",
    relay.port,
  ]);
  assertEquals(code, 8);
  assertEquals(
    line,
    `error: Cannot listen (127.0.0.1:${relay.port}): the port is in use by ` +
      "another program; choose another port (0 lets the system pick one) or --host",
  );
  const node = await failure(
    "peer_node.ts",
    ["--host", "127.0.0.1", relay.address, relay.port, "files/one"],
    { permissions: ["--allow-read=files/one"] },
  );
  assertEquals(node.code, 8);
  assertMatch(node.line, /the port is in use by another program/);
});

Deno.test("An address that is not this machine's is told", async () => {
  const { code, line } = await failureHere("relay.ts", [
    "--host",
    "192.0.2.7",
    "0",
  ]);
  assertEquals(code, 8);
  assertMatch(line, /that address is not one of this machine's/);
});

Deno.test("A folder that cannot be shared is told", async () => {
  for (
    const [directory, permission, expected, words] of [
      [
        "no/such",
        "no/such",
        8,
        /Cannot share folder \(no\/such\): no such file or folder/,
      ],
      ["/dev/null", "/dev/null", 8, /not a folder/],
      [
        "files/one",
        "files/two",
        7,
        /was not given the permission; grant it with --allow-read=files\/one/,
      ],
    ] as const
  ) {
    const { code, line } = await failure(
      "peer_node.ts",
      ["127.0.0.1", "1700", "0", directory],
      { permissions: [`--allow-read=${permission}`] },
    );
    assertEquals(code, expected);
    assertMatch(line, words);
  }
});

Deno.test("A place where nothing can be saved is told, before anybody is asked", async () => {
  await using folder = await tempShare({ "file": "" });
  // Nobody listens there: that is not noticed.
  const relay = ["127.0.0.1", "1"];
  const granted = [
    `--allow-read=${folder.path}`,
    `--allow-write=${folder.path}`,
  ];
  for (
    const [names, output, permissions, expected, words] of [
      [
        ["a"],
        `${folder.path}/no/f`,
        granted,
        8,
        /no such folder; create it first/,
      ],
      [["a", "b"], `${folder.path}/f`, granted, 8, /no such folder/],
      [["d/"], `${folder.path}/f`, granted, 8, /no such folder/],
      [["a"], folder.path, [], 7, /was not given the permission; grant it/],
    ] as const
  ) {
    const args = [...relay, "get", ...names, "-o", output];
    const { code, line } = permissions === granted
      ? await failureHere("peer_client.ts", args)
      : await failure("peer_client.ts", args, { permissions });
    assertEquals(code, expected, line);
    assertMatch(line, words);
  }
});

Deno.test("A relay that may not be dialled is told as not allowed", async () => {
  const { stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "peer_client.ts", "127.0.0.1", "1", "nodes"],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(
    new TextDecoder().decode(stderr),
    "error: Cannot reach relay (127.0.0.1:1): this process was not given the permission; grant it with --allow-net\n",
  );
  assertEquals(code, 7);
});

Deno.test("No relay there", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(listener.addr.port);
  listener.close();
  for (const args of [["nodes"], ["cat", "1.txt"], []]) {
    const { code, line } = await failureHere("peer_client.ts", [
      "127.0.0.1",
      port,
      ...args,
    ]);
    assertEquals(code, 3);
    assertEquals(
      line,
      `error: Cannot reach relay (127.0.0.1:${port}): connection refused; ` +
        "check host and port, and that the relay is running",
    );
  }
});

for (
  const [what, answer] of [
    ["A web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["Random bytes", "\x9d\x03\xe1\x7f\x01\x55\xaa"],
  ] as const
) {
  Deno.test(`${what} in place of the relay`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const answering = (async () => {
      for await (const conn of listener) {
        await conn.write(new TextEncoder().encode(answer));
        await conn.read(new Uint8Array(4096)).catch(() => null);
        conn.close();
      }
    })();
    const args = ["127.0.0.1", String(listener.addr.port), "nodes"];
    const { code, line } = await failureHere("peer_client.ts", args);
    assertEquals(code, 3);
    assertMatch(line, /the program that answers there is not a relay/);
    listener.close();
    await answering;
  });
}

testWith(
  ["openssl"],
  "A TLS server of another kind in place of the relay",
  async () => {
    await using server = await serveOpenssl(await createIdentity(), "h2");
    const args = ["127.0.0.1", String(server.port), "nodes"];
    const { code, line } = await failureHere("peer_client.ts", args);
    assertEquals(code, 3);
    assertMatch(line, /the program that answers there is not a relay/);
  },
);

Deno.test("A silent socket in place of the relay", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const args = ["127.0.0.1", String(listener.addr.port), "nodes"];
  const { code, line } = await failureHere("peer_client.ts", args);
  assertEquals(code, 3);
  assertMatch(line, /no answer in time/);
  listener.close();
});

Deno.test("A node in place of the relay", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  const args = ["127.0.0.1", String(node.server.address.port), "nodes"];
  const { code, line } = await failureHere("peer_client.ts", args);
  assertEquals(code, 3);
  assertMatch(line, /a peer node answers there, not a relay/);
});

Deno.test("Encryption on one side only", async () => {
  await using clear = await startRelay({ plaintext: true });
  await using secret = await startRelay();
  const toClear = await failureHere("peer_client.ts", [
    "127.0.0.1",
    String(clear.server.address.port),
    "nodes",
  ]);
  assertEquals(toClear.code, 3);
  assertMatch(toClear.line, /--plaintext, use that here too/);
  const toSecret = await failureHere("peer_client.ts", [
    "--plaintext",
    "127.0.0.1",
    String(secret.server.address.port),
    "nodes",
  ]);
  assertEquals(toSecret.code, 3);
  assertMatch(toSecret.line, /runs without --plaintext, omit it here too/);
});

Deno.test("No nodes, a file nowhere, a dead node", async () => {
  await using relay = await startRelay();
  const { relayAddress } = relay.server;
  const none = await failureHere("peer_client.ts", [
    relayAddress,
    "cat",
    "1.txt",
  ]);
  assertEquals([none.code, /no peer node is active/.test(none.line)], [
    4,
    true,
  ]);
  const dialogue = await runRoleHere("peer_client.ts", [relayAddress]);
  assertEquals(dialogue.code, 4);
  assertMatch(dialogue.stderr.at(-1) ?? "", /no peer node is active/);

  await using _node = await startNode(relay, { "1.txt": "one" }, {
    name: "alpha",
  });
  const addresses = [{ host: "127.0.0.1", port: 1 }];
  const identity = await createIdentity();
  await registerNode(relay, { identity, name: "dead", addresses });
  const nowhere = await runRoleHere("peer_client.ts", [relayAddress], {
    input: "9.txt\n",
  });
  assertEquals(nowhere.code, 4);
  assertMatch(
    nowhere.stderr.at(-3) ?? "",
    /^node 1 {2}.* {2}connected, file not found$/,
  );
  assertEquals(
    nowhere.stderr.at(-2),
    "node 2  127.0.0.1:1  cannot connect: connection refused",
  );
  assertEquals(
    nowhere.stderr.at(-1),
    "error: Cannot find file (9.txt): none of 2 nodes has it, 1 of them could not be asked; check that the nodes are running",
  );
  // The relay has found out that it is dead, and lists it no more.
  await relay.log.until("node_left");
  const another = await createIdentity();
  await registerNode(relay, { identity: another, name: "dead", addresses });
  const cat = await runRole("peer_client.ts", [relayAddress, "cat", "9.txt"]);
  assertEquals([cat.code, cat.text], [4, ""]);
  const [heading, first = "", second = "", ...rest] = cat.stderr.slice(-4);
  assertEquals(heading, "tried:");
  assertMatch(
    first,
    /^ {2}1 {2}alpha {2}127\.0\.0\.1:\d+ {2}direct {2}ask {6}file not found {6}0 bytes {2}\d+\.\d\d s$/,
  );
  assertMatch(
    second,
    /^ {2}2 {2}dead {3}127\.0\.0\.1:1 {6,}- {7}connect {2}connection refused {2}0 bytes {2}\d+\.\d\d s$/,
  );
  assertEquals(rest, [nowhere.stderr.at(-1)]);
});

/** An evil node that has "f" of ten bytes. */
function tenBytesNode(
  relay: Awaited<ReturnType<typeof startRelay>>,
  identity: Identity,
  hash: string | null,
) {
  const bytes = new TextEncoder().encode("ten bytes!");
  return startEvilNode(relay, {
    identity,
    lie: async (channel, message) => {
      if (message.kind === "find") return await sayFound(channel, message, 10);
      await sayData(channel, message, bytes);
      if (hash === null) throw new Error("hangs up");
      await sayPieces(channel, message, hash);
    },
  });
}

Deno.test("ls prints what has come of a list that breaks off, says that it is not complete, and ends with 5", async () => {
  await using relay = await startRelay();
  const identity = await createIdentity();
  const node = { identity, name: "flaky" };
  await using _breaks = await startEvilNode(relay, {
    ...node,
    lie: honestBut({}, {
      browse: async (channel, { request }) => {
        const file = { name: "f", size: 1, modifiedMs: 0, version: VERSION };
        await channel.send({
          kind: "files",
          request,
          files: [file],
          more: true,
        });
        throw new Error("hangs up");
      },
    }),
  });
  const ls = ["--quiet", relay.server.relayAddress, "ls"];
  for (const pattern of [undefined, "f*", "none*"]) {
    const args = pattern === undefined ? ls : [...ls, pattern];
    const { code, text, stderr } = await runRoleHere("peer_client.ts", args);
    const where = pattern === undefined ? "" : ` (${pattern})`;
    const row = text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d/, "DATE");
    assertEquals([code, row, stderr], [
      5,
      pattern === "none*" ? "" : "1  DATE  flaky  only  f\n",
      [
        `error: Cannot list all files${where}: the list of flaky is not ` +
        "complete; give --sort none, or ask for one folder at a time, as " +
        "'photos/'",
      ],
    ]);
  }
});

Deno.test("A node that sends wrong bytes, and one that breaks off", async () => {
  await using relay = await startRelay();
  const { relayAddress } = relay.server;
  const [breaks, lies] = await Promise.all([
    createIdentity(),
    createIdentity(),
  ]);
  await using _breaks = await tenBytesNode(relay, breaks!, null);
  const broken = await failureHere("peer_client.ts", [
    relayAddress,
    "cat",
    "f",
  ]);
  assertEquals(broken.code, 5);
  assertMatch(broken.line, /the only node has it, and could not deliver it/);
  await using _lies = await tenBytesNode(
    relay,
    lies!,
    sha256(new Uint8Array()).toHex(),
  );
  const corrupt = await runRole("peer_client.ts", [relayAddress], {
    input: "f\n",
  });
  assertEquals([corrupt.code, corrupt.text], [6, ""]);
  assertMatch(
    corrupt.stderr.at(-5) ?? "",
    /^node 2 {2}\S+ {2}connected, sent wrong bytes: sent bytes of f that do not match their hash$/,
  );
  assertMatch(
    corrupt.stderr.at(-3) ?? "",
    /^ {2}1 {2}evil\.\w+ {2}\S+ {2}direct {2}transfer {2}\S.* {2}0 bytes {2}\d+\.\d\d s$/,
  );
  assertMatch(
    corrupt.stderr.at(-2) ?? "",
    /^ {2}2 {2}evil\.\w+ {2}\S+ {2}direct {2}verify {4}sent bytes of f that do not match their hash {2}0 bytes {2}\d+\.\d\d s$/,
  );
});

for (
  const [what, input, words] of [
    ["nothing", "", /must not be empty/],
    ["an empty line", "\n", /must not be empty/],
    ["a path upwards", "../x\n", /"\." or "\.\."/],
    ["NUL", "a\0b\n", /control characters/],
    ["an escape sequence", "\x1b[2J\n", /control characters/],
    ["5,000 characters", "x".repeat(5_000) + "\n", /at most 1024 bytes/],
    [
      "100,000 characters without a line break",
      "x".repeat(100_000),
      /at most 1024 bytes, found 65536/,
    ],
    [
      "bytes that are not UTF-8",
      "\udfff\n",
      /the only node does not have it|valid Unicode/,
    ],
  ] as const
) {
  Deno.test(`The dialogue refuses ${what} for a name`, async () => {
    await using relay = await startRelay();
    await using _node = await startNode(relay, {});
    const outcome = await runRoleHere(
      "peer_client.ts",
      [relay.server.relayAddress],
      { input },
    );
    assertEquals(
      [outcome.code, outcome.text],
      [2, ""],
      outcome.stderr.join("\n"),
    );
    assertMatch(outcome.stderr.at(-1) ?? "", words);
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x1f]/.test(outcome.stderr.join("")), false);
  });
}

Deno.test("A full or closed stdout is told, and no stack is shown", async () => {
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files");
  const script = `"$@" > /dev/full; echo "code $?"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      script,
      "bash",
      Deno.execPath(),
      "run",
      "--allow-net",
      "--no-prompt",
      "peer_client.ts",
      relay.address,
      "cat",
      "one/1.txt",
    ],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "code 8\n");
  assertEquals(
    new TextDecoder().decode(stderr),
    "error: Cannot write to stdout: no space left on the disk\n",
  );
});

Deno.test("A key file that others may read is refused, with the command to mend it", async () => {
  await using folder = await tempShare({ "identity.pem": "secret" });
  await Deno.chmod(`${folder.path}/identity.pem`, 0o644);
  const { code, line } = await failure(
    "relay.ts",
    ["--state", folder.path, "0"],
    {
      permissions: [
        `--allow-read=${folder.path}`,
        `--allow-write=${folder.path}`,
      ],
    },
  );
  assertEquals(code, 8);
  assertMatch(line, /run chmod 600 /);
  assertEquals(line.includes("secret"), false);
});
