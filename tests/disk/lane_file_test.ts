/**
 * A partial file whose pieces are verified and written in a lane.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import {
  type Hasher,
  hashParts,
  type LaneFile,
  PlainHasher,
} from "../../lib/transfer/hashing.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { LaneConn } from "../../lib/transfer/lane_conn.ts";
import { startLane } from "../../lib/transfer/lane.ts";
import type { PiecesSaving } from "../../lib/transfer/receiving.ts";
import { within } from "../_event_log.ts";
import { laneHere } from "../_lane.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const PIECE = 256 * 1024;
const MODIFIED_MS = 1_600_000_000_123;
/** Three pieces, the last of them short. */
const CONTENT = randomBytes(2 * PIECE + 100, seededRandom(1));
const HASHES = new Uint8Array(
  hashParts(CONTENT, PIECE).flatMap((hash) => [...hash]),
);
const MANIFEST = new Manifest(CONTENT.length, HASHES);

const PLACES: readonly { where: string; start: () => Hasher }[] = [
  { where: "in this thread", start: laneHere },
  { where: "in a worker", start: startLane },
];

/** A partial file that the lane has opened, where it can. */
async function open(
  path: string,
  hasher: Hasher,
  overwrite = false,
): Promise<PartialFile> {
  const partial = await PartialFile.open(path, {
    size: CONTENT.length,
    modifiedMs: MODIFIED_MS,
    overwrite,
    hasher,
  });
  // Answered after the file was opened, and noticed a few turns later.
  await within(hasher.hash(new Uint8Array(), 1), "an answer");
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return partial;
}

/** Has pieces saved, of the content unless others are given. */
function save(
  partial: PartialFile,
  first: number,
  end = first + 1,
  content = CONTENT,
): PiecesSaving {
  const bytes = content.subarray(first * PIECE, end * PIECE);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const saving = partial.save(
    first,
    shared,
    HASHES.slice(32 * first, 32 * end),
  );
  assert(saving !== undefined, "it is not open in the lane");
  return saving;
}

function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

for (const { where, start } of PLACES) {
  Deno.test(`PartialFile lets a lane ${where} write its pieces, and waits for all of them`, async () => {
    using hasher = start();
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path, hasher);
    const saving = [save(partial, 1, 3), save(partial, 0), save(partial, 0)];
    await within(partial.finish(), "its end");
    const right = await Promise.all(saving.map(({ right }) => right));
    assertEquals(right, [2, 1, 1]);
    assertEquals(namesIn(folder.path), ["file"]);
    assertEquals(hashParts(await Deno.readFile(path), PIECE), [
      ...hashParts(CONTENT, PIECE),
    ]);
    assertEquals((await Deno.stat(path)).mtime?.getTime(), MODIFIED_MS);
    assertEquals(
      partial.save(0, CONTENT, HASHES),
      undefined,
      "nothing is written after the end",
    );
  });

  Deno.test(`PartialFile keeps what a lane ${where} has written, and no wrong piece over a right one`, async () => {
    using hasher = start();
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path, hasher);
    await save(partial, 0, 2).written;
    const wrong = CONTENT.slice();
    wrong[PIECE] = wrong[PIECE]! ^ 1;
    const lie = save(partial, 0, 3, wrong);
    await partial.keep();
    assertEquals(await lie.right, 1);
    const again = await open(path, hasher);
    assertEquals(await again.resume(MANIFEST, hasher), [0, 1]);
    await save(again, 2).written;
    await again.finish();
    assertEquals(await Deno.readFile(path), CONTENT);
  });

  for (const lost of ["partial file", "folder"]) {
    Deno.test(`PartialFile says that its ${lost} was removed while a lane ${where} writes`, async () => {
      using hasher = start();
      await using folder = await tempShare({ "to/other": "" });
      const partial = await open(join(folder.path, "to", "file"), hasher);
      const gone = lost === "folder" ? "to" : "to/.file.p2p-part";
      await Deno.remove(join(folder.path, gone), { recursive: true });
      const error = await assertRejects(
        () => within(save(partial, 0).written, "an end"),
        Failure,
      );
      assertEquals(
        error.parts.why,
        `its ${lost} was removed while it was being received`,
      );
      await partial.keep();
    });
  }
}

Deno.test("PartialFile reports a full disk in the same words when a lane writes, and continues later", async () => {
  using hasher = laneHere();
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path, hasher);
  await save(partial, 0).written;
  const { writeSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.writeSync = () => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  };
  try {
    const { right, written } = save(partial, 1);
    const error = await assertRejects(() => within(written, "it"), Failure);
    assertEquals(await right, 1);
    assertEquals(error.kind, "local");
    assertEquals(error.parts.what, "Cannot save file");
    assertEquals(error.parts.why, "no space left on the disk");
  } finally {
    Deno.FsFile.prototype.writeSync = writeSync;
  }
  await partial.keep();
  const again = await open(path, hasher);
  assertEquals(await again.resume(MANIFEST, hasher), [0]);
  await again.discard();
  assertEquals(namesIn(folder.path), []);
});

Deno.test("PartialFile publishes nothing after a lane failed to write, though later writes succeed", async () => {
  using hasher = laneHere();
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path, hasher);
  const { writeSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.writeSync = () => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  };
  try {
    const failing = save(partial, 0).written;
    await assertRejects(() => within(failing, "it"), Failure);
  } finally {
    Deno.FsFile.prototype.writeSync = writeSync;
  }
  await save(partial, 1, 3).written;
  const error = await assertRejects(
    () => within(partial.finish(), "its end"),
    Failure,
  );
  assertEquals(error.parts.why, "no space left on the disk");
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
});

Deno.test("PartialFile writes by itself if there is no lane, or the lane cannot open the file", async () => {
  const blind = Object.assign(new PlainHasher(), {
    open: () => Promise.resolve(undefined),
  });
  const ended = Object.assign(new PlainHasher(), {
    open: () => Promise.reject(new Error("ended")),
  });
  for (const hasher of [new PlainHasher(), blind, ended]) {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path, hasher);
    assertEquals(partial.save(0, CONTENT, HASHES), undefined);
    await partial.write(0, CONTENT);
    await partial.finish();
    assertEquals(await Deno.readFile(path), CONTENT);
  }
});

for (const end of ["finish", "keep", "discard"] as const) {
  Deno.test(`PartialFile that ends by ${end} closes the file in a lane that opens it only then`, async () => {
    await using folder = await tempShare();
    const opening = Promise.withResolvers<LaneFile>();
    const order: string[] = [];
    const hasher: Hasher = {
      hash: () => Promise.reject(new Error("nothing is hashed")),
      open: () => opening.promise,
      [Symbol.dispose]: () => {},
    };
    const partial = await PartialFile.open(join(folder.path, "a.bin"), {
      size: CONTENT.length,
      modifiedMs: MODIFIED_MS,
      overwrite: false,
      hasher,
    });
    const ended = partial[end]().then(() => order.push("ended"));
    opening.resolve({
      save: () => {
        throw new Error("nothing is saved");
      },
      expect: () => undefined,
      close: () => {
        order.push("closed");
        return Promise.resolve();
      },
    });
    await within(ended, "the end");
    assertEquals(order, ["closed", "ended"]);
  });
}

/** A partial file of 1 GiB whose lane says that it has saved all it is asked. */
async function openLarge(
  path: string,
  sync = true,
): Promise<{ partial: PartialFile; saved: (pieces: number) => Promise<void> }> {
  const lane: LaneFile = {
    save: () => {
      throw new Error("it was not called");
    },
    expect: (_conn, _request, { hashes }) => ({
      right: hashes.length / 32,
      isWrong: false,
      hasName: true,
      error: undefined,
    }),
    close: () => Promise.resolve(),
  };
  const partial = await PartialFile.open(path, {
    size: 1024 ** 3,
    modifiedMs: MODIFIED_MS,
    overwrite: false,
    sync,
    hasher: Object.assign(new PlainHasher(), {
      open: () => Promise.resolve(lane),
    }),
  });
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  const conn = { forget: () => {} } as unknown as LaneConn;
  const saved = async (pieces: number) => {
    const bytes = pieces * PIECE;
    const hashes = new Uint8Array(32 * pieces);
    const reported = partial.expect(conn, 1, { first: 0, bytes, hashes });
    assert(reported !== undefined, "it is not open in the lane");
    await reported();
  };
  return { partial, saved };
}

/** Has `call` in place of `syncData` of all files, until disposed of. */
function syncsBy(call: () => Promise<void>): Disposable {
  const { syncData } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.syncData = call;
  return {
    [Symbol.dispose]: () => void (Deno.FsFile.prototype.syncData = syncData),
  };
}

const EARLY_PIECES = LIMITS.earlySyncBytes / PIECE;

Deno.test("PartialFile syncs each 128 MiB that a lane has written, once at a time, and not with --no-sync", async () => {
  await using folder = await tempShare({});
  const syncs: PromiseWithResolvers<void>[] = [];
  using _syncs = syncsBy(() => {
    syncs.push(Promise.withResolvers());
    return syncs.at(-1)!.promise;
  });
  const { partial, saved } = await openLarge(join(folder.path, "a"));
  await saved(EARLY_PIECES - 1);
  assertEquals(syncs.length, 0);
  await saved(1);
  assertEquals(syncs.length, 1);
  await saved(2 * EARLY_PIECES);
  assertEquals(syncs.length, 1, "the first is still under way");
  syncs[0]!.resolve();
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  await saved(1);
  assertEquals(syncs.length, 2);
  syncs[1]!.resolve();
  await partial.discard();
  const other = await openLarge(join(folder.path, "b"), false);
  await other.saved(2 * EARLY_PIECES);
  assertEquals(syncs.length, 2);
  await other.partial.discard();
});

Deno.test("PartialFile does not publish a file of which an early sync failed", async () => {
  await using folder = await tempShare({});
  const path = join(folder.path, "a");
  using _syncs = syncsBy(() => Promise.reject(new Error("EIO: i/o error")));
  const { partial, saved } = await openLarge(path);
  await saved(EARLY_PIECES);
  const failure = await assertRejects(() => partial.finish(), Failure);
  assertEquals(failure.kind, "local");
  assert(!namesIn(folder.path).includes("a"), "it has its final name");
});
