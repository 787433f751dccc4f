/**
 * The units and the container: what can be shown of them without a service
 * manager and without pulling an image.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PROTOCOL_VERSION } from "../../lib/base/version.ts";
import { parseCommandLine } from "../../lib/cli/options/command_line.ts";
import { CLIENT, NODE, RELAY } from "../../lib/cli/options/command_table.ts";
import { planOf } from "../../packaging/p2p/plan.ts";
import { ANNOUNCE_PORT } from "../../lib/protocol/announcement.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { analyze, readPackaging, UNITS, valueIn } from "../_units.ts";
import { ROOT } from "../e2e/_processes.ts";
import { around, REMEMBERED } from "./_around.ts";

for (const name of UNITS) {
  testWith(
    ["systemd-analyze"],
    `systemd takes ${name}, and finds it confined`,
    async () => {
      await using folder = await tempShare();
      // The program need not be installed here: any that can be started will do.
      const unit = (await readPackaging(`systemd/${name}`))
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

  Deno.test(`${name} starts its program with existing options`, async () => {
    const unit = await readPackaging(`systemd/${name}`);
    const [, role = ""] = /relay-p2p-(\w+)\.service/.exec(name) ?? [];
    const script = role === "relay" ? "relay.ts" : "peer_node.ts";
    const [program, ...words] = valueIn(unit, "ExecStart").split(" ");
    assertEquals(program, `/usr/local/bin/relay-p2p-${role}`);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", join(ROOT, script), "help", "--all"],
      env: { NO_COLOR: "1" },
    }).output();
    const help = new TextDecoder().decode(stdout);
    const options = words.filter((word) => word.startsWith("--"));
    assertEquals(options.filter((option) => !help.includes(` ${option} `)), []);
    assertEquals(words[words.indexOf("--state") + 1], `%S/relay-p2p-${role}`);
    assertEquals(valueIn(unit, "StateDirectory"), `relay-p2p-${role}`);
    const variables = words.join(" ").match(/\$\{\w+\}/g) ?? [];
    const env = await readPackaging("systemd/node.env");
    for (const variable of variables) {
      assert(env.includes(`\n${variable.slice(2, -1)}=`), variable);
    }
  });
}

Deno.test("The container has the Deno version of CI, and copies the files that the programs need", async () => {
  const lines = (await readPackaging("Containerfile")).replaceAll(
    /\\\n\s*/g,
    "",
  )
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

Deno.test("The Avahi service names the relay's usual port, and is well-formed", async () => {
  const xml = await readPackaging("avahi/relay-p2p.service");
  assert(xml.includes(`<port>${ANNOUNCE_PORT}</port>`));
  assert(xml.includes("<type>_relay-p2p._tcp</type>"));
  const open: string[] = [];
  for (
    const [, end, name = "", alone] of xml.matchAll(
      /<(\/?)([a-z-]+)[^>!?]*?(\/?)>/g,
    )
  ) {
    if (alone === "/") continue;
    if (end === "/") assertEquals(open.pop(), name);
    else open.push(name);
  }
  assertEquals(open, []);
});

const USER_UNITS = {
  "p2p-relay.service": { script: "relay.ts", words: ["--log", "text"] },
  "p2p-share.service": { script: "peer_node.ts", words: ["--log", "text"] },
  "p2p-gateway.service": { script: "peer_client.ts", words: ["gateway"] },
};

for (const [name, { script, words }] of Object.entries(USER_UNITS)) {
  Deno.test(`${name} starts p2p with existing options, and stops the process that p2p starts`, async () => {
    const unit = await readPackaging(`systemd/user/${name}`);
    const [program, ...typed] = valueIn(unit, "ExecStart").split(" ");
    assertEquals(program, "%h/.local/bin/p2p");
    const plan = await planOf(typed, around(REMEMBERED));
    assertEquals(plan.script, script);
    for (const word of words) assert(plan.args.includes(word), word);
    const spec = { "relay.ts": RELAY, "peer_node.ts": NODE }[script] ?? CLIENT;
    parseCommandLine(plan.args, spec); // throws for an unknown option
  });

  testWith(["systemd-analyze"], `systemd takes ${name}`, async () => {
    await using folder = await tempShare();
    const unit = (await readPackaging(`systemd/user/${name}`))
      .replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
    const path = join(folder.path, name);
    await Deno.writeTextFile(path, unit);
    assertEquals(await analyze(["verify", path]), { code: 0, text: "" });
  });
}
