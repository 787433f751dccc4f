/**
 * Asking again for files that no node has yet.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { Failure, type FailureKind } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { getWhenThere } from "../../lib/client/get_later.ts";
import type { GetOptions } from "../../lib/client/get.ts";
import { FakeTime } from "../_fake_time.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, everything, filesIn, get } from "./_outcomes.ts";

const LISTED = {
  event: "nodes_listed",
  greeting: "",
  nodes: [],
} as const;

function failure(kind: FailureKind): Failure {
  return new Failure(kind, { what: "Cannot", why: "a reason" });
}

/** Options of a get that is asked by `get` below. */
function wanting(names: readonly string[], log: ClientLog): GetOptions {
  return {
    relay: { host: "127.0.0.1", port: 1 },
    selections: names.map((name) => ({ kind: "name", name })),
    pathOf: (name) => name,
    onEvent: log.onEvent,
  };
}

/** A get that finds what `rounds` say, round by round; the last goes on. */
function findingIn(rounds: readonly (readonly string[] | FailureKind)[]) {
  const asked: string[][] = [];
  const get = ({ selections, onEvent }: GetOptions) => {
    const names = selections.flatMap((one) =>
      one.kind === "name" ? [one.name] : []
    );
    const found = rounds[Math.min(asked.push(names), rounds.length) - 1]!;
    if (typeof found === "string") return Promise.reject(failure(found));
    onEvent?.(LISTED);
    const missing = names.filter((name) => !found.includes(name));
    for (const name of missing) {
      const error = failure("not_found");
      onEvent?.({ event: "file_failed", name, error, from: [] });
    }
    const saved = names.filter((name) => found.includes(name));
    return Promise.resolve({
      saved: new Map(saved.map((name) => [name, name])),
      failed: new Map(missing.map((name) => [name, failure("not_found")])),
    });
  };
  return { asked, get };
}

Deno.test("getFiles asks for missing files again after longer and longer pauses, until the time is over", async () => {
  using time = new FakeTime();
  const log = new ClientLog();
  const { asked, get } = findingIn([["a"], []]);
  const getting = getWhenThere(wanting(["a", "b"], log), {
    waitMs: 100_000,
    get,
  });
  const ended = getting.then(({ saved, failed }) => ({
    saved: [...saved.keys()],
    failed: [...failed].map(([name, { kind }]) => [name, kind]),
  }));
  await time.advance(100_000);
  assertEquals(await ended, { saved: ["a"], failed: [["b", "not_found"]] });
  const { waitFirstMs, waitMostMs } = LIMITS;
  assertEquals([waitFirstMs, waitMostMs], [1_000, 30_000]);
  const pauses = log.of("waiting_for_files");
  assertEquals(
    pauses.map(({ againMs }) => againMs / 1_000),
    [1, 2, 4, 8, 16, 30, 30, 9],
  );
  assertEquals(pauses.map(({ leftMs }) => leftMs / 1_000).at(-1), 9);
  assertEquals(asked.map((names) => names.join()), [
    "a,b",
    ...pauses.map(() => "b"),
  ]);
  // A file is given up once.
  assertEquals(log.of("file_failed").map(({ name }) => name), ["b"]);
});

Deno.test("getFiles waits for a relay that has answered before, and for no other", async () => {
  using time = new FakeTime();
  const log = new ClientLog();
  const back = findingIn([[], "relay", "relay", ["a"]]);
  const getting = getWhenThere(wanting(["a"], log), {
    waitMs: 60_000,
    get: back.get,
  });
  await time.advance(7_000);
  assertEquals([...(await getting).saved.keys()], ["a"]);
  const gone = findingIn(["relay"]);
  const options = { waitMs: 60_000, get: gone.get };
  const error = await assertRejects(
    () => getWhenThere(wanting(["a"], log), options),
    Failure,
  );
  assertEquals([error.kind, gone.asked.length], ["relay", 1]);
});

Deno.test("getFiles reads whole lists again only after twenty times the time of the last reading, and asks for single names until then", async () => {
  using time = new FakeTime();
  const log = new ClientLog();
  const listsMs = 2_000;
  const asked: string[] = [];
  const startedAt = performance.now();
  const get = async ({ selections, anywhere, onEvent }: GetOptions) => {
    onEvent?.(LISTED);
    const keys = selections.map((one) =>
      one.kind === "name" ? one.name : one.pattern
    );
    const at = Math.round((performance.now() - startedAt) / 1_000);
    asked.push(`${at} ${keys}${anywhere ? " anywhere" : ""}`);
    if (anywhere) await delay(listsMs);
    const found = at > 150 ? ["a"] : [];
    const missing = keys.filter((key) => !found.includes(key));
    return {
      saved: new Map(found.map((key) => [key, key])),
      failed: new Map(missing.map((key) => [key, failure("not_found")])),
    };
  };
  const getting = getWhenThere({
    ...wanting(["a"], log),
    selections: [
      { kind: "name", name: "a" },
      { kind: "matching", pattern: "*", prefix: "", matches: () => true },
    ],
    anywhere: true,
  }, { waitMs: 160_000, get });
  await time.advance(164_000);
  const { saved, failed } = await getting;
  assertEquals([[...saved.keys()], [...failed.keys()]], [["a"], ["*"]]);
  assertEquals(asked, [
    "0 a,* anywhere", // takes until 2: not again before 42
    "3 a",
    "5 a",
    "9 a",
    "17 a",
    "33 a",
    "63 a,* anywhere", // takes until 65: not again before 105
    "95 a",
    "125 a,* anywhere", // takes until 127: not again before 167
    "157 a",
    "160 * anywhere", // the time is over
  ]);
});

Deno.test("getFiles reads whole lists again after five minutes, even if that takes long", async () => {
  using time = new FakeTime();
  const log = new ClientLog();
  const { waitListsRatio, waitListsMostMs } = LIMITS;
  assertEquals([waitListsRatio, waitListsMostMs], [20, 300_000]);
  const asked: (boolean | undefined)[] = [];
  const get = async ({ anywhere }: GetOptions) => {
    asked.push(anywhere);
    if (anywhere) await delay(120_000);
    return {
      saved: new Map(),
      failed: new Map([["a", failure("not_found")]]),
    };
  };
  const stop = new AbortController();
  const getting = getWhenThere(
    { ...wanting(["a"], log), anywhere: true, signal: stop.signal },
    { waitMs: 3_600_000, get },
  );
  const stopped = assertRejects(() => getting, Failure);
  // 120 s, and pauses of at most 30 s until 300 s are over.
  await time.advance(120_000 + 300_000 + 30_000);
  assertEquals([asked[0], asked.at(-1)], [true, true]);
  assertEquals(new Set(asked.slice(1, -1)), new Set([false]));
  await time.advance(120_000);
  stop.abort(failure("interrupted"));
  await stopped;
});

Deno.test("getFiles ends its wait at once for any other failure, and when it is stopped", async () => {
  using time = new FakeTime();
  const log = new ClientLog();
  const stop = new AbortController();
  const stopped = getWhenThere(
    {
      ...wanting(["a"], log),
      signal: stop.signal,
      onEvent: ({ event }) => {
        if (event === "waiting_for_files") stop.abort(failure("interrupted"));
      },
    },
    { waitMs: 60_000, get: findingIn([[]]).get },
  );
  const { kind } = await assertRejects(() => stopped, Failure);
  assertEquals(kind, "interrupted");
  const denied = findingIn([[], "not_allowed"]);
  const refused = getWhenThere(wanting(["a"], log), {
    waitMs: 60_000,
    get: denied.get,
  });
  const ended = assertRejects(() => refused, Failure);
  await time.advance(1_000);
  assertEquals((await ended).kind, "not_allowed");
  assertEquals(denied.asked.length, 2);
});

Deno.test("getFiles fetches a file that appears while it waits, and others before", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "here": "here" });
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = get(relay, folder.path, ["here", "later", everything("d/")], {
    log,
    waitMs: 60_000,
    limits: { waitFirstMs: 1, waitMostMs: 5, waitListsRatio: 0 },
  });
  await log.until("waiting_for_files");
  assertEquals(filesIn(folder.path), ["here"]);
  await Deno.writeTextFile(join(node.directory, "later"), "later");
  await Deno.mkdir(join(node.directory, "d"));
  await Deno.writeTextFile(join(node.directory, "d/f"), "in a folder");
  await Deno.mkdir(join(folder.path, "d"));
  const { failed, error } = await getting;
  assertEquals([failed, error], [{}, undefined]);
  assertEquals(filesIn(folder.path), ["d/f", "here", "later"]);
  assertEquals(log.of("file_failed"), []);
});
