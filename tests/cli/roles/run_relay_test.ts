import { assertEquals, assertMatch } from "@std/assert";
import { printRelayEvent } from "../../../lib/cli/roles/run_relay.ts";
import type { Terminal } from "../../../lib/cli/output/terminal.ts";
import type { RelayEvent } from "../../../lib/relay/server.ts";
import { runRoleHere } from "../../_here.ts";
import { spawnRelay } from "../../e2e/_processes.ts";

const ID = "a".repeat(51) + "q";

/** The notes that an event leads to. */
function notesOf(event: RelayEvent): string[] {
  const notes: string[] = [];
  const terminal = {
    event: () => {},
    fact: () => {},
    note: (line: string) => notes.push(line),
  };
  printRelayEvent(event, terminal as unknown as Terminal);
  return notes;
}

for (
  const [host, dialled, note] of [
    ["0.0.0.0", "127.0.0.1", true],
    ["::", "127.0.0.1", true],
    ["127.0.0.1", "127.0.0.1", false],
    ["::1", "[::1]", false],
    ["0.0.0.0", "nas.local", false],
  ] as const
) {
  Deno.test(`A relay at ${host}, to be dialled at ${dialled}, says ${note ? "" : "nothing "}what others are to dial`, () => {
    const notes = notesOf({
      event: "relay_listening",
      private: false,
      host,
      port: 1700,
      id: ID,
      address: `p2p://${dialled}:1700/${ID}`,
      encrypted: true,
    });
    assertEquals(notes.some((line) => line.includes("other machines")), note);
  });
}

Deno.test("A relay escapes the addresses that a node gives", () => {
  const [note = ""] = notesOf({
    event: "node_registered",
    id: ID,
    name: "al\x1bpha",
    addresses: ["nas\x1b[2J:1"],
    from: "192.0.2.7",
  });
  assertEquals(
    note,
    "node al\\x1bpha registered from 192.0.2.7, at nas\\x1b[2J:1",
  );
});

for (
  const [args, words] of [
    [
      ["--greeting", "x".repeat(201)],
      /Cannot use --greeting .*wanted at most 200 characters, found 201$/,
    ],
    [
      ["--advertise", "0.0.0.0"],
      /Cannot advertise \(0\.0\.0\.0\): unspecified address$/,
    ],
    [["--advertise", "nas:0"], /Cannot use port \(0\)/],
  ] as const
) {
  Deno.test(`relay.ts ${args[0]} ${args[1].slice(0, 10)} is a usage error`, async () => {
    const { code, stderr } = await runRoleHere("relay.ts", [...args, "0"]);
    assertEquals(code, 2, stderr.join("\n"));
    assertMatch(stderr[0] ?? "", words);
  });
}

Deno.test("relay.ts --advertise HOST prints the port it listens on", async () => {
  await using relay = await spawnRelay(["--advertise", "nas.local", "0"]);
  assertEquals(relay.address, `p2p://nas.local:${relay.port}/${relay.id}`);
});
