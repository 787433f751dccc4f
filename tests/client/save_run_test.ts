import { assertEquals, assertStrictEquals } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { aborted } from "../../lib/base/waiting.ts";
import type { Job } from "../../lib/client/jobs.ts";
import { SaveReport } from "../../lib/client/save_report.ts";
import { SaveRun } from "../../lib/client/save_run.ts";
import type { Targets } from "../../lib/client/targets.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { within } from "../_event_log.ts";

/** A job for a file of two pieces that nodes need not send. */
function job(name: string): Job {
  const size = 300_000;
  const group = { size, content: undefined, offers: [], votes: 0 };
  return {
    ...{ name, path: `/there/${name}`, isVoted: false, sources: new Map() },
    group: group as unknown as Job["group"],
  };
}

Deno.test("SaveRun keeps files open until all pending writes end, even if the disk fails", async () => {
  const log: string[] = [];
  const finishing = Promise.withResolvers<void>();
  const gone = new Failure("local", {
    what: "Cannot save file",
    why: "its folder does not exist",
    cause: new Deno.errors.NotFound("gone"),
  });
  const targets = {
    openCount: 0,
    lookAhead: () => undefined,
    askAhead: () => Promise.resolve(undefined),
    isMistaken: () => false,
    open: ({ name, group: { size } }: Job) => {
      if (name === "second") return Promise.reject(gone);
      const finish = () => finishing.promise.then(() => void log.push("saved"));
      const sink = { write: () => Promise.resolve(), finish };
      const sources = new Map<string, string>();
      return Promise.resolve({ name, size, sources, have: [0, 1], sink });
    },
    release: () => Promise.resolve(),
    sync: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => {
      log.push("closed");
      return Promise.resolve();
    },
  };
  const stop = new AbortController();
  const run = new SaveRun({
    limits: LIMITS,
    rate: undefined,
    connections: 1,
    lowestBytesPerSecond: 0,
    hasher: new PlainHasher(),
    stop,
    signal: stop.signal,
    targets: targets as unknown as Targets,
    outcomes: new SaveReport(() => {}, {
      nodeOf: () => undefined as never,
      isHolder: () => false,
    }),
    again: () => Promise.reject(new Error("not asked")),
    otherwise: () => Promise.reject(new Error("not asked")),
    besides: (_job, failure) => Promise.resolve(failure),
    isDisbelieved: () => false,
    elsewhere: () => Promise.resolve(undefined),
    nodeName: String,
    onTrouble: () => {},
  });
  const batches = async function* () {
    yield await Promise.resolve([job("first"), job("second")]);
  };
  const failed = run.run(batches()).then(() => "it did not", (error) => error);
  await within(aborted(stop.signal), "the end of the run");
  // All that does not wait for the file happens now.
  await new Promise((resolve) => setTimeout(resolve));
  finishing.resolve();
  assertStrictEquals(await within(failed, "the failure"), gone);
  assertEquals(log, ["saved", "closed"]);
});
