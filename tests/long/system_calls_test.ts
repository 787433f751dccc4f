/**
 * What the units of systemd forbid, beside the system calls that relay and node
 * make.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { tempShare } from "../_temp_share.ts";
import { hasTool, testWith } from "../_tools.ts";
import { analyze, readPackaging, UNITS, valueIn } from "../_units.ts";
import { Lines, ROOT } from "../e2e/_processes.ts";
import { testWithStrace } from "./_strace.ts";

/** System calls in a group of systemd's, and those in it. */
async function callsIn(groups: readonly string[]): Promise<Set<string>> {
  const calls = new Set<string>();
  for (const group of groups) {
    const { code, text } = await analyze(["syscall-filter", group]);
    assertEquals(code, 0, text);
    const words = text.split("\n").slice(1).map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
    const inner = words.filter((word) => word.startsWith("@"));
    for (const call of await callsIn(inner)) calls.add(call);
    for (const word of words) if (!word.startsWith("@")) calls.add(word);
  }
  return calls;
}

/** Starts a role under strace; its system calls, once it has ended. */
function spawnTraced(args: readonly string[], log: string) {
  const child = new Deno.Command("strace", {
    args: [
      ...["-f", "-qq", "-I", "2", "-o", log, Deno.execPath(), "run"],
      ...["--no-prompt", "--allow-net", "--allow-read", "--allow-write"],
      ...args,
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const stdout = new Lines(child.stdout);
  return {
    stdout,
    end: async () => {
      child.kill("SIGTERM"); // which strace passes on
      await Promise.all([child.status, stdout.ended]);
      return await Deno.readTextFile(log);
    },
  };
}

/** A test that needs strace and systemd's tables. */
function testWithBoth(name: string, fn: () => Promise<void>): void {
  if (hasTool("systemd-analyze")) testWithStrace(name, fn);
  else testWith(["systemd-analyze"], name, fn);
}

testWithBoth(
  "Relay and node make no system call and open no socket that their units forbid",
  async () => {
    await using folder = await tempShare({ "share/a": "a" });
    const at = (name: string) => join(folder.path, name);
    const relay = spawnTraced([
      ...["relay.ts", "--state", at("relay"), "--host", "127.0.0.1"],
      ...["--metrics", "127.0.0.1:0", "0"],
    ], at("relay.log"));
    const [, address = ""] = await relay.stdout.until(/^relay address (.*)$/);
    const node = spawnTraced([
      ...["peer_node.ts", "--state", at("node"), "--host", "127.0.0.1"],
      ...["--metrics", "127.0.0.1:0"],
      ...[address.replace("127.0.0.1", "localhost"), "0", at("share")],
    ], at("node.log"));
    await node.stdout.until(/^registered/);
    for (const role of [relay, node]) {
      const [, url = ""] = await role.stdout.until(/^metrics on (.*)$/);
      await (await fetch(url)).text();
    }
    const client = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-net", "peer_client.ts", address, "cat", "a"],
      cwd: ROOT,
    }).output();
    assertEquals(new TextDecoder().decode(client.stdout), "a");
    const logs = [await node.end(), await relay.end()].reverse();
    for (const [index, log] of logs.entries()) {
      const unit = await readPackaging(`systemd/${UNITS[index]}`);
      const allowed = await callsIn(
        valueIn(unit, "SystemCallFilter").split(" "),
      );
      const calls = new Set(
        log.split("\n").flatMap((line) =>
          /^\d+ +(\w+)\(/.exec(line)?.[1] ?? []
        ),
      );
      assert(calls.has("accept4") && calls.has("openat"), `${calls.size}`);
      const refused = [...calls].filter((call) => !allowed.has(call));
      assertEquals(refused, [], UNITS[index]);
      const families = valueIn(unit, "RestrictAddressFamilies").split(" ");
      const opened = log.matchAll(/ socket(?:pair)?\((AF_\w+)/g);
      for (const [, family = ""] of opened) {
        assert(families.includes(family), `${UNITS[index]}: ${family}`);
      }
    }
  },
);
