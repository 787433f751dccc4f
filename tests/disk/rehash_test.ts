import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { contentIdAt, hasContent, rightPieces } from "../../lib/disk/rehash.ts";
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
  Deno.test(`rightPieces, hasContent and contentIdAt tell of a file that is ${what}`, async () => {
    await using folder = await tempShare({ "f": bytes });
    const path = join(folder.path, "f");
    using file = await Deno.open(path, { read: true });
    const pieces = await Array.fromAsync(rightPieces(file, MANIFEST, HASHER));
    assertEquals(pieces, [...wanted]);
    assertEquals(await hasContent(path, MANIFEST, HASHER), isIt);
    const id = await contentIdAt(path, CONTENT.length, HASHER);
    assertEquals(id === MANIFEST.contentId, isIt);
  });
}

Deno.test("hasContent does not take a file that cannot be read for the content, not even where that is empty", async () => {
  const { manifest } = describeBytes("f", new Uint8Array());
  await using folder = await tempShare({ "empty": "", "sub/f": "" });
  const at = (name: string) => join(folder.path, name);
  assertEquals(await hasContent(at("empty"), manifest, HASHER), true);
  assertEquals(await hasContent(at("none"), manifest, HASHER), false);
  assertEquals(await hasContent(at("sub"), manifest, HASHER), false);
});

for (const size of [0, 1, PIECE / 2, PIECE / 2 + 1, PIECE, PIECE + 1]) {
  Deno.test(`contentIdAt tells the content id of a file of ${size} bytes, and none for another size`, async () => {
    const bytes = randomBytes(size, seededRandom(size));
    await using folder = await tempShare({ "f": bytes });
    const path = join(folder.path, "f");
    const { manifest: { contentId } } = describeBytes("f", bytes);
    assertEquals(await contentIdAt(path, size, HASHER), contentId);
    for (const other of [size + 1, Math.max(0, size - 1)]) {
      if (other === size) continue;
      assertEquals(await contentIdAt(path, other, HASHER), undefined);
    }
    for (const missing of [join(folder.path, "none"), folder.path]) {
      assertEquals(await contentIdAt(missing, size, HASHER), undefined);
    }
  });
}
