/**
 * A share whose folder changes under it: files that come at the wrong moment,
 * and folders that are moved away, replaced, and put back.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createIdentity, formatIdentity } from "../../lib/identity/identity.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { ShareFilter } from "../../lib/share/exclusions.ts";
import { Share } from "../../lib/share/share.ts";
import type { ShareEvent } from "../../lib/share/upkeep_types.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";

interface Followed extends AsyncDisposable {
  readonly share: Share;
  readonly events: readonly ShareEvent[];
  /** Waits until the share is as wanted. */
  until(what: string, isIt: () => boolean): Promise<void>;
}

async function followed(
  root: string,
  overrides: Partial<Limits> = {},
  filter: ShareFilter = {},
): Promise<Followed> {
  const limits = { ...LIMITS, shareCheckMs: 20, ...overrides };
  const share = await Share.open(root, limits, { isWatched: true, filter });
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
    until: (what, isIt) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      look = () => isIt() && resolve();
      look();
      return within(promise, what);
    },
    [Symbol.asyncDispose]: () => share[Symbol.asyncDispose](),
  };
}

function namesOf(share: Share): string {
  return [...share.files()].map(({ name }) => name).join(" ");
}

/** Calls `after` once, when the entries of `folder` have been read. */
function afterReading(folder: string, after: () => void): Disposable {
  const { readDir } = Deno;
  Deno.readDir = async function* (path) {
    yield* await Array.fromAsync(readDir(path));
    if (path !== folder) return;
    Deno.readDir = readDir;
    after();
  };
  return { [Symbol.dispose]: () => void (Deno.readDir = readDir) };
}

/** Counts how often `folder` is read. */
function countReading(folder: string): Disposable & { count: number } {
  const { readDir } = Deno;
  const counter = {
    count: 0,
    [Symbol.dispose]: () => void (Deno.readDir = readDir),
  };
  Deno.readDir = (path) => {
    if (path === folder) counter.count++;
    return readDir(path);
  };
  return counter;
}

function withoutWatching(): Disposable {
  const { watchFs } = Deno;
  Deno.watchFs = () => {
    throw Object.assign(new Error("watch"), { code: "ENOSPC" });
  };
  return { [Symbol.dispose]: () => void (Deno.watchFs = watchFs) };
}

Deno.test("Share finds a file that appears during the first scan", async () => {
  await using folder = await tempShare({ "1": "" });
  using _hook = afterReading(folder.path, () => {
    Deno.writeTextFileSync(join(folder.path, "late"), "late");
  });
  await using setup = await followed(folder.path);
  await setup.until("both", () => namesOf(setup.share) === "1 late");
});

Deno.test("Share finds a file that appears during a later scan", async () => {
  await using folder = await tempShare({ "1": "" });
  await using setup = await followed(folder.path, {
    rescanWatchedMs: 0,
    rescanPercent: 100,
  });
  using _hook = afterReading(folder.path, () => {
    Deno.writeTextFileSync(join(folder.path, "late"), "late");
  });
  assertEquals(await setup.share.find("unknown"), undefined);
  await setup.until("both", () => namesOf(setup.share) === "1 late");
});

const REPLACEMENTS: Readonly<
  Record<string, { replace: (root: string) => void; wanted: string }>
> = {
  "moved away and created again": {
    replace: (root) => {
      Deno.renameSync(root, `${root}.old`);
      Deno.mkdirSync(root);
      Deno.writeTextFileSync(join(root, "new"), "new");
    },
    wanted: "new",
  },
  "removed and created again": {
    replace: (root) => {
      Deno.removeSync(root, { recursive: true });
      Deno.mkdirSync(root);
      Deno.writeTextFileSync(join(root, "new"), "new");
    },
    wanted: "new",
  },
  "replaced by a file, and created again": {
    replace: (root) => {
      Deno.removeSync(root, { recursive: true });
      Deno.writeTextFileSync(root, "");
      Deno.removeSync(root);
      Deno.mkdirSync(join(root, "sub"), { recursive: true });
      Deno.writeTextFileSync(join(root, "sub/new"), "new");
    },
    wanted: "sub/new",
  },
  "moved away and back": {
    replace: (root) => {
      Deno.renameSync(root, `${root}.old`);
      Deno.writeTextFileSync(join(`${root}.old`, "new"), "new");
      Deno.renameSync(`${root}.old`, root);
    },
    wanted: "new old",
  },
};

for (const isWatched of [true, false]) {
  for (const [how, { replace, wanted }] of Object.entries(REPLACEMENTS)) {
    Deno.test(`Share finds existing and later files after its folder was ${how} (watched: ${isWatched})`, async () => {
      await using folder = await tempShare({ "s/old": "old" });
      const root = join(folder.path, "s");
      using _unwatched = isWatched ? undefined : withoutWatching();
      await using setup = await followed(root, {
        rescanPauseMs: 0,
        rescanPercent: 100,
      });
      replace(root);
      await setup.until(wanted, () => namesOf(setup.share) === wanted);
      await Deno.writeTextFile(join(root, "z"), "z");
      await setup.until("z", () => namesOf(setup.share) === `${wanted} z`);
      assertEquals(await setup.share.isReadable(), true);
    });
  }
}

for (const isWatched of [true, false]) {
  Deno.test(`Share reports that its folder is missing, and that it is back (watched: ${isWatched})`, async () => {
    await using folder = await tempShare({ "s/1": "one", "s/2": "two" });
    const root = join(folder.path, "s");
    using _unwatched = isWatched ? undefined : withoutWatching();
    await using setup = await followed(root);
    const { share } = setup;
    const file = share.named("1")!;
    share.learn(file, { content: "c".repeat(64), sha256: "d".repeat(64) });
    await Deno.rename(root, `${root}.away`);
    const reported = (event: string) => () =>
      setup.events.some((other) => other.event === event);
    await setup.until("the end", reported("share_gone"));
    assertEquals(share.fileCount, 0);
    assertEquals([...share.files()], []);
    assertEquals(await share.find("1"), undefined);
    assertEquals(share.versioned(file.version), undefined);
    assertEquals(await share.isReadable(), false);
    await Deno.rename(`${root}.away`, root);
    await setup.until("the return", reported("share_back"));
    assertEquals(namesOf(share), "1 2");
    assertEquals(share.digestOf(file)?.content, "c".repeat(64), "not again");
    const own = setup.events.filter(({ event }) => event !== "share_unwatched");
    assertEquals(own, [
      {
        event: "share_gone",
        directory: root,
        files: 2,
        why: "no such file or folder",
      },
      { event: "share_back", directory: root, files: 2 },
    ]);
  });
}

Deno.test("Share reports that it cannot be watched, and is scanned instead", async () => {
  await using folder = await tempShare({ "1": "" });
  using _unwatched = withoutWatching();
  await using setup = await followed(folder.path, { rescanPauseMs: 0 });
  await setup.until("a word", () => setup.events.length > 0);
  assertEquals(setup.events, [{
    event: "share_unwatched",
    directory: folder.path,
    why: "no space left on the disk",
  }]);
  await Deno.writeTextFile(join(folder.path, "2"), "");
  await setup.until("both", () => namesOf(setup.share) === "1 2");
});

Deno.test("A watched Share is not scanned for unknown names", async () => {
  await using folder = await tempShare({ "1": "" });
  await using setup = await followed(folder.path);
  using reading = countReading(folder.path);
  for (let n = 0; n < 100; n++) await setup.share.find(`unknown ${n}`);
  assertEquals(reading.count, 0);
});

Deno.test("A watched Share is scanned once in rescanWatchedMs for a name that the disk may spell differently", async () => {
  await using folder = await tempShare({ "1": "" });
  await using setup = await followed(folder.path, { rescanPercent: 100 });
  using reading = countReading(folder.path);
  const { now } = performance;
  try {
    const start = now.call(performance);
    performance.now = () => start + LIMITS.rescanWatchedMs / 2;
    await setup.share.find("unknown é");
    assertEquals(reading.count, 0);
    performance.now = () => start + 2 * LIMITS.rescanWatchedMs;
    await Promise.all([1, 2, 3].map((n) => setup.share.find(`unknown é${n}`)));
    assertEquals(reading.count, 1);
  } finally {
    performance.now = now;
  }
});

Deno.test("Share spends at most 5 % of the time on scans, however long one takes", async () => {
  await using folder = await tempShare({ "1": "" });
  const { now } = performance;
  let time = Math.round(now.call(performance)); // so that sums are exact
  performance.now = () => time;
  try {
    using _slow = afterReading(folder.path, () => time += 10_000);
    const limits = { ...LIMITS, rescanPauseMs: 0 };
    await using share = await Share.open(folder.path, limits);
    using reading = countReading(folder.path);
    time += 189_999;
    await share.find("unknown é");
    assertEquals(reading.count, 0);
    time += 1;
    await share.find("unknown é");
    assertEquals(reading.count, 1);
  } finally {
    performance.now = now;
  }
});

Deno.test("Share notices a folder that is moved in and out again and again", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`out/${n % 7}/${n}`, "x"]),
  );
  await using folder = await tempShare({ "s/1": "", ...files });
  const [root, out] = [join(folder.path, "s"), join(folder.path, "out")];
  await using setup = await followed(root);
  for (let round = 0; round < 3; round++) {
    await Deno.rename(out, join(root, "in"));
    await setup.until("all", () => setup.share.fileCount === 301);
    await Deno.rename(join(root, "in"), out);
    await setup.until("one", () => setup.share.fileCount === 1);
  }
  assertEquals(setup.share.skipped.unreadable, 0);
});

Deno.test("Share counts a skipped entry once, however often it is touched", async () => {
  await using folder = await tempShare({ "s/1": "", "d/2": "" });
  const root = join(folder.path, "s");
  await using setup = await followed(root);
  await Deno.symlink("1", join(root, "link"));
  await Deno.symlink("2", join(folder.path, "d/link"));
  for (let round = 0; round < 3; round++) {
    await Deno.rename(join(folder.path, "d"), join(root, "d"));
    await setup.until("both", () => namesOf(setup.share) === "1 d/2");
    assertEquals(setup.share.skipped.link, 2);
    await Deno.rename(join(root, "d"), join(folder.path, "d"));
    await setup.until("one", () => namesOf(setup.share) === "1");
    assertEquals(setup.share.skipped.link, 1);
  }
});

Deno.test("Share hands out a listing in slices that continue wherever it has changed", async () => {
  const names = Array.from({ length: 500 }, (_, n) => `d/${1000 + n}`);
  await using folder = await tempShare({
    "a": "",
    "e": "",
    ...Object.fromEntries(names.map((name) => [name, ""])),
  });
  await using share = await Share.open(folder.path, {
    ...LIMITS,
    rescanPauseMs: 0,
    rescanPercent: 100,
  });
  const listed: string[] = [];
  let slices = 0;
  for (const files of share.browse("d/")) {
    assert(files.length <= 64);
    listed.push(...files.map(({ name }) => name));
    if (++slices > 1) continue;
    for (const name of [names[0]!, names[200]!, listed.at(-1)!]) {
      await Deno.remove(join(folder.path, name));
    }
    await Deno.writeTextFile(join(folder.path, "d/0"), ""); // has been passed
    await Deno.writeTextFile(join(folder.path, "d/9"), "");
    await share.find("unknown é"); // looks through all of it
  }
  assertEquals(listed, [
    ...names.filter((name) => name !== names[200]),
    "d/9",
  ]);
  const rest = [...share.browse("d/14", "d/1490")];
  assertEquals(rest.flat().map(({ name }) => name), names.slice(491));
});

Deno.test("Share never serves an identity or a token of relay-p2p, under any name and at any time", async () => {
  const token = `p2p-client-${"a2".repeat(20)}\n`;
  const identity = formatIdentity(await createIdentity());
  await using folder = await tempShare({
    "s/a": "a",
    "s/.p2p/identity.pem": identity,
    "s/notes": token,
    "s/later": "nothing secret yet, and about as long as a token is\n",
  });
  const root = join(folder.path, "s");
  await using setup = await followed(root, {}, { hidden: true });
  const { share } = setup;
  assertEquals(namesOf(share), "a later");
  assertEquals(share.skipped.secret, 2);
  await Deno.writeTextFile(join(root, "copy"), identity);
  await setup.until("counted", () => share.skipped.secret === 3);
  for (const name of [".p2p/identity.pem", "notes", "copy"]) {
    assertEquals(await share.find(name), undefined, name);
  }
  await Deno.writeTextFile(join(root, "later"), token);
  assertEquals(await share.find("later"), undefined);
});

Deno.test("Share shows nothing of the folder that its link has led to before", async () => {
  await using folder = await tempShare({
    "1/both": "old",
    "1/only 1": "1",
    "2/both": "newer",
    "2/only 2": "2",
  });
  const link = join(folder.path, "current");
  await Deno.symlink("1", link);
  await using one = await followed(link);
  await Deno.remove(link);
  await Deno.symlink("2", link);
  const isBack = () => one.events.some(({ event }) => event === "share_back");
  await one.until("the other folder", isBack);
  const names = [...one.share.files()].map(({ name }) => name);
  assertEquals(names, ["both", "only 2"]);
  assertEquals((await one.share.find("both"))?.size, 5);
});
