/**
 * What a link may name: its sender chose the name, and the person who opens it
 * did not.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { makeLink } from "../../lib/client/link.ts";
import { startNode, startRelay } from "../_network.ts";
import { runRoleHere } from "../_here.ts";
import { tempShare } from "../_temp_share.ts";
import { pinned } from "../client/_outcomes.ts";

Deno.test("A file that a link names with a dot is saved only under a name that the user gives, and no file of a link is executable", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { ".login": "s", "run": "r" }, {
    hidden: true,
  });
  await Deno.chmod(join(node.directory, ".login"), 0o755);
  await Deno.chmod(join(node.directory, "run"), 0o755);
  await using folder = await tempShare();
  const getLink = async (name: string, ...more: string[]) => {
    const { text } = await makeLink({ relay: pinned(relay), name });
    return await runRoleHere("peer_client.ts", ["get", text, ...more]);
  };
  const refused = await getLink(".login", "-o", `${folder.path}/`);
  assertEquals(refused.code, 2);
  assertMatch(refused.stderr.join(" "), /begins with a dot.*-o/);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
  for (const [name, given] of [[".login", ".mine"], ["run", ""]] as const) {
    const got = await getLink(name, "-o", `${folder.path}/${given}`);
    assertEquals(got.code, 0, got.stderr.join("\n"));
    const { mode } = await Deno.stat(join(folder.path, given || name));
    assertEquals(mode! & 0o111, 0);
  }
});
