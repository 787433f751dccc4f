/**
 * What a node shares, as its owner names it: the script as a process, with
 * permission for just that.
 */

import { assertEquals } from "@std/assert";
import { listFiles } from "../../lib/mod.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { type RoleProcess, spawnRole } from "./_processes.ts";

/** Starts a node in `cwd` that shares what `words` name. */
async function spawnSharing(
  relay: TestRelay,
  { words, cwd, granted }: {
    words: readonly string[];
    cwd: string;
    granted: string;
  },
): Promise<RoleProcess> {
  const { port } = relay.server.address;
  const at = ["127.0.0.1", String(port), "0"];
  const node = spawnRole(
    "peer_node.ts",
    ["--host", "127.0.0.1", ...at, ...words],
    { cwd, permissions: [`--allow-read=${granted}`] },
  );
  await node.stdout.until(/^registered with /);
  return node;
}

async function namesAt(relay: TestRelay): Promise<string[]> {
  const files = await listFiles({ relay: relay.server.address });
  return files.map(({ name }) => name);
}

for (
  const [words, granted, names, fact] of [
    [["report.pdf"], "report.pdf", ["report.pdf"], "1 file from report.pdf"],
    [
      ["photos", "notes=work/docs", "report.pdf"],
      "photos,work/docs,report.pdf",
      ["notes/a.txt", "photos/b.jpg", "report.pdf"],
      "3 files from photos, work/docs, report.pdf",
    ],
  ] as const
) {
  Deno.test(`peer_node.ts RELAY PORT ${words.join(" ")} needs permission only for what it shares`, async () => {
    await using folder = await tempShare({
      "report.pdf": "pdf",
      "photos/b.jpg": "jpeg",
      "work/docs/a.txt": "text",
      "other": "not shared",
    });
    await using relay = await startRelay();
    await using node = await spawnSharing(relay, {
      words,
      cwd: folder.path,
      granted,
    });
    assertEquals(await namesAt(relay), [...names]);
    assertEquals(node.stdout.all[2], `sharing ${fact}`);
  });
}
