import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { join } from "@std/path";
import { type Hasher, PlainHasher } from "../../lib/transfer/hashing.ts";
import { BaseFile } from "../../lib/disk/base_file.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import {
  contentIdAt,
  hasContent,
  rightPieces,
  sha256At,
} from "../../lib/disk/rehash.ts";
import { digestFile } from "../../lib/cli/commands/digest.ts";
import { describeBytes } from "../_lies.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const PIECE = 256 * 1024;
const HASHER = new PlainHasher();
/** Ten pieces, the last of them short: more than are read at once. */
const CONTENT = randomBytes(9 * PIECE + 100, seededRandom(1));
const { manifest: MANIFEST } = describeBytes("f", CONTENT);

function changed(at: number): Uint8Array {
  const bytes = CONTENT.slice();
  bytes[at]! ^= 1;
  return bytes;
}

for (
  const [what, bytes, wanted, isIt] of [
    ["the same", CONTENT, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true],
    [
      "another in the first piece",
      changed(0),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      false,
    ],
    [
      "another in its last byte",
      changed(CONTENT.length - 1),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      false,
    ],
    [
      "longer",
      new Uint8Array([...CONTENT, 0]),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      false,
    ],
    [
      "a byte shorter",
      CONTENT.slice(0, -1),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      false,
    ],
    ["cut in the sixth piece", CONTENT.slice(0, 5 * PIECE + 1), [
      0,
      1,
      2,
      3,
      4,
    ], false],
    ["empty", new Uint8Array(), [], false],
  ] as const
) {
  Deno.test(`rightPieces, hasContent and contentIdAt recognise a file that is ${what}`, async () => {
    await using folder = await tempShare({ "f": bytes });
    const path = join(folder.path, "f");
    using file = await Deno.open(path, { read: true });
    const pieces = await Array.fromAsync(rightPieces(file, MANIFEST, HASHER));
    assertEquals(pieces, [...wanted]);
    assertEquals(await hasContent(path, MANIFEST, { hasher: HASHER }), isIt);
    const id = await contentIdAt(path, {
      size: CONTENT.length,
      hasher: HASHER,
    });
    assertEquals(id === MANIFEST.contentId, isIt);
  });
}

Deno.test("hasContent is false for a file that cannot be read, even if the content is empty", async () => {
  const { manifest } = describeBytes("f", new Uint8Array());
  await using folder = await tempShare({ "empty": "", "sub/f": "" });
  const at = (name: string) => join(folder.path, name);
  assertEquals(
    await hasContent(at("empty"), manifest, { hasher: HASHER }),
    true,
  );
  assertEquals(
    await hasContent(at("none"), manifest, { hasher: HASHER }),
    false,
  );
  assertEquals(
    await hasContent(at("sub"), manifest, { hasher: HASHER }),
    false,
  );
});

for (const size of [0, 1, PIECE / 2, PIECE / 2 + 1, PIECE, PIECE + 1]) {
  Deno.test(`contentIdAt gives the content id of a file of ${size} bytes, and none for another size`, async () => {
    const bytes = randomBytes(size, seededRandom(size));
    await using folder = await tempShare({ "f": bytes });
    const path = join(folder.path, "f");
    const { manifest: { contentId } } = describeBytes("f", bytes);
    assertEquals(await contentIdAt(path, { size, hasher: HASHER }), contentId);
    for (const other of [size + 1, Math.max(0, size - 1)]) {
      if (other === size) continue;
      assertEquals(
        await contentIdAt(path, { size: other, hasher: HASHER }),
        undefined,
      );
    }
    for (const missing of [join(folder.path, "none"), folder.path]) {
      assertEquals(
        await contentIdAt(missing, { size, hasher: HASHER }),
        undefined,
      );
    }
  });
}

const STOP = new Error("stop");

/** Stops while the first pieces are hashed; counts the bytes of all. */
function stoppingHasher() {
  const abort = new AbortController();
  let hashedBytes = 0;
  const hasher: Hasher = {
    hash: (bytes, partBytes) => {
      hashedBytes += bytes.length;
      abort.abort(STOP);
      return HASHER.hash(bytes, partBytes);
    },
    [Symbol.dispose]: () => {},
  };
  return { hasher, signal: abort.signal, hashed: () => hashedBytes };
}

type Stopping = Pick<
  ReturnType<typeof stoppingHasher>,
  "hasher" | "signal"
>;

const STOPPED: Readonly<
  Record<string, (path: string, by: Stopping) => Promise<unknown>>
> = {
  "hasContent": (path, { hasher, signal }) =>
    hasContent(path, MANIFEST, { hasher, signal }),
  "contentIdAt": (path, { hasher, signal }) =>
    contentIdAt(path, { size: CONTENT.length, hasher, signal }),
  "PartialFile.resume": async (path, { hasher, signal }) => {
    await Deno.copyFile(path, partialPathOf(`${path}2`));
    await Deno.chmod(partialPathOf(`${path}2`), 0o600);
    const partial = await PartialFile.open(`${path}2`, {
      size: CONTENT.length,
      overwrite: false,
      modifiedMs: 0,
    });
    try {
      return await partial.resume(MANIFEST, hasher, signal);
    } finally {
      await partial.keep();
    }
  },
  "BaseFile.rightPieces": async (path, { hasher, signal }) => {
    using base = await BaseFile.open(path);
    const isWanted = () => true;
    const pieces = base.rightPieces(MANIFEST, { isWanted, hasher, signal });
    return await Array.fromAsync(pieces, ({ first }) => first);
  },
};

for (const [what, hash] of Object.entries(STOPPED)) {
  Deno.test(`${what} stops between two parts when aborted, and reads no more`, async () => {
    await using folder = await tempShare({ "file": CONTENT });
    const { hashed, ...by } = stoppingHasher();
    const reason = await hash(join(folder.path, "file"), by)
      .then(() => "it went on", (reason) => reason);
    assertStrictEquals(reason, STOP);
    assert(hashed() < CONTENT.length / 2, `${hashed()} bytes`);
  });
}

for (
  const [what, hash] of Object.entries({
    sha256At: (path: string, signal: AbortSignal) => sha256At(path, { signal }),
    digestFile,
  })
) {
  Deno.test(`${what} stops when aborted`, async () => {
    await using folder = await tempShare({ "file": CONTENT });
    const signal = AbortSignal.abort(STOP);
    const reason = await hash(join(folder.path, "file"), signal)
      .then(() => "it went on", (reason) => reason);
    assertStrictEquals(reason, STOP);
  });
}

const READERS: Readonly<
  Record<
    string,
    (path: string, bytes: Uint8Array, seen?: Deno.FileInfo) => Promise<unknown>
  >
> = {
  "contentIdAt": async (path, { length: size }, seen) =>
    await contentIdAt(path, { size, hasher: HASHER, seen }) ?? false,
  "hasContent": (path, bytes, seen) => {
    const { manifest } = describeBytes("f", bytes);
    return hasContent(path, manifest, { hasher: HASHER, seen });
  },
  "sha256At": async (path, _, seen) => await sha256At(path, { seen }) ?? false,
};

for (const [what, read] of Object.entries(READERS)) {
  for (const bytes of [CONTENT.slice(0, 100), CONTENT]) {
    Deno.test(`${what} reads no other file of ${bytes.length} bytes than the one that was seen`, async () => {
      await using folder = await tempShare({ "f": bytes, "other": bytes });
      const path = join(folder.path, "f");
      const seen = await Deno.lstat(path);
      const right = await read(path, bytes);
      assert(right !== false);
      assertEquals(await read(path, bytes, seen), right);
      await Deno.rename(join(folder.path, "other"), path);
      assertEquals(await read(path, bytes), right);
      assertEquals(await read(path, bytes, seen), false);
    });
  }
}
