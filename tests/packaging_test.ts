/**
 * The units and the container: what can be shown of them without a service
 * manager and without pulling an image.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PROTOCOL_VERSION } from "../lib/messages.ts";
import { Lines, ROOT } from "./e2e/_processes.ts";
import { testWithStrace } from "./faults/_strace.ts";
import { tempShare } from "./_temp_share.ts";
import { hasTool, testWith } from "./_tools.ts";

const UNITS = ["relay", "node"].map((role) => `relay-p2p-${role}.service`);

function read(path: string): Promise<string> {
  return Deno.readTextFile(join(ROOT, "packaging", path));
}

async function analyze(
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: [...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout) + decode(stderr) };
}

/** A value of a unit; those of several lines joined. */
function valueIn(unit: string, key: string): string {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))]
    .map(([, value]) => value).join(" ");
}

for (const name of UNITS) {
  testWith(
    ["systemd-analyze"],
    `systemd takes ${name}, and finds it confined`,
    async () => {
      await using folder = await tempShare();
      // The program need not be installed here: any that can be started will do.
      const unit = (await read(`systemd/${name}`))
        .replace(/^ExecStart=\/usr\/local\/bin\/\S+/m, "ExecStart=/bin/true");
      const path = join(folder.path, name);
      await Deno.writeTextFile(path, unit);
      assertEquals(await analyze(["verify", path]), { code: 0, text: "" });
      // At most 2.0 of 10; a service without any of it has 9.6.
      const { code, text } = await analyze([
        ...["security", "--offline=true", "--threshold=20", "--no-pager", path],
      ]);
      assertEquals(code, 0, text);
    },
  );

  Deno.test(`${name} starts its program with options that there are`, async () => {
    const unit = await read(`systemd/${name}`);
    const [, role = ""] = /relay-p2p-(\w+)\.service/.exec(name) ?? [];
    const script = role === "relay" ? "relay.ts" : "peer_node.ts";
    const [program, ...words] = valueIn(unit, "ExecStart").split(" ");
    assertEquals(program, `/usr/local/bin/relay-p2p-${role}`);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", join(ROOT, script), "--help"],
      env: { NO_COLOR: "1" },
    }).output();
    const help = new TextDecoder().decode(stdout);
    const options = words.filter((word) => word.startsWith("--"));
    assertEquals(options.filter((option) => !help.includes(` ${option} `)), []);
    assertEquals(words[words.indexOf("--state") + 1], `%S/relay-p2p-${role}`);
    assertEquals(valueIn(unit, "StateDirectory"), `relay-p2p-${role}`);
    const variables = words.join(" ").match(/\$\{\w+\}/g) ?? [];
    const env = await read("systemd/node.env");
    for (const variable of variables) {
      assert(env.includes(`\n${variable.slice(2, -1)}=`), variable);
    }
  });
}

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
      const unit = await read(`systemd/${UNITS[index]}`);
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

Deno.test("The container is of the Deno that CI has, and copies what the programs need", async () => {
  const lines = (await read("Containerfile")).replaceAll(/\\\n\s*/g, "")
    .split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => /^([A-Z]+) (.+)$/.exec(line) ?? [line, "", ""]);
  const known = [
    ...["FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE"],
    ...["STOPSIGNAL", "ENTRYPOINT", "CMD"],
  ];
  assertEquals(lines.filter(([, word = ""]) => !known.includes(word)), []);
  const valuesOf = (word: string) =>
    lines.filter(([, found]) => found === word).map(([, , value = ""]) =>
      value
    );
  const ci = await Deno.readTextFile(join(ROOT, ".ci/run"));
  const [, version] = /deno@(\d+\.\d+\.\d+)/.exec(ci) ?? [];
  assertEquals(valuesOf("FROM"), [`docker.io/denoland/deno:${version}`]);
  const copied = valuesOf("COPY").flatMap((value) =>
    value.split(" ").slice(0, -1)
  );
  for (const path of copied) await Deno.stat(join(ROOT, path));
  // Runs from just these, with the entry point's own flags but the folders.
  await using folder = await tempShare();
  for (const path of copied) {
    const { code } = await new Deno.Command("cp", {
      args: ["-r", join(ROOT, path), folder.path],
    }).output();
    assertEquals(code, 0);
  }
  const [command = "", ...flags] = JSON.parse(valuesOf("ENTRYPOINT")[0]!);
  assertEquals(command, "deno");
  assertEquals(JSON.parse(valuesOf("CMD")[0]!)[0], "relay.ts");
  for (const script of copied.filter((path) => path.endsWith(".ts"))) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...flags, script, "--version"],
      cwd: folder.path,
      env: { NO_COLOR: "1" },
    }).output();
    const [, , words] = /^(relay-p2p \S+), (protocol \d+)\n$/
      .exec(new TextDecoder().decode(stdout)) ?? [];
    assertEquals(words, `protocol ${PROTOCOL_VERSION}`, script);
  }
});
