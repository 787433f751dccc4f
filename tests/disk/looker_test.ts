/**
 * Small files that are there already, looked at several at a time: on the spot
 * and in a worker.
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { startLooker } from "../../lib/disk/looker.ts";
import {
  type FileToLookAt,
  type Looked,
  makeLooker,
} from "../../lib/disk/looker_code.ts";
import { Looks } from "../../lib/disk/looks.ts";
import { type OrderPort, Orders } from "../../lib/disk/orders.ts";
import { HASHED_AT_ONCE_BYTES } from "../../lib/transfer/hashing.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const CONTENT = randomBytes(5_000, seededRandom(1));
const LARGE = new Uint8Array(HASHED_AT_ONCE_BYTES + 1);

type LookAll = (files: readonly FileToLookAt[]) => Promise<Looked[]>;

async function inWorker(files: readonly FileToLookAt[]): Promise<Looked[]> {
  using looker = startLooker();
  return await Promise.all(files.map((file) => looker.add(file)));
}

const here = makeLooker(createHash, HASHED_AT_ONCE_BYTES);
const PLACES: readonly { where: string; look: LookAll }[] = [
  { where: "on the spot", look: (files) => Promise.resolve(here(files)) },
  { where: "in a worker", look: inWorker },
];

/** What was found, without owner and mode. */
function plain(looked: Looked): string {
  return looked.kind === "file" ? looked.hash.toHex() : looked.kind;
}

for (const { where, look } of PLACES) {
  Deno.test({
    name:
      `A looker ${where} hashes regular files of the wanted size, and leaves everything else to its caller`,
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

  Deno.test(`A looker ${where} finds nothing in a folder that took the place of the judged one`, async () => {
    await using folder = await tempShare({ "a/f": CONTENT, "b/f": CONTENT });
    const judge = async (name: string) => {
      const path = join(folder.path, name);
      const { ino, dev } = await Deno.lstat(path);
      return { path, ino, dev };
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

/** A looker that answers nothing, and what it was asked. */
function silent() {
  const asked: string[] = [];
  const port: OrderPort<FileToLookAt, Looked> = {
    send: ({ files }) => void asked.push(...files.map(({ path }) => path)),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => void asked.push("ended"),
  };
  const looker = new Orders(port, LIMITS.lookedAheadCount);
  return { asked, looker };
}

Deno.test("Looks are worth it once many files were found", () => {
  using looks = new Looks({ signal: new AbortController().signal });
  for (let n = 0; n < LIMITS.lookedHereCount; n++) {
    assertEquals(looks.isWorthIt, false);
    looks.found();
  }
  assertEquals(looks.isWorthIt, true);
});

Deno.test("Looks end without a result when the run does, even if the worker does not answer", async () => {
  const { asked, looker } = silent();
  const stop = new AbortController();
  using looks = new Looks({ signal: stop.signal, start: () => looker });
  const looking = looks.look({ path: "f", size: 1, judged: undefined });
  await Promise.resolve(); // the order goes out
  assertEquals(asked, ["f"]);
  stop.abort();
  assertEquals(await within(looking, "the end"), { kind: "other" });
  assertEquals(asked, ["f", "ended"]);
  assertEquals(looks.isWorthIt, false);
});
