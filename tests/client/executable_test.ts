/**
 * The executable bit: from the disk of a node to that of a client, and nothing
 * else of the mode.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { runRole } from "../e2e/_processes.ts";
import { everything, get } from "./_outcomes.ts";
import { MIDDLE } from "./_setting.ts";

const FILES = { "small": "s", "large": MIDDLE, "plain": "s", "setuid": "u" };
const NAMES = Object.keys(FILES);

/** Modes at the node; only the owner's bit counts. */
const MODES: Readonly<Record<string, number>> = {
  small: 0o700,
  large: 0o755,
  plain: 0o655,
  setuid: 0o7755,
};

async function setModes(folder: string): Promise<void> {
  for (const [name, mode] of Object.entries(MODES)) {
    await Deno.chmod(join(folder, name), mode);
  }
}

/** The modes of files in a folder, in octal digits. */
async function modesOf(folder: string): Promise<Record<string, string>> {
  const modes: Record<string, string> = {};
  for (const name of NAMES) {
    const { mode } = await Deno.stat(join(folder, name));
    modes[name] = (mode! & 0o7777).toString(8);
  }
  return modes;
}

/** What a new file's mode is in this process, where `wanted` was asked for. */
async function usual(wanted: number): Promise<string> {
  await using folder = await tempShare();
  const path = join(folder.path, "f");
  (await Deno.open(path, { write: true, createNew: true, mode: wanted }))
    .close();
  return ((await Deno.stat(path)).mode! & 0o7777).toString(8);
}

async function expectedModes(): Promise<Record<string, string>> {
  const [run, plain] = [await usual(0o777), await usual(0o666)];
  return { small: run, large: run, plain, setuid: run };
}

Deno.test("getFiles gives a file the executable bit that it had, under the usual mask, and no other", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, FILES);
  await setModes(node.directory);
  await using byName = await tempShare();
  await get(relay, byName.path, NAMES);
  assertEquals(await modesOf(byName.path), await expectedModes());
  await using byPattern = await tempShare();
  await get(relay, byPattern.path, [everything()]);
  assertEquals(await modesOf(byPattern.path), await expectedModes());
});

Deno.test("getFiles gives a replaced file the bit of the new one, and leaves an existing file alone", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, FILES);
  await setModes(node.directory);
  await using folder = await tempShare(
    Object.fromEntries(NAMES.map((name) => [name, "old"])),
  );
  for (const name of NAMES) {
    const mode = name === "plain" ? 0o755 : 0o644;
    await Deno.chmod(join(folder.path, name), mode);
  }
  await get(relay, folder.path, NAMES, { overwrite: true });
  assertEquals(await modesOf(folder.path), await expectedModes());
  // The same content is there: nothing of it is touched, with --overwrite too.
  for (const name of NAMES) await Deno.chmod(join(folder.path, name), 0o640);
  for (const overwrite of [false, true]) {
    const { failed } = await get(relay, folder.path, NAMES, { overwrite });
    assertEquals(failed, {});
    const kept = Object.fromEntries(NAMES.map((name) => [name, "640"]));
    assertEquals(await modesOf(folder.path), kept);
  }
});

Deno.test("getFiles continues with what came before, and gives it the executable bit", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "large": MIDDLE });
  await Deno.chmod(join(node.directory, "large"), 0o755);
  const partial = ".large.p2p-part";
  await using folder = await tempShare({ [partial]: MIDDLE.slice(0, 400_000) });
  await Deno.chmod(join(folder.path, partial), 0o600);
  await get(relay, folder.path, ["large"]);
  const { mode } = await Deno.stat(join(folder.path, "large"));
  assertEquals((mode! & 0o7777).toString(8), await usual(0o777));
});

Deno.test("The executable bit is not part of a content: nodes that differ only in it have the same", async () => {
  await using relay = await startRelay();
  await using alpha = await startNode(relay, { "f": MIDDLE });
  await using beta = await startNode(relay, { "f": MIDDLE });
  const file = join(alpha.directory, "f");
  await Deno.chmod(file, 0o644);
  await Deno.chmod(join(beta.directory, "f"), 0o644);
  await using folder = await tempShare();
  const contents: (string | undefined)[] = [];
  const modes: string[] = [];
  for (const [mode, name] of [[0o755, "one"], [0o644, "two"]] as const) {
    await Deno.chmod(file, mode);
    const { log } = await get(relay, folder.path, ["f"], {
      pathOf: () => join(folder.path, name),
    });
    assertEquals(log.of("contents_differ"), []);
    const [received] = log.of("file_received");
    contents.push(received?.content);
    const saved = await Deno.stat(join(folder.path, name));
    modes.push((saved.mode! & 0o7777).toString(8));
  }
  assertMatch(contents[0]!, /^[0-9a-f]{64}$/);
  assertEquals(contents[0], contents[1]);
  // One of two is not most of them.
  assertEquals(modes, [await usual(0o666), await usual(0o666)]);
});

Deno.test("A program that is fetched under umask 027 can be run by its group, and by no others", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, FILES);
  await setModes(node.directory);
  await using folder = await tempShare();
  const { host, port } = relay.server.address;
  const words = [host, String(port), "get", ...NAMES, "-o", `${folder.path}/`];
  const { code, stderr } = await runRole("peer_client.ts", words, {
    permissions: ["read", "write"].map((what) =>
      `--allow-${what}=${folder.path}`
    ),
    prefix: ["bash", "-c", 'umask 027; exec "$@"', "bash"],
  });
  assertEquals(code, 0, stderr.join("\n"));
  assertEquals(await modesOf(folder.path), {
    small: "750",
    large: "750",
    plain: "640",
    setuid: "750",
  });
});
