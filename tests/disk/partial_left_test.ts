import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertContent,
  CONTENT,
  HASHER,
  MANIFEST,
  namesIn,
  open,
  PIECE,
  receive,
  rejection,
  replaced,
  SIZE,
  systemError,
} from "./_partial.ts";

Deno.test("PartialFile keeps the received bytes when the disk is full, and continues later", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  await partial.write(0, CONTENT.slice(0, PIECE));
  {
    using _full = replaced(
      Deno.FsFile.prototype,
      "write",
      () => () => Promise.reject(systemError("ENOSPC")),
    );
    const failure = await rejection(
      partial.write(1, CONTENT.slice(PIECE, 2 * PIECE)),
    );
    assertEquals(failure.parts.why, "no space left on the disk");
    assertMatch(failure.parts.remedy!, /kept/);
  }
  await partial.keep();
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [0]);
  await again.write(1, CONTENT.slice(PIECE));
  await again.finish();
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile publishes and hashes nothing after a failed write, though later ones succeed", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  let isFull = true;
  using _full = replaced(
    Deno.FsFile.prototype,
    "write",
    (write) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        if (!isFull) return write.call(this, bytes);
        isFull = false;
        return Promise.reject(systemError("ENOSPC"));
      },
  );
  const failed = rejection(partial.write(0, CONTENT.slice(0, PIECE)));
  await partial.write(1, CONTENT.slice(PIECE));
  await failed;
  for (const method of ["sha256", "finish"] as const) {
    const { parts } = await rejection(partial[method]());
    assertEquals(parts.why, "no space left on the disk");
  }
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [1, 2]);
  await again.write(0, CONTENT.slice(0, PIECE));
  await again.finish();
  await assertContent(path, CONTENT);
});

for (const method of ["truncate", "utime"] as const) {
  Deno.test(`PartialFile publishes nothing when ${method} fails, and keeps it`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path);
    await partial.write(0, CONTENT.slice());
    {
      using _broken = replaced(
        Deno.FsFile.prototype,
        method,
        () => () => Promise.reject(systemError("EIO")),
      );
      await rejection(partial.finish());
    }
    assertEquals(namesIn(folder.path), [".file.p2p-part"]);
    await receive(path);
    await assertContent(path, CONTENT);
  });
}

for (const end of ["finish", "keep"] as const) {
  for (const code of ["EIO", "ENOSPC", "EDQUOT"]) {
    Deno.test(`PartialFile keeps nothing that ${end} could not make durable, ${code}: only memory may have it`, async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "file");
      const partial = await open(path);
      await partial.write(0, CONTENT.slice());
      let isBroken = true;
      using _broken = replaced(
        Deno.FsFile.prototype,
        "sync",
        (sync) =>
          function (this: Deno.FsFile) {
            if (!isBroken) return sync.call(this); // as the system does then
            isBroken = false;
            return Promise.reject(systemError(code));
          },
      );
      if (end === "keep") await partial.keep();
      else {
        const { parts } = await rejection(partial.finish());
        assertMatch(parts.remedy!, /from the beginning/);
      }
      assertEquals(namesIn(folder.path), []);
      await receive(path);
      await assertContent(path, CONTENT);
    });
  }
}

/** What an earlier run may have left, and which pieces of it are right. */
const LEFT: readonly [string, Uint8Array, number[]][] = [
  ["nothing at all", new Uint8Array(), []],
  ["less than a piece", CONTENT.slice(0, PIECE - 1), []],
  ["a piece", CONTENT.slice(0, PIECE), [0]],
  ["a piece and some", CONTENT.slice(0, PIECE + 9), [0]],
  ["all but the last byte", CONTENT.slice(0, SIZE - 1), [0, 1]],
  ["all of it", CONTENT, [0, 1, 2]],
  ["all of it and more", new Uint8Array([...CONTENT, 1, 2, 3]), [0, 1, 2]],
  ["the last piece alone", withZeros(0, 2 * PIECE), [2]],
  ["the first and last piece", withZeros(PIECE, 2 * PIECE), [0, 2]],
  ["one wrong bit in the first", withWrongBit(0), [1, 2]],
  ["one wrong bit in the second", withWrongBit(2 * PIECE - 1), [0, 2]],
  ["one wrong bit at the end", withWrongBit(SIZE - 1), [0, 1]],
  ["another file", randomBytes(SIZE, seededRandom(9)), []],
  [
    "the pieces in each other's place",
    new Uint8Array([
      ...CONTENT.subarray(PIECE, 2 * PIECE),
      ...CONTENT.subarray(0, PIECE),
      ...CONTENT.subarray(2 * PIECE),
    ]),
    [2],
  ],
];

function withZeros(start: number, end: number): Uint8Array {
  return CONTENT.slice().fill(0, start, end);
}

function withWrongBit(at: number): Uint8Array {
  const bytes = CONTENT.slice();
  bytes[at] = bytes[at]! ^ 1;
  return bytes;
}

for (const [what, left, have] of LEFT) {
  Deno.test(`PartialFile continues with the right pieces of ${what}`, async () => {
    await using folder = await tempShare({ ".file.p2p-part": left });
    const path = join(folder.path, "file");
    const partial = await open(path);
    assertEquals(await partial.byteCount(), left.length);
    assertEquals(await partial.resume(MANIFEST, HASHER), have);
    for (const piece of [2, 1, 0].filter((one) => !have.includes(one))) {
      const start = piece * PIECE;
      await partial.write(piece, CONTENT.slice(start, start + PIECE));
    }
    await partial.finish();
    await assertContent(path, CONTENT);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

Deno.test("PartialFile that is kept is resumed, with any part written", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  const writing = partial.write(1, CONTENT.slice(PIECE, 2 * PIECE));
  await partial.keep();
  await writing;
  await partial.keep();
  await partial.discard();
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [1]);
  await again.keep();
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
});

Deno.test("PartialFile that is discarded leaves nothing", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const writing = partial.write(0, CONTENT.slice());
  await partial.discard();
  await writing;
  assertEquals(namesIn(folder.path), []);
  await partial.discard();
  await partial.keep();
});

Deno.test("PartialFile that is finished stays when it is kept or discarded after that", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  await partial.write(0, CONTENT.slice());
  await partial.finish();
  await partial.discard();
  await partial.keep();
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile hashes all that was written, in the order of the file", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const digest = await crypto.subtle.digest("SHA-256", CONTENT);
  const writing = [2, 0, 1].map((piece) =>
    partial.write(piece, CONTENT.slice(piece * PIECE, (piece + 1) * PIECE))
  );
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await Promise.all(writing);
  await partial.write(1, CONTENT.slice(0, PIECE));
  assertNotEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});

Deno.test("PartialFile hashes at most the file's size of existing bytes", async () => {
  const left = new Uint8Array([...CONTENT, 1, 2, 3]);
  await using folder = await tempShare({ ".file.p2p-part": left });
  const partial = await open(join(folder.path, "file"));
  const digest = await crypto.subtle.digest("SHA-256", CONTENT);
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});
