/**
 * The units of systemd: what can be shown of them without a service manager.
 * The container is tested in `tests/long/packaging/`.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseCommandLine } from "../../lib/cli/options/command_line.ts";
import { CLIENT, NODE, RELAY } from "../../lib/cli/options/command_table.ts";
import { planOf } from "../../packaging/p2p/plan.ts";
import { ANNOUNCE_PORT } from "../../lib/protocol/announcement.ts";
import { runRoleHere } from "../_here.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { analyze, readPackaging, UNITS, valueIn } from "../_units.ts";
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
    const { text: help } = await runRoleHere(script, ["help", "--all"]);
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
