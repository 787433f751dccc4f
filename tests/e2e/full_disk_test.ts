/**
 * A full disk, with real processes.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { sha256 } from "../../lib/base/hash.ts";
import { within } from "../_event_log.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { commandLine } from "./_processes.ts";
import { accessTo, getArgs } from "./_transfer.ts";
import { CONTENT, PARTIAL } from "./_transfers.ts";

/** How to have a small disk of one's own, if this machine lets us. */
function smallDisk(): string[] | undefined {
  return [["unshare", "-m"], ["unshare", "-rm"]].find(
    ([command = "", ...args]) => {
      const script = "mount -t tmpfs -o size=1m small /tmp";
      try {
        return new Deno.Command(command, {
          args: [...args, "sh", "-c", script],
          stdout: "null",
          stderr: "null",
        }).outputSync().success;
      } catch {
        return false; // no such program
      }
    },
  );
}

const SMALL_DISK = smallDisk();

Deno.test({
  name:
    "A full disk: exit 8 says how to continue, received bytes are kept, and with " +
    "room the same command brings the rest" +
    (SMALL_DISK === undefined ? " (skipped: no tmpfs can be mounted)" : ""),
  ignore: SMALL_DISK === undefined,
  fn: async () => {
    await using share = await tempShare({ f: CONTENT });
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path, { name: "alpha" });
    const client = commandLine(
      "peer_client.ts",
      getArgs(relay, folder),
      accessTo(folder),
    );
    // The disk is seen by this shell alone, and is gone when it ends.
    const script = `
      mount -t tmpfs -o size=1m small "$0" || exit
      "$@" 2>&1; echo "exit $?"
      ls -A "$0"
      mount -o remount,size=16m "$0" || exit
      "$@" 2>&1; echo "exit $?"
      ls -A "$0"
      sha256sum <"$0/f"
    `;
    const [command = "", ...args] = SMALL_DISK!;
    const { stdout, stderr } = await within(
      new Deno.Command(command, {
        args: [...args, "sh", "-c", script, folder.path, ...client],
        env: { NO_COLOR: "1" },
      }).output(),
      "both runs",
    );
    assertEquals(new TextDecoder().decode(stderr), "");
    const { path } = folder;
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assertMatch(lines[3] ?? "", /^f: \d.*B are here from an earlier run$/);
    assertMatch(lines[5] ?? "", /^1 file, .* from 1 node$/);
    assertEquals(lines.toSpliced(5, 1).toSpliced(3, 1), [
      `error: Cannot save file (${path}/f): no space left on the disk; free some space and run the same command again: the received bytes are kept`,
      "exit 8",
      PARTIAL,
      `saved ${path}/f, ${CONTENT.length} bytes, from alpha`,
      "exit 0",
      "f",
      `${sha256(CONTENT).toHex()}  -`,
    ]);
  },
});
