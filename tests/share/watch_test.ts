/**
 * The watch of a large folder, which begins in a worker while the folder is
 * scanned.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import type { ShareEvent } from "../../lib/share/upkeep_types.ts";
import {
  runWatch,
  WatchBeside,
  type WatchPort,
  type WatchReply,
} from "../../lib/share/watch_source.ts";
import { within } from "../_event_log.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";

/** A share that is watched in a worker if it has any file, and its events. */
async function followed(
  root: string,
  overrides: Partial<Limits> = {},
) {
  const limits = {
    ...LIMITS,
    shareCheckMs: 20,
    watchedHereCount: 0,
    ...overrides,
  };
  const share = await Share.open(root, limits, { isWatched: true });
  const events: ShareEvent[] = [];
  let look = () => {};
  await share.follow({
    onChange: () => look(),
    onEvent: (event) => {
      events.push(event);
      look();
    },
  });
  return {
    share,
    events,
    names: () => [...share.files()].map(({ name }) => name).join(" "),
    until: (what: string, isIt: () => boolean) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      look = () => isIt() && resolve();
      look();
      return within(promise, what);
    },
    [Symbol.asyncDispose]: () => share[Symbol.asyncDispose](),
  };
}

Deno.test("Share sees changes of a large folder, reported by a watch in a worker", async () => {
  await using folder = await tempShare({ "a": "a", "d/b": "b" });
  // No scan but the first two: what comes later was reported.
  await using setup = await followed(folder.path, { rescanPercent: 0.01 });
  const write = (name: string) =>
    Deno.writeTextFile(join(folder.path, name), name);
  await write("late");
  await setup.until("late", () => setup.names() === "a d/b late");
  await write("d/later");
  await setup.until("later", () => setup.names() === "a d/b d/later late");
  await Deno.remove(join(folder.path, "a"));
  await setup.until("one less", () => setup.names() === "d/b d/later late");
  assertEquals(setup.events, []);
});

Deno.test("Share reports that the watch of a large folder fails, and scans it at intervals", async () => {
  await using folder = await tempShare({ "a": "a" });
  class Failing {
    onmessage: WatchPort["onmessage"] = null;
    onerror: WatchPort["onerror"] = null;
    constructor() {
      queueMicrotask(() => {
        const data: WatchReply = {
          kind: "failed",
          name: "Error",
          message: "watch",
          code: "ENOSPC",
        };
        this.onmessage?.(new MessageEvent("message", { data }));
      });
    }
    terminate(): void {}
  }
  using _worker = replaced(
    globalThis,
    "Worker",
    () => Failing as unknown as typeof Worker,
  );
  await using setup = await followed(folder.path, {
    rescanPauseMs: 1,
    rescanPercent: 100,
  });
  await setup.until("the event", () => setup.events.length > 0);
  assertEquals(setup.events.map(({ event }) => event), ["share_unwatched"]);
  await Deno.writeTextFile(join(folder.path, "late"), "late");
  await setup.until("late", () => setup.names() === "a late");
});

Deno.test("Share starts its first scan again when the watch starts during that scan", async () => {
  await using folder = await tempShare({ "a": "a", "b": "b" });
  let begin = () => {};
  class Held {
    onmessage: WatchPort["onmessage"] = null;
    onerror: WatchPort["onerror"] = null;
    constructor() {
      begin = () => {
        const data: WatchReply = { kind: "ready" };
        this.onmessage?.(new MessageEvent("message", { data }));
      };
    }
    terminate(): void {}
  }
  using _worker = replaced(
    globalThis,
    "Worker",
    () => Held as unknown as typeof Worker,
  );
  const { readDir } = Deno;
  let reads = 0;
  using _reading = replaced(
    Deno,
    "readDir",
    () =>
      async function* (path: string | URL) {
        yield* await Array.fromAsync(readDir(path));
        if (++reads > 1) return;
        begin(); // while the first scan reads
        // Not reported: the watch has begun, and nobody reports its events.
        await Deno.writeTextFile(join(folder.path, "late"), "late");
      },
  );
  await using setup = await followed(folder.path, { rescanPercent: 0.01 });
  assertEquals(setup.names(), "a b late");
  assertEquals(reads, 2);
});

Deno.test("Share scans everything when more changes than reportedChangeCount are reported at once", async () => {
  await using folder = await tempShare({ "a": "a" });
  let report = (_paths: string[]) => {};
  class Reporting {
    onmessage: WatchPort["onmessage"] = null;
    onerror: WatchPort["onerror"] = null;
    constructor() {
      const say = (data: WatchReply) =>
        this.onmessage?.(new MessageEvent("message", { data }));
      queueMicrotask(() => say({ kind: "ready" }));
      report = (paths) =>
        say({ kind: "event", event: { kind: "modify", paths } });
    }
    terminate(): void {}
  }
  using _worker = replaced(
    globalThis,
    "Worker",
    () => Reporting as unknown as typeof Worker,
  );
  await using setup = await followed(folder.path, {
    rescanPercent: 100,
    rescanWatchedMs: 1,
    reportedChangeCount: 2,
  });
  const at = (name: string) => join(folder.path, name);
  for (const name of ["b", "c"]) await Deno.writeTextFile(at(name), name);
  report([at("c"), at("missing")]);
  await setup.until("the change", () => setup.names() === "a c");
  report([at("missing"), at("missing 2"), at("missing 3")]);
  await setup.until("all of them", () => setup.names() === "a b c");
});

Deno.test("A watch in a worker ends with the unchanged error of the system", async () => {
  const replies: WatchReply[] = [];
  await runWatch(join(Deno.cwd(), "missing"), {
    postMessage: (reply) => replies.push(reply),
  });
  const port: WatchPort = {
    onmessage: null,
    onerror: null,
    terminate: () => {},
  };
  const watch = new WatchBeside(port);
  assertEquals(replies.map(({ kind }) => kind), ["failed"]);
  port.onmessage!(new MessageEvent("message", { data: replies[0]! }));
  const error = await watch.ready.catch((error) => error);
  assertEquals(error.name, "NotFound");
  const iterated = await Array.fromAsync(watch).catch((error) => error);
  assertEquals(iterated, error);
});
