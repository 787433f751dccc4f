/**
 * Wrong uses, with real processes: one line, and exit code 2.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { failure, failureHere } from "./_errors.ts";

const ID = "a".repeat(51) + "q";

for (
  const [script, args, words] of [
    ["relay.ts", [], /the port is missing; usage: relay\.ts \[options\] PORT$/],
    [
      "relay.ts",
      ["70000"],
      /Cannot use port \(70000\): a port is a whole number from 0 to 65535$/,
    ],
    ["relay.ts", ["nas"], /Cannot use port \(nas\)/],
    ["relay.ts", ["1700", "1701"], /too many arguments/],
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
      /Cannot use --limit-rate \(fast\): wanted bytes per second/,
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
      /too many arguments/,
    ],
    [
      "peer_client.ts",
      ["127.0.0.1", "1700", "nodes", "a"],
      /too many arguments/,
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
