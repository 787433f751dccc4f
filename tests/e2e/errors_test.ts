/**
 * Wrong uses and broken worlds, with real processes: one line that a stranger
 * understands, and the documented exit code.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { sha256 } from "../../lib/base/hash.ts";
import {
  sendData,
  sendFound,
  sendPieces,
  startEvilNode,
  VERSION,
} from "../_evil_node.ts";
import { runRoleHere } from "../_here.ts";
import { honestExcept } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { runRole } from "./_processes.ts";
import { failure, failureHere } from "./_errors.ts";

Deno.test("A state folder that the process may not use is reported with the missing permissions", async () => {
  await using folder = await tempShare();
  const { code, line } = await failure("relay.ts", [
    ...["--state", folder.path, "0"],
  ]);
  assertEquals(code, 7);
  assertEquals(
    line,
    `error: Cannot use state folder (${folder.path}): Deno did not give this process the permission; grant it with --allow-read=${folder.path} ` +
      `--allow-write=${folder.path}`,
  );
});

Deno.test("A port in use is reported, with a remedy", async () => {
  await using relay = await relayHere();
  const { code, line } = await failureHere("relay.ts", [
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
  const node = await failureHere(
    "peer_node.ts",
    ["--host", "127.0.0.1", relay.address, relay.port, "files/one"],
  );
  assertEquals(node.code, 8);
  assertMatch(node.line, /the port is in use by another program/);
});

Deno.test("An address of another machine is reported", async () => {
  const { code, line } = await failureHere("relay.ts", [
    "--host",
    "192.0.2.7",
    "0",
  ]);
  assertEquals(code, 8);
  assertMatch(line, /that address is not one of this machine's/);
});

Deno.test("A folder that cannot be shared is reported", async () => {
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
        /did not give this process the permission; grant it with --allow-read=files\/one/,
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

Deno.test("A folder that cannot be saved to is reported before any request", async () => {
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
      [
        ["a"],
        folder.path,
        [],
        7,
        /did not give this process the permission; grant it/,
      ],
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
      if (message.kind === "find") return await sendFound(channel, message, 10);
      await sendData(channel, message, bytes);
      if (hash === null) throw new Error("closes the connection");
      await sendPieces(channel, message, hash);
    },
  });
}

Deno.test("ls prints an incomplete list, reports that it is incomplete, and ends with 5", async () => {
  await using relay = await startRelay();
  const identity = await createIdentity();
  const node = { identity, name: "flaky" };
  await using _breaks = await startEvilNode(relay, {
    ...node,
    lie: honestExcept({}, {
      browse: async (channel, { request }) => {
        const file = { name: "f", size: 1, modifiedMs: 0, version: VERSION };
        await channel.send({
          kind: "files",
          request,
          files: [file],
          more: true,
        });
        throw new Error("closes the connection");
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
        "complete (the other side closed the connection early); run again",
      ],
    ]);
  }
});

Deno.test("Errors of a node that sends wrong bytes, and of one that disconnects", async () => {
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

Deno.test("A key file that others may read is refused, with the command to repair it", async () => {
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
