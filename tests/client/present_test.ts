/**
 * What a run asks nodes about files that are there already.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import type { MessageOf } from "../../lib/protocol/messages.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { within } from "../_event_log.ts";
import type { Lie } from "../_evil_node.ts";
import { honestExcept } from "../_lies.ts";
import { startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced } from "../_replaced.ts";
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

/** Lists files in pages of `count`, and waits between them. */
function inPages(
  files: Record<string, Uint8Array>,
  { count, between = () => Promise.resolve() }: {
    count: number;
    between?: () => Promise<void>;
  },
): Lie<MessageOf<"browse">> {
  const truth = honestExcept(files);
  return async (channel, message) => {
    const send = async (answer: MessageOf<"files">) => {
      for (let at = 0; at < answer.files.length; at += count) {
        if (at > 0) await between();
        const page = answer.files.slice(at, at + count);
        const more = at + count < answer.files.length;
        await channel.send({ ...answer, files: page, more });
      }
    };
    await truth({ send } as unknown as Channel, message);
  };
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
  const { askedAheadCount } = LIMITS;
  await using relay = await startRelay();
  const files = smallFiles(2 * askedAheadCount);
  const truth = honestExcept(files);
  const asked: MessageOf<"describe">[] = [];
  await using node = await startLyingNode(relay, files, {
    unhashed: true,
    // Says nothing before so many are asked for.
    describe: async (channel: Channel, message) => {
      asked.push(message);
      if (asked.length < askedAheadCount) return;
      for (const each of asked.splice(0)) await truth(channel, each);
    },
  });
  await using folder = await tempShare(files);
  const { failed, log } = await within(
    get(relay, folder.path, [everything("")], {
      limits: { askingPatienceMs: 60_000 },
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
  assertEquals([count("describe"), count("read")], [2 * askedAheadCount, 0]);
});

/** Existing files, of which one changed, one is missing, one has two names. */
async function spoiled(count: number) {
  const files = smallFiles(count);
  const folder = await tempShare(files);
  const names = Object.keys(files).toSorted();
  const [changed, missing, linked] = names.slice(-3) as [
    string,
    string,
    string,
  ];
  await Deno.writeFile(
    join(folder.path, changed),
    files[changed]!.map((byte) => byte ^ 1),
  );
  await Deno.remove(join(folder.path, missing));
  await Deno.link(join(folder.path, linked), join(folder.path, ".other"));
  return { files, folder, names, changed, missing };
}

/** Fetches spoiled files, and returns how many were looked at here. */
async function getSpoiled(
  { files, folder, names, changed, missing }: Awaited<
    ReturnType<typeof spoiled>
  >,
  browse: Lie<MessageOf<"browse">>,
): Promise<number> {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, files, { browse });
  using calls = watchLooks(names.map((name) => join(folder.path, name)));
  const expected: string[] = [];
  const { failed, log } = await get(relay, folder.path, [everything("")], {
    limits: { lookedAheadCount: 6 },
    onPath: (name) => expected.push(name),
  });
  assertEquals(Object.keys(failed), [changed]);
  assertEquals(log.of("file_received").map(({ name }) => name), [missing]);
  assertEquals(
    log.of("file_present").map(({ name }) => name),
    names.filter((name) => name !== changed && name !== missing),
  );
  assertEquals(expected, names);
  return calls.looked.length;
}

Deno.test("getFiles has a worker look at existing files once there are many, and finds what is different", async () => {
  const { lookedHereCount } = LIMITS;
  const all = await spoiled(lookedHereCount + 80);
  await using _folder = all.folder;
  // No page has so many files that a worker would look early.
  const browse = inPages(all.files, { count: lookedHereCount - 1 });
  const here = await getSpoiled(all, browse);
  // The worker looked at the others.
  assert(here >= lookedHereCount, `${here} are looked at here`);
  assert(here < all.names.length - 20, `${here} are looked at here`);
});

/** Resolves `looked` when a worker has answered. */
function watchWorker() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watched = replaced(
    globalThis,
    "Worker",
    (Original) =>
      class extends Original {
        constructor(...args: ConstructorParameters<typeof Worker>) {
          super(...args);
          this.addEventListener("message", () => resolve());
        }
      },
  );
  return { looked: promise, [Symbol.dispose]: () => watched[Symbol.dispose]() };
}

Deno.test("getFiles has a worker look at existing files while a node lists others", async () => {
  const { lookedHereCount } = LIMITS;
  const all = await spoiled(lookedHereCount + 80);
  await using _folder = all.folder;
  using worker = watchWorker();
  const browse = inPages(all.files, {
    count: lookedHereCount,
    between: () => worker.looked,
  });
  const here = await within(getSpoiled(all, browse), "all files");
  // Some to decide, and what the worker could not tell.
  assert(here < lookedHereCount / 4, `${here} are looked at here`);
});

Deno.test("getFiles takes a file that another program completes while a node lists others", async () => {
  const { lookedHereCount } = LIMITS;
  const files = smallFiles(lookedHereCount + 80);
  await using folder = await tempShare(files);
  const [changed, missing] = Object.keys(files).toSorted() as [string, string];
  const put = (name: string, bytes: Uint8Array) =>
    Deno.writeFileSync(join(folder.path, name), bytes);
  put(changed, files[changed]!.map((byte) => byte ^ 1));
  await Deno.remove(join(folder.path, missing));
  using worker = watchWorker();
  const browse = inPages(files, {
    count: lookedHereCount,
    between: async () => {
      await worker.looked;
      for (const name of [changed, missing]) put(name, files[name]!);
    },
  });
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, files, { browse });
  const fetching = get(relay, folder.path, [everything("")], {});
  const { failed, log } = await within(fetching, "all files");
  assertEquals(failed, {});
  assertEquals(log.of("file_present").length, Object.keys(files).length);
});
