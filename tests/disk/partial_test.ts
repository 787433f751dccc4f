import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { basename, dirname, join } from "@std/path";
import { PARTIAL_SUFFIX, safeName } from "../../lib/base/names.ts";
import { existingEntryAt } from "../../lib/disk/existing_entry.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { syncFolder } from "../../lib/base/durable.ts";
import { seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertContent,
  CONTENT,
  namesIn,
  open,
  PIECE,
  receive,
  rejection,
  replaced,
  systemError,
} from "./_partial.ts";

Deno.test("partialPathOf names a hidden file in the same folder, after the file", () => {
  const folder = join("/", "some", "folder");
  const partial = partialPathOf(join(folder, "film.mkv"));
  assertEquals(partial, join(folder, ".film.mkv.p2p-part"));
  assertEquals(partialPathOf(join("sub", "f")), join("sub", ".f.p2p-part"));
});

for (
  const [what, name] of [
    ["as long as fits", "n".repeat(255 - 1 - PARTIAL_SUFFIX.length)],
    ["one byte longer", "n".repeat(255 - PARTIAL_SUFFIX.length)],
    ["as long as there are", "n".repeat(255)],
    ["long in bytes, though not in characters", "é".repeat(124)],
  ] as const
) {
  Deno.test(`partialPathOf gives a name that a disk accepts to one ${what}`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, name);
    const partial = basename(partialPathOf(path));
    assert(new TextEncoder().encode(partial).length <= 255);
    assert(partial.startsWith(".") && partial.endsWith(PARTIAL_SUFFIX));
    assertEquals(dirname(partialPathOf(path)), folder.path);
    assertNotEquals(partial, basename(partialPathOf(`${path}`.slice(0, -1))));
    await receive(path);
    assertEquals(namesIn(folder.path), [name]);
  });
}

Deno.test("partialPathOf gives names that no node shares and no client requests", () => {
  for (const name of ["a", "n".repeat(255), "é".repeat(127)]) {
    const partial = basename(partialPathOf(join("folder", name)));
    assertEquals(safeName(partial).kind, "refused");
  }
});

Deno.test("partialPathOf gives different names to the files of the current folder", () => {
  assertEquals(partialPathOf("film.mkv"), ".film.mkv.p2p-part");
  assertNotEquals(partialPathOf("afile"), partialPathOf("bfile"));
});

Deno.test("existingEntryAt reports what is there, and follows no link", async () => {
  await using folder = await tempShare({ "file": "four", "sub/x": "" });
  const at = (name: string) => join(folder.path, name);
  await Deno.symlink(at("file"), at("link"));
  await Deno.symlink(at("missing"), at("dangling"));
  await Deno.symlink(at("sub"), at("folder-link"));
  assertEquals(await existingEntryAt(at("nothing"), 4), "none");
  assertEquals(await existingEntryAt(at("file"), 4), "same_size");
  assertEquals(await existingEntryAt(at("file"), 5), "other");
  assertEquals(await existingEntryAt(at("sub"), 4), "folder");
  assertEquals(await existingEntryAt(at("link"), 4), "other");
  assertEquals(await existingEntryAt(at("dangling"), 4), "other");
  assertEquals(await existingEntryAt(at("folder-link"), 4), "other");
  await rejection(existingEntryAt(at("file/below"), 4));
});

Deno.test("PartialFile has nothing under the final name before it is finished", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  assertEquals(partial.path, path);
  await partial.write(0, CONTENT.slice());
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  await partial.finish();
  assertEquals(namesIn(folder.path), ["file"]);
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile puts pieces in their places, in any order and all at once", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  await Promise.all([
    partial.write(2, CONTENT.slice(2 * PIECE)),
    partial.write(0, CONTENT.slice(0, PIECE)),
    partial.write(1, CONTENT.slice(PIECE, 2 * PIECE)),
  ]);
  await partial.finish();
  await assertContent(partial.path, CONTENT);
});

Deno.test("PartialFile waits for pending writes before it is finished", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const writing = Array.from({ length: 60 }, (_, at) => {
    const piece = 2 - at % 3;
    const start = piece * PIECE;
    return partial.write(piece, CONTENT.slice(start, start + PIECE));
  });
  await partial.finish();
  await Promise.all(writing);
  await assertContent(partial.path, CONTENT);
});

Deno.test("PartialFile writes everything to a disk that accepts a part at a time", async () => {
  await using folder = await tempShare();
  const random = seededRandom(2);
  using _short = replaced(
    Deno.FsFile.prototype,
    "write",
    (write) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        const most = Math.floor(random() * 100_000); // sometimes nothing
        return write.call(this, bytes.subarray(0, most));
      },
  );
  await receive(join(folder.path, "file"));
  await assertContent(join(folder.path, "file"), CONTENT);
});

Deno.test("syncFolder ignores a folder that cannot be opened", async () => {
  await using folder = await tempShare();
  await syncFolder(folder.path);
  await syncFolder(join(folder.path, "missing"));
});

Deno.test("syncFolder reports that the disk failed", async () => {
  await using folder = await tempShare();
  using _broken = replaced(
    Deno.FsFile.prototype,
    "sync",
    () => () => Promise.reject(systemError("EIO")),
  );
  await assertRejects(() => syncFolder(folder.path), Error, "EIO");
});

Deno.test("PartialFile writes zeros over data that was written before, and leaves holes elsewhere", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  const zeros = new Uint8Array(CONTENT.length);
  await partial.write(0, CONTENT.subarray(0, PIECE));
  await partial.write(0, zeros);
  await partial.write(1, CONTENT.subarray(PIECE));
  await partial.write(1, zeros.subarray(PIECE));
  const digest = await crypto.subtle.digest("SHA-256", zeros);
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});
