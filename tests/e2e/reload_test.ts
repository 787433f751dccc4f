/**
 * A node reads its settings again on SIGHUP: the script as a process, and `p2p`.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { p2pHome } from "../packaging/_p2p.ts";
import { relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { spawnCommand, spawnRole } from "./_processes.ts";
import { Pty } from "./_pty.ts";

const FILES = { "share/a.txt": "a", "share/b.tmp": "b", "share/.c": "c" };

Deno.test("On SIGHUP a node reads its rate and exclusions again, and an unusable file changes nothing", async () => {
  await using folder = await tempShare({
    ...FILES,
    "c.toml": '[node]\nlimit-rate = "8M"\n',
  });
  const config = join(folder.path, "c.toml");
  await using relay = await relayHere();
  await using node = spawnRole("peer_node.ts", [
    ...["--config", config, "--host", "127.0.0.1", relay.address, "0", "share"],
  ], {
    cwd: folder.path,
    permissions: [`--allow-read=${folder.path}`],
  });
  await node.stdout.until(/^sharing 2 files /);
  const reported: string[] = [];
  const reload = async (text: string, line: RegExp) => {
    await Deno.writeTextFile(config, text);
    node.signal("SIGHUP");
    reported.push((await node.stderr.until(line)).input);
  };
  await node.stdout.until(/^registered /);
  await reload(
    '[node]\nlimit-rate = "5M"\nexclude = ["*.tmp"]\nname = "attic"\n',
    /^settings .*\*\.tmp/,
  );
  await reload('[node]\nlimit-rate = "fast"\n', /fast/);
  await reload("[node\n", /not TOML/);
  await reload("[node]\nhidden = true\n", /^settings .*hidden/);
  assertEquals(reported, [
    "settings read again: exclude *.tmp (none before), " +
    "limit-rate 5M (8M before), sharing 1 file (2 before); " +
    "restart the node for name",
    "Cannot use --limit-rate (fast): wanted bytes per second, such as 500K, 20M or 1G; " +
    "the settings stay as they were",
    `Cannot use configuration (${config}): line 1: it is not TOML; ` +
    "the settings stay as they were",
    "settings read again: hidden on (off before), " +
    "exclude none (*.tmp before), limit-rate none (5M before), " +
    "sharing 3 files (1 before); restart the node for name",
  ]);
});

Deno.test("p2p share reads its configuration again on SIGHUP, with its permissions", async () => {
  await using home = await p2pHome();
  await using folder = await tempShare({ ...FILES, "c.toml": "" });
  await using relay = await relayHere();
  await using node = spawnCommand([
    ...[home.command, "share", relay.address, "share", "--config", "c.toml"],
    "--json",
  ], { cwd: folder.path, env: home.env });
  await node.stdout.until(/"event":"registered"/);
  const config = join(folder.path, "c.toml");
  await Deno.writeTextFile(config, '[node]\nexclude = ["*.tmp"]\n');
  node.signal("SIGHUP");
  const { input } = await node.stdout.until(/"event":"reloaded"/);
  assertEquals(JSON.parse(input), {
    v: 1,
    event: "reloaded",
    changed: ["exclude"],
    waiting: [],
    files: 1,
  });
  await Deno.writeTextFile(config, "[node]\nexclude = 5\n");
  node.signal("SIGHUP");
  const failed = await node.stdout.until(/"event":"reload_failed"/);
  assertEquals(JSON.parse(failed.input).error.kind, "usage");
});

testWith(
  ["script"],
  "A node whose terminal is closed ends, and withdraws",
  async () => {
    await using folder = await tempShare(FILES);
    await using relay = await relayHere();
    {
      await using pty = Pty.type(
        [
          ...["exec", Deno.execPath(), "run --allow-net --allow-read=share"],
          ...[new URL("../../peer_node.ts", import.meta.url).pathname],
          ...["--host 127.0.0.1", relay.address, "0 share"],
        ].join(" "),
        { cwd: folder.path },
      );
      await pty.lines.until(/^registered /);
    }
    const { how } = await relay.log.until("node_left");
    assertEquals(how, "withdrawn");
  },
);
