/**
 * When a saved file is reported, and what is durable by then.
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { syncsOfFiles } from "../_syncs.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, get } from "./_outcomes.ts";
import { BOTH_SERVE } from "./_setting.ts";

const SMALL = randomBytes(5_000, seededRandom(1));
const LARGE = randomBytes(1_500_000, seededRandom(2));

const FILES = { "a/b/small": SMALL, "c/large": LARGE };

Deno.test("A file is reported as saved after it, its folder and the new folders above are durable", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES, BOTH_SERVE);
  await using folder = await tempShare();
  const into = join(folder.path, "new");
  const synced: string[] = [];
  const reported = new Map<string, readonly string[]>();
  const log = new ClientLog();
  using _syncs = syncsOfFiles(synced);
  const { saved, error } = await get(relay, into, Object.keys(FILES), {
    log,
    onEvent: (event) => {
      log.onEvent(event);
      if (event.event === "file_received") {
        reported.set(event.name, [...synced]);
      }
    },
  });
  assertEquals([Object.keys(saved).length, error], [2, undefined]);
  for (const name of Object.keys(FILES)) {
    const by = reported.get(name)!;
    const path = join(into, name);
    const isPart = (one: string) =>
      dirname(one) === dirname(path) && one.endsWith(".p2p-part");
    assertEquals(by.some(isPart), true, `bytes of ${name}`);
    // From the folder with the file up to the one that was there before.
    for (let at = dirname(path);; at = dirname(at)) {
      assertEquals(by.includes(at), true, `${at} of ${name}`);
      if (at === folder.path) break;
    }
  }
});

Deno.test("Without sync the same files are saved, and nothing is made durable", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES, BOTH_SERVE);
  await using folder = await tempShare();
  const synced: string[] = [];
  using _syncs = syncsOfFiles(synced);
  const { saved, error } = await get(
    relay,
    folder.path,
    Object.keys(FILES),
    { sync: false },
  );
  assertEquals([Object.keys(saved).length, error], [2, undefined]);
  assertEquals(synced.filter((path) => path.startsWith(folder.path)), []);
  for (const [name, bytes] of Object.entries(FILES)) {
    assertEquals(await Deno.readFile(join(folder.path, name)), bytes);
  }
});
