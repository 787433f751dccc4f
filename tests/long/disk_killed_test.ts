/**
 * A client that is killed at a step of receiving a file: the file is published
 * whole or not at all, and the next run finishes. strace kills it.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { filesIn } from "../client/_outcomes.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";
import { KILLED, testWithStrace } from "./_strace.ts";
import { FILES, halfOf, isSame, OLD, through } from "./_disk_faults.ts";

for (const call of ["write", "fsync", "linkat", "unlink"]) {
  testWithStrace(
    `A client killed at ${call} of a file that a lane writes has published all of it or nothing`,
    () =>
      through({
        name: "huge",
        files: halfOf("huge"),
        injections: [{ call, with: "KILL" }],
      }, ({ code, final }) => {
        assertEquals(code, KILLED);
        assertEquals(
          final?.length,
          call === "unlink" ? FILES.huge.length : undefined,
        );
      }),
  );
}

for (const name of ["small", "large"] as const) {
  for (const overwrite of [false, true]) {
    const calls = overwrite
      ? ["rename"]
      : ["openat", "write", "utimensat", "fsync", "linkat", "unlink"];
    const more = overwrite || name === "small" ? [] : ["ftruncate", "fchmod"];
    for (const call of [...calls, ...more]) {
      testWithStrace(
        `A client killed at ${call} of a ${name} file${
          overwrite ? " that replaces another" : ""
        } has published all of it or nothing`,
        () =>
          through({
            name,
            overwrite,
            files: overwrite ? { [name]: OLD } : {},
            injections: [{ call, with: "KILL" }],
          }, ({ code, final }) => {
            assertEquals(code, KILLED);
            const isPublished = call === "unlink";
            assertEquals(
              final,
              isPublished ? FILES[name] : overwrite ? OLD : null,
            );
          }),
      );
    }
  }
}

testWithStrace(
  "A client killed at the first unlink anywhere leaves nothing that the next run does not remove",
  () =>
    through({
      name: "large",
      on: "anything",
      injections: [{ call: "unlink", with: "KILL" }],
    }, ({ code }) => assertEquals(code, KILLED)),
);

/** Runs the client beside the test, as a person would start it. */
function startClient(args: readonly string[], folder: string): RoleProcess {
  return spawnRole("peer_client.ts", args, {
    permissions: [`--allow-read=${folder}`, `--allow-write=${folder}`],
  });
}

/** Resolves when a file has so many bytes, by watching its folder. */
async function grown(
  path: string,
  bytes: number,
  watcher: Deno.FsWatcher,
): Promise<void> {
  for await (const _ of watcher) {
    const info = await Deno.lstat(path).catch(() => null);
    if (info !== null && info.size >= bytes) return;
  }
}

Deno.test("A client killed again and again continues each time from what is on the disk", async () => {
  const MIB = 1024 * 1024;
  const bytes = randomBytes(6 * MIB, seededRandom(3));
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": bytes }, {
    limitRate: 8 * MIB,
  });
  await node.log.until("hashed");
  await using folder = await tempShare();
  const partial = partialPathOf(join(folder.path, "f"));
  const args = [
    ...["--json", relay.server.relayAddress, "get", "f"],
    ...["-o", `${folder.path}/`],
  ];
  for (let kept = MIB; kept < bytes.length; kept += 2 * MIB) {
    using watcher = Deno.watchFs(folder.path);
    await using client = startClient(args, folder.path);
    await within(grown(partial, kept, watcher), "some of the file");
    client.signal("SIGKILL");
    await client.exitCode;
    assertEquals(filesIn(folder.path), [".f.p2p-part"]);
  }
  await using last = startClient(args, folder.path);
  assertEquals(await last.exitCode, 0, last.stderr.all.join());
  const [, resumed = "0"] = await last.stdout.until(
    /"event":"file_resumed".*"bytes":(\d+)/,
  );
  assert(Number(resumed) >= 4 * MIB, `${resumed} bytes were not lost`);
  assert(isSame(await Deno.readFile(join(folder.path, "f")), bytes));
  assertEquals(filesIn(folder.path), ["f"]);
});
