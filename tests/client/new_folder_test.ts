import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { everything, get } from "./_outcomes.ts";
import { startLyingNode } from "./_setting.ts";

Deno.test("getFiles looks for no file in a folder that it has made, even if nodes have hashed nothing", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`d/${n}`, new Uint8Array([n])]),
  );
  await using _node = await startLyingNode(relay, files, { unhashed: true });
  await using folder = await tempShare({});
  const { lstat, lstatSync } = Deno;
  let count = 0;
  const counted =
    <Args extends unknown[], T>(look: (...args: Args) => T) =>
    (...args: Args) => {
      count++;
      return look(...args);
    };
  Object.assign(Deno, {
    lstat: counted(lstat),
    lstatSync: counted(lstatSync),
  });
  try {
    const { log } = await get(relay, folder.path, [everything("d/")]);
    assertEquals(log.of("file_received").length, 300);
  } finally {
    Object.assign(Deno, { lstat, lstatSync });
  }
  // Some are looked at before the folder is made.
  assertEquals(count < LIMITS.requestedAheadCount + 40, true, `${count} calls`);
});
