/**
 * A relay process with its default limits, full of nodes that take as much of a
 * listing as they may, and one honest node: what a client can still do.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { join } from "@std/path";
import type { Endpoint } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { eachOf } from "../_each_of.ts";
import { startNode } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import {
  greetFrom,
  identityMaker,
  messageIn,
  type Target,
} from "../bench/_big_relay.ts";
import { runRole, spawnRelay } from "../e2e/_processes.ts";
import { accessTo, print } from "../e2e/_transfer.ts";

const HOSTS = Array.from({ length: 44 }, (_, n) => `127.0.1.${n + 1}`);
/** As many nodes as one address may have. */
const EACH = LIMITS.nodesPerAddressCount;
const FILE = "what the node has\n";
/** The longest name, each character of it escaped where it is listed. */
const NAME = "\u{1f5a5}".repeat(LIMITS.displayNameCount);
/** The longest record that is read; the rest of a padded one is DEL characters. */
const RECORD_LENGTH = 2_048;
/** Only so that it ends: what is shown is that all is answered. */
const DEADLINE_MS = 60_000;

/** As many addresses as a node may have, closed, and of any length. */
function addressesAt(host: string): Endpoint[] {
  const far = LIMITS.unobservedAddressCount;
  const near = LIMITS.addressCount - far;
  const long = "h".repeat(63);
  return [
    ...Array.from({ length: near }, (_, n) => ({
      host,
      port: n + 1,
    })),
    ...Array.from({ length: far }, (_, n) => ({
      host: `${long}.${"h".repeat(50)}.${n}.invalid`,
      port: 50_000,
    })),
  ];
}

/** The record with a name before its name, which lists as six times its bytes. */
function paddedOf(record: string): string {
  const before = (name: string) => record.replace("{", `{"name":"${name}",`);
  return before("\x7f".repeat(RECORD_LENGTH - before("").length));
}

/** Registers nodes from one address, over one connection. */
async function registerAll(
  host: string,
  { target, make }: {
    target: Target;
    make: Awaited<ReturnType<typeof identityMaker>>;
  },
): Promise<void> {
  const { exchange, hello } = await greetFrom(host, target, "node");
  using _conn = exchange.conn;
  for (let index = 0; index < EACH; index++) {
    const signed = await signRegistration({
      purpose: "register",
      relay: hello.id ?? "",
      nonce: hello.nonce ?? "",
      instance: "instance",
      sequence: Date.now(),
      name: NAME,
      addresses: addressesAt(host),
    }, await make());
    const register = (record: string) =>
      exchange.ask(encodeMessage({ kind: "register", ...signed, record }));
    if (index === 0) {
      const padded = paddedOf(signed.record);
      const { code } = messageIn(await register(padded), "refused");
      assertEquals(code, "bad_record", "a record that names itself twice");
    }
    messageIn(await register(signed.record), "registered");
  }
}

Deno.test({
  name:
    "1,408 nodes of 44 addresses with the longest entries do not prevent nodes, ls and get",
  ignore: Deno.build.os !== "linux", // addresses of 127.0.0.0/8
  fn: async () => {
    await using relay = await spawnRelay(["--host", "0.0.0.0", "0"]);
    const at = { host: "127.0.0.1", port: Number(relay.port) };
    await using _node = await startNode({ server: { address: at } }, {
      f: FILE,
    });
    const make = await identityMaker();
    const target = { at, plaintext: false };
    await eachOf(HOSTS, 4, (host) => registerAll(host, { target, make }));
    await using folder = await tempShare();
    const run = async (...words: string[]) => {
      const startedAt = performance.now();
      const args = ["127.0.0.1", relay.port, ...words];
      const { code, text, stderr } = await runRole(
        "peer_client.ts",
        args,
        { ...accessTo(folder), deadlineMs: DEADLINE_MS },
      );
      const ms = performance.now() - startedAt;
      print(`${words[0]}: ${ms.toFixed(0)} ms`);
      assertEquals(code, 0, stderr.join("\n"));
      return { text, stderr };
    };
    const count = HOSTS.length * EACH + 1;
    const { text, stderr } = await run("nodes");
    assertEquals(stderr.at(-1), `peer node count: ${count}`);
    assertEquals(text.split("\n").length, count + 1);
    assertGreater(text.length, count * NAME.length);
    assertEquals((await run("ls")).text.split("\n").length, 2);
    await run("get", "f", "-o", join(folder.path, "f"));
    assertEquals(await Deno.readTextFile(join(folder.path, "f")), FILE);
  },
});
