/**
 * What a node's options leave out of its share, and what it says of that.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { runRoleHere } from "../../_here.ts";
import { relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";

const FILES = {
  "a": "",
  "a.tmp": "",
  "b.bak": "",
  "sub/c.tmp": "",
  ".env": "",
  "keys/.p2pignore": "*.bak\n",
  "keys/id_rsa": "",
  "keys/d.bak": "",
};
const BY_FILE = `exclude = ["*.tmp", "*.bak"]\n[node]\nhidden = true\n`;

for (
  const [what, { args, env, config }, shared, notes] of [
    ["nothing", {}, 5, [
      "3 skipped: 2 hidden names, 1 excluded name; name them with --list-skipped",
      "warning: sharing names that look private: keys/id_rsa; exclude them with --exclude or a .p2pignore",
    ]],
    [
      "--exclude twice",
      {
        args: ["--exclude", "*.tmp", "--exclude=keys/"],
      },
      2,
      [
        "4 skipped: 1 hidden name, 3 excluded names; name them with --list-skipped",
      ],
    ],
    ["--hidden", { args: ["--hidden"] }, 7, [
      "1 skipped: 1 excluded name; name them with --list-skipped",
      "warning: sharing names that look private: .env, keys/id_rsa; exclude them with --exclude or a .p2pignore",
    ]],
    [
      "variables",
      {
        env: { RELAY_P2P_EXCLUDE: "*.tmp\n*.bak\n", RELAY_P2P_HIDDEN: "1" },
      },
      4,
      [
        "4 skipped: 4 excluded names; name them with --list-skipped",
        "warning: sharing names that look private: .env, keys/id_rsa; exclude them with --exclude or a .p2pignore",
      ],
    ],
    ["a file of options", { config: BY_FILE }, 4, [
      "4 skipped: 4 excluded names; name them with --list-skipped",
      "warning: sharing names that look private: .env, keys/id_rsa; exclude them with --exclude or a .p2pignore",
    ]],
    [
      "an option over a file of options",
      {
        config: BY_FILE,
        args: ["--exclude", "*", "--list-skipped"],
      },
      0,
      ["6 skipped: 6 excluded names"],
    ],
  ] as readonly [
    string,
    {
      args?: readonly string[];
      env?: Readonly<Record<string, string>>;
      config?: string;
    },
    number,
    readonly string[],
  ][]
) {
  Deno.test(`A node with ${what} shares ${shared} of 8 files, and reports what it leaves out`, async () => {
    await using folder = await tempShare({
      ...Object.fromEntries(
        Object.entries(FILES).map(([name, text]) => [`s/${name}`, text]),
      ),
      "p2p.toml": config ?? "",
    });
    await using relay = await relayHere();
    const { code, text, stderr } = await runRoleHere("peer_node.ts", [
      ...["--host", "127.0.0.1", "--config", join(folder.path, "p2p.toml")],
      ...[...args ?? [], "127.0.0.1", relay.port, "0", join(folder.path, "s")],
    ], { env: { ...env }, until: /^registered with /m });
    assertEquals(code, 0, stderr.join("\n"));
    const files = shared === 1 ? "1 file" : `${shared} files`;
    assertEquals(text.split("\n")[2], `sharing ${files} from ${folder.path}/s`);
    assertEquals(
      stderr.filter((line) => /skipped|look private/.test(line)),
      [...notes],
    );
  });
}
