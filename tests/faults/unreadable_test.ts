/**
 * Files and folders that a node may not read: it says so, and serves the rest.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { get } from "../client/_outcomes.ts";
import { commandLine, Lines } from "../e2e/_processes.ts";

// The superuser may read everything, unless that is taken away.
const UNPRIVILEGED = Deno.uid() === 0
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

testWith(
  UNPRIVILEGED.slice(0, 1),
  "A node skips a folder that it may not read, refuses such a file, and serves the rest",
  async () => {
    await using relay = await startRelay();
    await using share = await tempShare({
      "open": "here",
      "locked": "secret",
      "closed/f": "secret",
    });
    for (const name of ["locked", "closed"]) {
      await Deno.chmod(join(share.path, name), 0);
    }
    const { port } = relay.server.address;
    const words = ["--host", "127.0.0.1", "127.0.0.1", `${port}`, "0"];
    const [command = "", ...args] = [
      ...UNPRIVILEGED,
      ...commandLine("peer_node.ts", [...words, share.path], {
        permissions: [`--allow-read=${share.path}`],
      }),
    ];
    const node = new Deno.Command(command, {
      args,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const [stdout, stderr] = [node.stdout, node.stderr]
      .map((stream) => new Lines(stream)) as [Lines, Lines];
    try {
      await stdout.until(/^sharing 2 files from /);
      await stdout.until(/^registered with /);
      await stderr.until(
        /^1 skipped: 1 entry that cannot be read; name them with --list-skipped$/,
      );
      await using folder = await tempShare();
      const names = ["open", "locked", "closed/f"];
      const { saved, failed } = await get(relay, folder.path, names);
      assertEquals(Object.keys(saved), ["open"]);
      assertEquals(failed, {
        "locked": "undelivered",
        "closed/f": "not_found",
      });
    } finally {
      node.kill("SIGTERM");
      await Promise.all([node.status, stdout.ended, stderr.ended]);
      await Deno.chmod(join(share.path, "closed"), 0o700);
    }
  },
);
