/**
 * A node shares no folder that holds its own key, its token or the relays it
 * knows, whichever way the paths are written.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { NODE } from "../../../lib/cli/options/command_table.ts";
import { parseCommandLine } from "../../../lib/cli/options/command_line.ts";
import { refusePrivateFiles } from "../../../lib/cli/roles/private_files.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { runRole } from "../../e2e/_processes.ts";
import { tempShare } from "../../_temp_share.ts";

for (
  const [option, path, share] of [
    ["state", "s/.p2p", "s"],
    ["state", "s", "s"],
    ["state", "s/", "s"],
    ["state", "s/a/b/not-there-yet", "s/"],
    ["state", "elsewhere/../s/state", "s"],
    ["state", "into-s/state", "s"],
    ["state", "s/state", "into-s"],
    ["token-file", "s/token", "s"],
    ["token-file", "token-in-s", "s"],
    ["index-key-file", "s/index", "s"],
    ["known-relays", "s/relays", "s"],
    ["state", "s/sub/state", "."],
  ] as const
) {
  Deno.test(`A node refuses to share ${share} with --${option} ${path} in it`, async () => {
    await using folder = await homeWithLinks();
    const at = (name: string) => `${folder.path}/${name}`;
    const line = parseCommandLine([`--${option}`, at(path)], NODE);
    const error = await assertRejects(
      () => refusePrivateFiles([at("other"), at(share)], line),
      Failure,
    );
    assertEquals(error.kind, "usage");
    assertEquals(error.parts.remedy, `choose another path with --${option}`);
  });
}

for (
  const [path, share] of [
    ["state", "s"],
    ["s-state", "s"],
    ["s/../state", "s"],
    ["out-of-s", "s"],
    ["state", "state/share"],
  ] as const
) {
  Deno.test(`A node shares ${share} with --state ${path} beside it`, async () => {
    await using folder = await homeWithLinks();
    const at = (name: string) => `${folder.path}/${name}`;
    const line = parseCommandLine(["--state", at(path)], NODE);
    await refusePrivateFiles([at(share)], line);
  });
}

/** `s`, with links into it and out of it. */
async function homeWithLinks() {
  const folder = await tempShare({ "s/token": "x", "other/b": "b" });
  await Deno.mkdir(join(folder.path, "elsewhere"));
  await Deno.symlink("s", join(folder.path, "into-s"));
  await Deno.symlink("s/token", join(folder.path, "token-in-s"));
  await Deno.symlink("elsewhere", join(folder.path, "out-of-s"));
  return folder;
}

Deno.test("A node refuses to keep its state in its share, ends with 2 and makes no key", async () => {
  await using folder = await tempShare({ "s/a.txt": "a" });
  const share = join(folder.path, "s");
  const { code, stderr } = await runRole("peer_node.ts", [
    ...["--state", `${share}/.p2p`, "127.0.0.1", "1", "0", share],
  ], { permissions: [`--allow-read=${share}`, `--allow-write=${share}`] });
  assertEquals([code, stderr], [2, [
    `error: Cannot share folder (${share}): ${share}/.p2p of --state lies in it ` +
    "and would be shared; choose another path with --state",
  ]]);
  const kept = await Array.fromAsync(Deno.readDir(join(share, ".p2p")));
  assertEquals(kept, []);
});
