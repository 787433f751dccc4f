import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { systemErrorCode } from "../../lib/base/errors.ts";
import { hashParts, type LaneFile } from "../../lib/transfer/hashing.ts";
import { type LaneHasher, startLane } from "../../lib/transfer/lane.ts";
import { within } from "../_event_log.ts";
import { laneHere } from "../_lane.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const PART = 1_000;
const BYTES = randomBytes(4 * PART + 7, seededRandom(1));
const HASHES = hashesOf(BYTES);

const PLACES: readonly { where: string; open: () => LaneHasher }[] = [
  { where: "in this thread", open: laneHere },
  { where: "in a worker", open: startLane },
];

function hashesOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hashParts(bytes, PART).flatMap((hash) => [...hash]));
}

/** A copy that threads share. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** An empty file in a folder of its own, opened in a lane. */
async function opened(
  lane: LaneHasher,
): Promise<AsyncDisposable & { path: string; file: LaneFile }> {
  const folder = await tempShare({ file: "" });
  const path = join(folder.path, "file");
  const file = await within(lane.open(path, await Deno.stat(path)), "it");
  assert(file !== undefined);
  return {
    path,
    file,
    [Symbol.asyncDispose]: async () => {
      file.close();
      // Answered after the file is closed.
      await lane.hash(new Uint8Array(), 1).catch(() => {});
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** `FsFile.writeSync` is another in this thread until disposed of. */
function writesBy(
  by: (write: () => number, bytes: Uint8Array) => number,
): Disposable {
  const { writeSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.writeSync = function (bytes) {
    return by(() => writeSync.call(this, bytes.subarray(0, 700)), bytes);
  };
  return {
    [Symbol.dispose]: () => void (Deno.FsFile.prototype.writeSync = writeSync),
  };
}

for (const { where, open } of PLACES) {
  Deno.test(`A lane ${where} writes right parts to their place`, async () => {
    using lane = open();
    await using to = await opened(lane);
    const saving = [[2, 5], [0, 2]].map(([first = 0, end = 0]) => {
      const [start, stop] = [first * PART, end * PART];
      return to.file.save(shared(BYTES.subarray(start, stop)), {
        position: start,
        partBytes: PART,
        hashes: HASHES.slice(32 * first, 32 * end),
      });
    });
    const right = await Promise.all(saving.map(({ right }) => right));
    assertEquals(right, [3, 2]);
    const named = await Promise.all(saving.map(({ written }) => written));
    assertEquals(named, [true, true]);
    assertEquals(await Deno.readFile(to.path), BYTES);
  });

  for (let wrong = 0; wrong < 5; wrong++) {
    Deno.test(`A lane ${where} writes nothing from part ${wrong} on, which is wrong`, async () => {
      using lane = open();
      await using to = await opened(lane);
      const bytes = shared(BYTES);
      bytes[wrong * PART] = bytes[wrong * PART]! ^ 1;
      const { right, written } = to.file.save(bytes, {
        position: 0,
        partBytes: PART,
        hashes: HASHES,
      });
      assertEquals([await right, await written], [wrong, true]);
      const expected = BYTES.subarray(0, wrong * PART);
      assertEquals(await Deno.readFile(to.path), expected);
    });
  }

  Deno.test(`A lane ${where} reports that a file has lost its name`, async () => {
    using lane = open();
    await using to = await opened(lane);
    await Deno.remove(to.path);
    const { right, written } = to.file.save(shared(BYTES), {
      position: 0,
      partBytes: PART,
      hashes: HASHES,
    });
    assertEquals([await right, await written], [5, false]);
  });

  Deno.test(`A lane ${where} opens only the intended file`, async () => {
    using lane = open();
    await using folder = await tempShare({ file: "mine", other: "another" });
    const path = (name: string) => join(folder.path, name);
    await Deno.symlink(path("file"), path("link"));
    await Deno.mkdir(path("folder"));
    const info = await Deno.stat(path("file"));
    for (const name of ["other", "link", "folder", "missing"]) {
      assertEquals(await lane.open(path(name), info), undefined, name);
    }
    const noInode = { ...info, ino: null };
    assertEquals(await lane.open(path("file"), noInode), undefined);
    assertEquals(await Deno.readTextFile(path("file")), "mine");
  });
}

Deno.test("A lane rejects waiting and later calls when it is disposed of", async () => {
  const lane = startLane();
  await using to = await opened(lane);
  const save = () =>
    to.file.save(shared(BYTES), {
      position: 0,
      partBytes: PART,
      hashes: HASHES,
    });
  const opening = lane.open(to.path, await Deno.stat(to.path));
  const savings = [save(), save()];
  lane[Symbol.dispose]();
  savings.push(save());
  const waiting = [opening, ...savings.flatMap(Object.values)];
  for (const one of waiting) {
    await assertRejects(() => within(one, "its end"), Error, "disposed of");
  }
});

Deno.test("A lane writes everything to a disk that accepts a part at a time, or is interrupted", async () => {
  using lane = laneHere();
  await using to = await opened(lane);
  let count = 0;
  using _short = writesBy((write) => {
    if (++count % 3 === 0) {
      throw new Error("Interrupted system call (os error 4)");
    }
    return count % 5 === 0 ? 0 : write();
  });
  const { written } = to.file.save(shared(BYTES), {
    position: 0,
    partBytes: PART,
    hashes: HASHES,
  });
  await written;
  assertEquals(await Deno.readFile(to.path), BYTES);
  assertEquals(count > 6, true, `${count} writes`);
});

for (
  const [name, error, code] of [
    [
      "a full disk",
      new Error("No space left on device (os error 28)"),
      "ENOSPC",
    ],
    ["a code", Object.assign(new Error("quota"), { code: "EDQUOT" }), "EDQUOT"],
    ["a class", new Deno.errors.PermissionDenied("denied"), undefined],
  ] as const
) {
  Deno.test(`A lane reports an error of the disk unchanged: ${name}`, async () => {
    using lane = laneHere();
    await using to = await opened(lane);
    using _broken = writesBy(() => {
      throw error;
    });
    const { right, written } = to.file.save(shared(BYTES), {
      position: 0,
      partBytes: PART,
      hashes: HASHES,
    });
    assertEquals(await right, 5);
    const reported = await assertRejects(
      () => within(written, "an end"),
      Error,
    );
    assertEquals(reported.message, error.message);
    assertEquals(reported.constructor, error.constructor);
    if (Deno.build.os === "linux") {
      assertEquals(systemErrorCode(reported), code);
    }
  });
}

Deno.test("A lane is not blocked by a pipe that replaces its file between the check and opening it", async () => {
  await using folder = await tempShare({ file: "" });
  const path = join(folder.path, "file");
  const inode = await Deno.stat(path);
  const { lstatSync, openSync } = Deno;
  let opensAsPipe: Deno.OpenOptions | undefined;
  using _replaced = {
    [Symbol.dispose]: () => void Object.assign(Deno, { lstatSync, openSync }),
  };
  Object.assign(Deno, {
    lstatSync: (at: string) => {
      const info = lstatSync(at);
      Deno.removeSync(at);
      new Deno.Command("mkfifo", { args: [at] }).outputSync();
      return info;
    },
    openSync: (at: string, options: Deno.OpenOptions) => {
      opensAsPipe = options;
      // To write alone, or to read alone, the system waits for another end.
      if (!options.read || !options.write) throw new Error("it would hang");
      return openSync(at, options);
    },
  });
  using lane = laneHere();
  assertEquals(await within(lane.open(path, inode), "an answer"), undefined);
  assertEquals(opensAsPipe, { read: true, write: true });
});
