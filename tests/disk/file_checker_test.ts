/**
 * Small files that are there already, looked at several at a time: on the spot
 * and in a worker.
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "@std/path";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { startFileChecker } from "../../lib/disk/file_checker.ts";
import {
  type CheckedFile,
  type FileToCheck,
  makeFileChecker,
} from "../../lib/disk/file_checker_code.ts";
import { AheadChecks } from "../../lib/disk/ahead_checks.ts";
import { type OrderPort, Orders } from "../../lib/disk/orders.ts";
import { contentIdAt } from "../../lib/disk/rehash.ts";
import {
  HASHED_AT_ONCE_BYTES,
  PlainHasher,
} from "../../lib/transfer/hashing.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";

const CONTENT = randomBytes(5_000, seededRandom(1));
const LARGE = new Uint8Array(HASHED_AT_ONCE_BYTES + 1);

type LookAll = (files: readonly FileToCheck[]) => Promise<CheckedFile[]>;

async function inWorker(files: readonly FileToCheck[]): Promise<CheckedFile[]> {
  using checker = startFileChecker();
  return await Promise.all(files.map((file) => checker.add(file)));
}

const here = makeFileChecker({ createHash, ...fs }, HASHED_AT_ONCE_BYTES);
const PLACES: readonly { where: string; look: LookAll }[] = [
  { where: "on the spot", look: (files) => Promise.resolve(here(files)) },
  { where: "in a worker", look: inWorker },
];

/** What was found, without owner and mode. */
function plain(looked: CheckedFile): string {
  return looked.kind === "file" ? looked.hash.toHex() : looked.kind;
}

for (const { where, look } of PLACES) {
  Deno.test({
    name:
      `A file checker ${where} hashes regular files of the wanted size, and leaves everything else to its caller`,
    ignore: Deno.build.os === "windows", // links need a permission there
    fn: async () => {
      await using folder = await tempShare({
        "right": CONTENT,
        "empty": "",
        "short": CONTENT.subarray(1),
        "large": LARGE,
        "twice": CONTENT,
        "folder/f": "",
      });
      const at = (name: string) => join(folder.path, name);
      await Deno.symlink(at("right"), at("link"));
      await Deno.link(at("twice"), at("again"));
      const wanted: readonly [string, number, string][] = [
        ["right", CONTENT.length, sha256(CONTENT).toHex()],
        ["empty", 0, ""],
        ["short", CONTENT.length, "other"],
        ["large", LARGE.length, "other"],
        ["twice", CONTENT.length, "other"],
        ["link", CONTENT.length, "other"],
        ["folder", 0, "other"],
        ["missing", CONTENT.length, "none"],
        ["right/missing", CONTENT.length, "other"],
      ];
      const looked = await look(wanted.map(([name, size]) => ({
        path: at(name),
        size,
        judged: undefined,
      })));
      assertEquals(looked.map(plain), wanted.map(([, , found]) => found));
      const [right] = looked;
      assert(right?.kind === "file");
      const { uid, mode } = await Deno.lstat(at("right"));
      assertEquals([right.uid, right.mode], [uid, mode]);
    },
  });

  Deno.test(`A file checker ${where} finds nothing in a folder that replaced the one that was checked`, async () => {
    await using folder = await tempShare({ "a/f": CONTENT, "b/f": CONTENT });
    const judge = async (name: string) => {
      const path = join(folder.path, name);
      const { ino, dev } = await Deno.lstat(path);
      return { path, ino, dev, mayBeLinked: false };
    };
    const [a, b] = [await judge("a"), await judge("b")];
    const size = CONTENT.length;
    const looked = await look([
      { path: join(a.path, "f"), size, judged: a },
      { path: join(b.path, "f"), size, judged: { ...b, ino: a.ino } },
    ]);
    assertEquals(looked.map(plain), [sha256(CONTENT).toHex(), "other"]);
  });
}

testWith(
  ["mkfifo"],
  "A pipe in place of a small file blocks nothing, and counts as no file",
  async () => {
    await using folder = await tempShare({ "right": CONTENT });
    const [right, pipe] = ["right", "pipe"].map((name) =>
      join(folder.path, name)
    ) as [string, string];
    const made = new Deno.Command("mkfifo", { args: [pipe] });
    assert((await made.output()).success);
    // Ends a wait for the pipe after a while: with the right bytes.
    const late = new Deno.Command("sh", {
      args: ["-c", `sleep 30; cat '${right}' >'${pipe}'`],
    }).spawn();
    try {
      const size = CONTENT.length;
      const options = { size, hasher: new PlainHasher(), isFresh: true };
      assertEquals(await contentIdAt(pipe, options), undefined);
      const { lstatSync } = Deno;
      using _race = replaced(Deno, "lstatSync", () => () => lstatSync(right));
      const [found] = here([{ path: pipe, size, judged: undefined }]);
      assertEquals(found, { kind: "other" });
    } finally {
      late.kill("SIGKILL");
      await late.status;
    }
  },
);

/** A file checker that answers nothing, and what it was asked. */
function silent() {
  const asked: string[] = [];
  const port: OrderPort<FileToCheck, CheckedFile> = {
    send: ({ files }) => void asked.push(...files.map(({ path }) => path)),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => void asked.push("ended"),
  };
  const checker = new Orders(port, LIMITS.lookedAheadCount);
  return { asked, checker };
}

Deno.test("AheadChecks are worth it once many files were found", () => {
  using checks = new AheadChecks({ signal: new AbortController().signal });
  for (let n = 0; n < LIMITS.lookedHereCount; n++) {
    assertEquals(checks.isWorthIt, false);
    checks.found();
  }
  assertEquals(checks.isWorthIt, true);
});

Deno.test("AheadChecks end without a result when the run does, even if the worker does not answer", async () => {
  const { asked, checker } = silent();
  const stop = new AbortController();
  using checks = new AheadChecks({ signal: stop.signal, start: () => checker });
  const looking = checks.look({ path: "f", size: 1, judged: undefined });
  await Promise.resolve(); // the order goes out
  assertEquals(asked, ["f"]);
  stop.abort();
  assertEquals(await within(looking, "the end"), { kind: "other" });
  assertEquals(asked, ["f", "ended"]);
  assertEquals(checks.isWorthIt, false);
});

Deno.test("A file checker reads nothing through a link that somebody puts in place of a file", async () => {
  await using folder = await tempShare({ "f": "mine", "other": "ours" });
  const [path, other] = [join(folder.path, "f"), join(folder.path, "other")];
  const openSync = () => fs.openSync(other, "r");
  const tools = { createHash, ...fs, openSync: openSync as typeof fs.openSync };
  const look = makeFileChecker(tools, HASHED_AT_ONCE_BYTES);
  const [found] = look([{ path, size: 4, judged: undefined }]);
  assertEquals(found?.kind, "other");
});
