/**
 * What a share leaves out: names with a dot, the node's patterns, the lines of
 * `.p2pignore`. Held to git where git has the same rules.
 */

import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import type { ShareFilter } from "../../lib/share/exclusions.ts";
import { Share } from "../../lib/share/share.ts";
import type { SharedPath } from "../../lib/share/shared_path.ts";
import type { ShareEvent } from "../../lib/share/upkeep_types.ts";
import { within } from "../_event_log.ts";
import { seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";

const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };

function namesOf(share: Share): string[] {
  return [...share.files()].map(({ name }) => name);
}

async function openWith(
  shared: string | readonly SharedPath[],
  filter: ShareFilter = {},
): Promise<Share> {
  return await Share.open(shared, limits, { filter });
}

Deno.test("A share leaves out names that begin with a dot, and has them with hidden", async () => {
  await using folder = await tempShare({
    "a": "",
    ".env": "",
    ".git/config": "",
    "b/.c/d": "",
    "b/..e": "",
    "b/f.": "", // no portable name
    "b/g.h": "",
  });
  using share = await openWith(folder.path);
  assertEquals(namesOf(share), ["a", "b/g.h"]);
  assertEquals(share.skipped.hidden, 4);
  for (const name of [".env", ".git/config", "b/.c/d", "b/..e"]) {
    assertEquals(await share.find(name), undefined, name);
  }
  assertEquals(
    [...share.skipEvents()].map((event) =>
      event.event === "skipped" && `${event.name}: ${event.rule}`
    ).slice(0, 2),
    [".env: its name begins with a dot", ".git: its name begins with a dot"],
  );
  using whole = await openWith(folder.path, { hidden: true });
  assertEquals(namesOf(whole), [
    ".env",
    ".git/config",
    "a",
    "b/..e",
    "b/.c/d",
    "b/g.h",
  ]);
  assertEquals(whole.skipped.hidden, 0);
});

Deno.test("A share leaves out names that match the node's patterns", async () => {
  const files = {
    "docs/a.tmp": "",
    "docs/b": "",
    "docs/old/b": "",
    "docs/keep.tmp": "",
    "docs/Cache/c": "",
    "photos/b.TMP": "",
    "photos/old/b": "",
    "x.tmp": "",
  };
  await using folder = await tempShare(files);
  const exclude = ["*.tmp", "!keep.tmp", "docs/old", "Cache/"];
  using whole = await openWith(folder.path, { exclude });
  const names = ["docs/b", "docs/keep.tmp", "photos/b.TMP", "photos/old/b"];
  assertEquals(namesOf(whole), names);
  assertEquals(whole.skipped.excluded, 4);
  const paths = ["docs", "photos", "x.tmp"].map((name) => ({
    path: join(folder.path, name),
  }));
  using parts = await openWith(paths, { exclude });
  assertEquals(namesOf(parts), names);
  assertEquals(parts.skipped.excluded, 4);
  for (const share of [whole, parts]) {
    for (const name of Object.keys(files)) {
      const found = await share.find(name);
      assertEquals(found?.name, names.includes(name) ? name : undefined);
    }
    const rules = [...share.skipEvents()].map((event) =>
      event.event === "skipped" && `${event.name}: ${event.rule}`
    );
    assertEquals(rules, [
      'docs/Cache: pattern "Cache/" excludes it',
      'docs/a.tmp: pattern "*.tmp" excludes it',
      'docs/old: pattern "docs/old" excludes it',
      'x.tmp: pattern "*.tmp" excludes it',
    ]);
  }
});

Deno.test("A pattern with an accent matches a name that the disk spells in parts", async () => {
  await using folder = await tempShare({
    [`é`.normalize("NFD")]: "",
    "é.tmp/x": "",
    ".p2pignore": "é.tmp\n".normalize("NFD"),
    "z": "",
  });
  using share = await openWith(folder.path, { exclude: ["é"] });
  assertEquals(namesOf(share), ["z"]);
});

/** Parts of names and patterns that meet often. */
const WORDS = ["a", "b", "ab", "a b", "c.d", "[x]", "#", "!n"];
const PATTERNS = [
  ...WORDS,
  ...["*", "a*", "?", "*.d", "**", "**/a", "a/**", "a/**/b", "[ab]", "\\#"],
  ...["\\!n", "\\[x\\]", "a\\ b", "b ", "/", "a/b", "/a", "*/b", "# no", ""],
];

async function gitOutput(
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const command = new Deno.Command("git", { args: [...args], cwd });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

testWith(
  ["git"],
  "A share has the files that git would see, whatever is in the .p2pignore of each folder",
  async () => {
    await using git = await tempShare();
    await gitOutput(["init", "-q", git.path], git.path);
    const random = seededRandom(15);
    const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
    let excluded = 0;
    for (let run = 0; run < 25; run++) {
      const files: Record<string, string> = {};
      for (let n = 0; n < 30; n++) {
        const depth = 1 + Math.floor(random() * 4);
        const parts = Array.from({ length: depth }, () => pick(WORDS));
        files[[...parts, `${n}${pick(WORDS)}`].join("/")] = "";
      }
      const folders = new Set([".", ...Object.keys(files).map(dirname)]);
      for (const folder of folders) {
        if (random() < 0.6) continue;
        const lines = Array.from({ length: 3 }, () => {
          const not = random() < 0.3 ? "!" : "";
          const root = random() < 0.2 ? "/" : "";
          return not + root + pick(PATTERNS) + (random() < 0.3 ? "/" : "");
        });
        files[join(folder, ".p2pignore")] = lines.join("\n");
      }
      await using folder = await tempShare(files);
      const listed = await gitOutput([
        ...[`--git-dir=${git.path}/.git`, `--work-tree=${folder.path}`],
        ...["ls-files", "-o", "-z", "--exclude-per-directory=.p2pignore"],
      ], folder.path);
      const seen = listed.split("\0").filter((name) => name !== "").toSorted();
      using share = await openWith(folder.path, { hidden: true });
      assertEquals(namesOf(share), seen, JSON.stringify(files, null, 1));
      excluded += share.skipped.excluded;
      // A name says the same by itself.
      for (const name of Object.keys(files)) {
        const found = await share.find(name);
        assertEquals(found?.name, seen.includes(name) ? name : undefined);
      }
    }
    assert(excluded > 40, `${excluded} excluded`);
  },
);

/** A share that is followed, and a wait for its names. */
async function followed(path: string, filter: ShareFilter = {}) {
  const quick = { ...limits, shareCheckMs: 20 };
  const share = await Share.open(path, quick, { isWatched: true, filter });
  const events: ShareEvent[] = [];
  let look = () => {};
  await share.follow({
    onChange: () => look(),
    onEvent: (event) => {
      events.push(event);
      look();
    },
  });
  const until = (what: string, isIt: () => boolean) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => isIt() && resolve();
    look();
    return within(promise, what);
  };
  return {
    share,
    events,
    until,
    has: (...names: readonly string[]) =>
      until(
        `a share of ${names.join(" ")}`,
        () => namesOf(share).join() === names.join(),
      ),
    [Symbol.asyncDispose]: () => share[Symbol.asyncDispose](),
  };
}

Deno.test("A .p2pignore that is added, changed or removed takes effect, also for new files", async () => {
  await using folder = await tempShare({
    "a.log": "",
    "b/a.log": "",
    "b/c": "",
    "b/d/a.log": "",
  });
  const { path } = folder;
  const write = (name: string, text: string) =>
    Deno.writeTextFile(join(path, name), text);
  await using here = await followed(path);
  await here.has("a.log", "b/a.log", "b/c", "b/d/a.log");
  await write("b/.p2pignore", "*.log\n");
  await here.has("a.log", "b/c");
  assertEquals(await here.share.find("b/d/a.log"), undefined);
  await write("b/new.log", "");
  await write("b/new", "");
  await here.has("a.log", "b/c", "b/new");
  assertEquals(await here.share.find("b/new.log"), undefined);
  await write("b/d/.p2pignore", "!a.log\n");
  await here.has("a.log", "b/c", "b/d/a.log", "b/new");
  await write(".p2pignore", "/b/\n");
  await here.has("a.log");
  await write("b/newer", "");
  await write("c", "");
  await here.has("a.log", "c");
  assertEquals(await here.share.find("b/newer"), undefined);
  await Deno.remove(join(path, ".p2pignore"));
  await here.has("a.log", "b/c", "b/d/a.log", "b/new", "b/newer", "c");
  await Deno.remove(join(path, "b/.p2pignore"));
  await here.has(
    ...["a.log", "b/a.log", "b/c", "b/d/a.log", "b/new", "b/new.log"],
    ...["b/newer", "c"],
  );
});

Deno.test("A .p2pignore that changes while the share is scanned leaves nothing behind", async () => {
  const files: Record<string, string> = {};
  for (let n = 0; n < 40; n++) files[`f${n % 8}/d/${n}.log`] = "";
  await using folder = await tempShare({ ...files, "z": "" });
  await using here = await followed(folder.path);
  await here.until("all", () => here.share.fileCount === 41);
  const { readDir } = Deno;
  let read = 0;
  Deno.readDir = async function* (path) {
    yield* await Array.fromAsync(readDir(path));
    if (++read !== 4) return;
    Deno.readDir = readDir;
    await Deno.writeTextFile(join(folder.path, ".p2pignore"), "*.log\n");
    await here.has("z"); // the scan that was going on waits here
  };
  try {
    await here.share.exclude({});
  } finally {
    Deno.readDir = readDir;
  }
  assertEquals(namesOf(here.share), ["z"]);
});

Deno.test("Exclusions of a node can be changed while it runs", async () => {
  await using folder = await tempShare({ "a.tmp": "", ".b": "", "c": "" });
  await using here = await followed(folder.path, { exclude: ["*.tmp"] });
  await here.has("c");
  await here.share.exclude({ hidden: true });
  assertEquals(namesOf(here.share), [".b", "a.tmp", "c"]);
  assertEquals(here.share.skipped.excluded, 0);
  await here.share.exclude({ exclude: ["c", "*.tmp"] });
  assertEquals(namesOf(here.share), []);
  assertEquals(await here.share.find("c"), undefined);
});

for (
  const [what, make] of [
    ["is a folder", (path: string) => Deno.mkdir(path)],
    ["is a link", (path: string) => Deno.symlink("../x", path)],
    [
      "is larger than it may be",
      (path: string) =>
        Deno.writeTextFile(path, "#".repeat(LIMITS.ignoreFileBytes + 1)),
    ],
  ] as const
) {
  Deno.test(`A folder whose .p2pignore ${what} is left out`, async () => {
    await using folder = await tempShare({ "a/b": "", "a/c/d": "", "x": "" });
    await make(join(folder.path, "a/.p2pignore"));
    using share = await openWith(folder.path);
    assertEquals(namesOf(share), ["x"]);
    assertEquals(share.skipped.rules, 1);
    assertEquals(await share.find("a/b"), undefined);
    assertEquals(await share.find("a/c/d"), undefined);
    assertEquals(
      [...share.skipEvents()].map((event) =>
        event.event === "skipped" && event
      ),
      [{
        event: "skipped",
        name: "a",
        kind: "rules",
        rule:
          "its .p2pignore cannot be read, is too large, or would take too long",
      }],
    );
  });
}

/** The folders of the deepest name that a share may have, all called "a". */
const DEEPEST = "a/".repeat(LIMITS.nameDepthCount - 1);

for (
  const [what, lines, isLeftOut] of [
    ["one pattern with four **", ["a/**/".repeat(4) + "b"], false],
    ["two patterns with four **", Array(2).fill("a/**/".repeat(4) + "b"), true],
    ["a pattern with fifteen **", ["a/**/".repeat(15) + "b"], true],
    [
      "2,048 patterns",
      Array.from({ length: 2_048 }, (_, n) => `${n}.x`),
      false,
    ],
    ["2,049 patterns", Array.from({ length: 2_049 }, (_, n) => `${n}.x`), true],
  ] satisfies [string, string[], boolean][]
) {
  Deno.test(`A share of the deepest folders, and ${what} for them, ${isLeftOut ? "is left out" : "has its files"}`, async () => {
    await using folder = await tempShare({
      [`${DEEPEST}c`]: "",
      ".p2pignore": lines.join("\n"),
    });
    using share = await openWith(folder.path);
    assertEquals(namesOf(share), isLeftOut ? [] : [`${DEEPEST}c`]);
  });
}

Deno.test("Patterns of folders within folders count together", async () => {
  const patterns = (letter: string) =>
    Array.from({ length: 1_025 }, (_, n) => `${n}${letter}`).join("\n");
  await using folder = await tempShare({
    ".p2pignore": patterns("x"),
    "a/.p2pignore": patterns("y"),
    "a/b": "",
    "c/d": "",
  });
  using share = await openWith(folder.path);
  assertEquals(namesOf(share), ["c/d"]);
});

Deno.test("A matcher gives the same answers after more names than it caches", async () => {
  const files: Record<string, string> = { ".p2pignore": "*.log\n" };
  const count = LIMITS.ignoreAnswerCount / 2;
  for (let n = 0; n < count; n++) files[`${n}.log`] = files[`${n}.txt`] = "";
  await using folder = await tempShare(files);
  using share = await openWith(folder.path);
  assertEquals([share.fileCount, share.skipped.excluded], [count, count]);
});

Deno.test("A share reports each name that looks private once", async () => {
  await using folder = await tempShare({
    ".env": "",
    ".git/config": "",
    ".git/key.pem": "",
    "node_modules/a/node_modules/b/c.pem": "",
    "work/id_ed25519": "",
    "work/id_ed25519.pub": "",
    "work/id_card.jpg": "",
  });
  await using here = await followed(folder.path, { hidden: true });
  const risky = () =>
    here.events.filter(({ event }) => event === "share_risky");
  await here.until("a warning", () => risky().length > 0);
  const names = [".env", ".git/", "node_modules/", "work/id_ed25519"];
  assertEquals(risky(), [{ event: "share_risky", names, count: 4 }]);
  await here.share.exclude({ hidden: true }); // scans again
  await Deno.writeTextFile(join(folder.path, "work/server.pem"), "");
  await here.until("another", () => risky().length > 1);
  assertEquals(risky().slice(1), [
    { event: "share_risky", names: ["work/server.pem"], count: 1 },
  ]);
  await using quiet = await followed(folder.path, {
    exclude: ["node_modules", "id_*", "*.pem"],
  });
  assertEquals(namesOf(quiet.share), []);
  assertEquals(quiet.events, []);
});
