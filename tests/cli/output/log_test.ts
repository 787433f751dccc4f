/**
 * Log lines: their form, their level, and whose addresses they hold.
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  formatLog,
  type LogOptions,
  shortenAddress,
} from "../../../lib/cli/output/log.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { runRoleHere } from "../../_here.ts";
import { runRole, spawnNode, spawnRelay } from "../../e2e/_processes.ts";
import { within } from "../../_event_log.ts";

const now = new Date("2026-05-04T03:02:01.000Z");
const TEXT: LogOptions = { format: "text", addresses: false, lowest: "info" };
const JSON_LINES: LogOptions = { ...TEXT, format: "json" };

for (
  const [address, short] of [
    ["192.0.2.7", "192.0.2.x"],
    ["192.0.2.7:1500", "192.0.2.x:1500"],
    ["::ffff:192.0.2.7", "192.0.2.x"],
    ["[::ffff:192.0.2.7]:1500", "[192.0.2.x]:1500"],
    ["2001:db8:1:2ff::1", "2001:db8:1:200::/56"],
    ["2001:db8:1:200::/56", "2001:db8:1:200::/56"],
    ["[2001:db8:1:2ff::1]:15", "[2001:db8:1:200::/56]:15"],
    ["fe80::1%eth0", "fe80:0:0:0::/56"],
    ["nas.home.example:1500", "x.home.example:1500"],
    ["nas", "x"],
    ["127.0.0.1:1500", "127.0.0.1:1500"],
    ["[::1]:1500", "[::1]:1500"],
    ["localhost", "localhost"],
  ] as const
) {
  Deno.test(`shortenAddress shortens ${address} to ${short}`, () => {
    assertEquals(shortenAddress(address), short);
  });
}

const REGISTERED = {
  event: "node_registered",
  id: "a",
  name: 'al "x" \x1b[2J\u202e=\n',
  addresses: ["192.0.2.7:1500", "nas.local:15"],
  from: "192.0.2.7",
};

Deno.test("formatLog writes one line of words, escaped, with addresses shortened", () => {
  assertEquals(
    formatLog(REGISTERED, { options: TEXT, now }),
    "2026-05-04T03:02:01.000Z info node_registered id=a " +
      'name="al \\"x\\" \\\\x1b[2J\\\\u{202e}=\\\\x0a" ' +
      "addresses=192.0.2.x:1500,x.local:15 from=192.0.2.x",
  );
});

Deno.test("formatLog writes JSON that a terminal does not act on, and that means the same", () => {
  const line = formatLog(REGISTERED, { options: JSON_LINES, now })!;
  assertMatch(line, /^[\x20-\x7e]+$/);
  assertEquals(JSON.parse(line), {
    ts: "2026-05-04T03:02:01.000Z",
    level: "info",
    ...REGISTERED,
    addresses: ["192.0.2.x:1500", "x.local:15"],
    from: "192.0.2.x",
  });
});

Deno.test("formatLog leaves addresses whole if requested", () => {
  const options = { ...JSON_LINES, addresses: true };
  const { from, addresses } = JSON.parse(
    formatLog(REGISTERED, { options, now })!,
  );
  assertEquals([from, addresses], [REGISTERED.from, REGISTERED.addresses]);
});

Deno.test("formatLog gives each event its level", () => {
  const error = new Failure("relay", { what: "Cannot register", why: "no" });
  const levels = [
    { event: "renewed", relay: "nas:1", leaseSeconds: 60 },
    { event: "relay_listening", encrypted: true },
    { event: "relay_listening", encrypted: false },
    { event: "metrics_listening", host: "0.0.0.0" },
    { event: "metrics_listening", host: "::1" },
    { event: "registration_failed", error },
    { event: "accept_stalled", why: "" },
  ].map((event) => {
    const line = formatLog(event, {
      options: { ...JSON_LINES, lowest: "debug" },
      now,
    });
    return JSON.parse(line!).level;
  });
  assertEquals(levels, [
    ...["debug", "info", "warn", "warn", "info", "warn", "error"],
  ]);
  const renewed = { event: "renewed" };
  assertEquals(formatLog(renewed, { options: TEXT, now }), undefined);
  const quiet = { ...TEXT, lowest: "error" } as const;
  assertEquals(
    formatLog({ event: "refused" }, { options: quiet, now }),
    undefined,
  );
  const failed = { event: "registration_failed", error };
  assertEquals(
    formatLog(failed, { options: TEXT, now }),
    "2026-05-04T03:02:01.000Z warn registration_failed error.kind=relay " +
      'error.what="Cannot register" error.why=no',
  );
});

Deno.test("--log json writes log lines to stderr, and leaves stdout unchanged", async () => {
  await using relay = await spawnRelay(["--log", "json", "0"]);
  await using node = await spawnNode(relay.port, "files/one", [
    "--log",
    "text",
  ]);
  await runRoleHere("peer_client.ts", [relay.address, "cat", "1.txt"]);
  await node.stderr.until(/ info served /);
  node.signal("SIGTERM");
  assertEquals(await within(node.exitCode, "the exit"), 0);
  await relay.stderr.until(/node_left/);
  relay.signal("SIGTERM");
  assertEquals(await within(relay.exitCode, "the exit"), 0);

  assertEquals(relay.stdout.all.length, 3);
  assertEquals(node.stdout.all.length, 4);
  const events = relay.stderr.all.map((line) => JSON.parse(line));
  assertEquals(events.map(({ event }) => event), [
    "relay_listening",
    "node_registered",
    "node_left",
  ]);
  for (const { ts } of events) assertEquals(new Date(ts).toISOString(), ts);
  const line =
    /^\S+Z (debug|info|warn|error) [a-z_]+( [\w.]+=("(\\.|[^"\\])*"|[^\s"]+))*$/;
  for (const text of node.stderr.all) assertMatch(text, line);
});

Deno.test("--log also writes an error that ends a role as a line", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const outcome = await runRole("relay.ts", [
    ...["--log", "json", "--host", "127.0.0.1", String(taken.addr.port)],
  ]);
  assertEquals([outcome.code, outcome.stderr.length], [8, 1]);
  const { level, event, what, exitCode } = JSON.parse(outcome.stderr[0]!);
  assertEquals([level, event, what, exitCode], [
    ...["error", "error", "Cannot listen", 8],
  ]);
});

Deno.test("--log refuses another form", async () => {
  const { code, stderr } = await runRoleHere("relay.ts", ["--log", "xml", "0"]);
  assertEquals([code, stderr], [2, [
    "error: Cannot use --log (xml): wanted json or text",
  ]]);
});
