/**
 * What a run asks nodes about files that are there already.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import type { MessageOf } from "../../lib/protocol/messages.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { within } from "../_event_log.ts";
import { honestExcept } from "../_lies.ts";
import { startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, everything, get } from "./_outcomes.ts";
import { LARGE, MIDDLE, read, startLyingNode } from "./_setting.ts";

/** Small files in two folders. */
function smallFiles(count: number): Record<string, Uint8Array> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      `folder-${n % 2}/file-${String(n).padStart(3, "0")}`,
      randomBytes(n, seededRandom(n)),
    ]),
  );
}

Deno.test("getFiles sends no request for existing files with the listed contents", async () => {
  await using relay = await startRelay();
  // Of no piece, of one, of some, of more than are read at once.
  const files = { ...smallFiles(40), "middle": MIDDLE, "large": LARGE };
  await using node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  const { failed, log } = await get(relay, folder.path, [everything("")]);
  assertEquals(failed, {});
  assertEquals(
    log.of("file_present").map(({ name }) => name),
    Object.keys(files).toSorted(),
  );
  assertEquals(node.asked.map(({ kind }) => kind), ["browse"]);
});

/** Notes which of some paths are looked at here, until disposed of. */
function watchLooks(paths: readonly string[]) {
  const looked: string[] = [];
  const { lstatSync } = Deno;
  Deno.lstatSync = (path) => {
    if (paths.includes(String(path))) looked.push(String(path));
    return lstatSync(path);
  };
  const restore = () => void Object.assign(Deno, { lstatSync });
  return { looked, [Symbol.dispose]: restore };
}

Deno.test("getFiles looks at an existing small file once", async () => {
  await using relay = await startRelay();
  const files = smallFiles(40);
  await using _node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  const paths = Object.keys(files).map((name) => join(folder.path, name));
  using calls = watchLooks(paths);
  const { failed } = await get(relay, folder.path, [everything("")]);
  assertEquals(failed, {});
  assertEquals(calls.looked.toSorted(), paths.toSorted());
});

Deno.test("getFiles detects an existing file that differs in one byte from the listed one", async () => {
  await using relay = await startRelay();
  const files: Readonly<Record<string, Uint8Array>> = {
    ...smallFiles(4),
    "middle": MIDDLE,
  };
  await using _node = await startLyingNode(relay, files);
  const others = Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => {
      const other = bytes.slice();
      if (other.length > 0) other[other.length - 1]! ^= 1;
      return [name, other];
    }),
  );
  await using folder = await tempShare(others);
  const all = [everything("")];
  const kept = await get(relay, folder.path, all);
  const differ = Object.keys(files).filter((name) => files[name]!.length > 0);
  assertEquals(
    kept.failed,
    Object.fromEntries(differ.map((name) => [name, "local"])),
  );
  const { failed, log } = await get(relay, folder.path, all, {
    overwrite: true,
  });
  assertEquals(failed, {});
  assertEquals(
    log.of("file_received").map(({ name }) => name).toSorted(),
    differ.toSorted(),
  );
  for (const [name, bytes] of Object.entries(files)) {
    assertBytes(await read(folder, name), bytes);
  }
});

Deno.test("getFiles asks about several files at once if their contents are not listed", async () => {
  const { requestedAheadCount } = LIMITS;
  await using relay = await startRelay();
  const files = smallFiles(2 * requestedAheadCount);
  const truth = honestExcept(files);
  const asked: MessageOf<"describe">[] = [];
  await using node = await startLyingNode(relay, files, {
    unhashed: true,
    // Says nothing before so many are asked for.
    describe: async (channel: Channel, message) => {
      asked.push(message);
      if (asked.length < requestedAheadCount) return;
      for (const each of asked.splice(0)) await truth(channel, each);
    },
  });
  await using folder = await tempShare(files);
  const { failed, log } = await within(
    get(relay, folder.path, [everything("")], {
      limits: { queryPatienceMs: 60_000 },
    }),
    "all files",
  );
  assertEquals(failed, {});
  assertEquals(
    log.of("file_present").map(({ path }) => path),
    Object.keys(files).toSorted().map((name) => join(folder.path, name)),
  );
  const count = (kind: string) =>
    node.asked.filter((message) => message.kind === kind).length;
  assertEquals([count("describe"), count("read")], [
    2 * requestedAheadCount,
    0,
  ]);
});

Deno.test("getFiles has a worker look at existing files once there are many, and finds what is different", async () => {
  await using relay = await startRelay();
  const { lookedHereCount } = LIMITS;
  const lookedAheadCount = 6;
  const files = smallFiles(lookedHereCount + 80);
  await using _node = await startLyingNode(relay, files);
  await using folder = await tempShare(files);
  const names = Object.keys(files).toSorted();
  const [changed, missing, linked] = names.slice(-3) as [string, ...string[]];
  await Deno.writeFile(
    join(folder.path, changed),
    files[changed]!.map((byte) => byte ^ 1),
  );
  await Deno.remove(join(folder.path, missing!));
  await Deno.link(join(folder.path, linked!), join(folder.path, ".other"));
  using calls = watchLooks(names.map((name) => join(folder.path, name)));
  const { failed, log } = await get(relay, folder.path, [everything("")], {
    limits: { lookedAheadCount },
  });
  assertEquals(Object.keys(failed), [changed]);
  assertEquals(log.of("file_received").map(({ name }) => name), [missing]);
  assertEquals(
    log.of("file_present").map(({ name }) => name),
    names.filter((name) => name !== changed && name !== missing),
  );
  // The worker looked at the others.
  const here = calls.looked.length;
  assert(here >= lookedHereCount, `${here} are looked at here`);
  assert(here < names.length - 20, `${here} are looked at here`);
});
