/** Reading what a partial file has while it is being received. */

import { assertEquals, assertThrows } from "@std/assert";
import { closeSync, readSync } from "node:fs";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { tempShare } from "../_temp_share.ts";

const OPTIONS = { size: 3, modifiedMs: 0, overwrite: false, sync: false };

function read(descriptor: number): string {
  const bytes = new Uint8Array(8);
  const count = readSync(descriptor, bytes, 0, bytes.length, 0);
  return new TextDecoder().decode(bytes.subarray(0, count));
}

Deno.test("PartialFile.openToRead reads what was written, also after the file has its final name", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "a");
  const partial = await PartialFile.open(path, OPTIONS);
  const descriptor = partial.openToRead();
  try {
    await partial.write(0, new TextEncoder().encode("abc"));
    assertEquals(read(descriptor), "abc");
    await partial.finish();
    assertEquals(await Deno.readTextFile(path), "abc");
    assertEquals(read(descriptor), "abc");
  } finally {
    closeSync(descriptor);
  }
});

Deno.test("PartialFile.openToRead refuses another file that was put in its place", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "a");
  const partial = await PartialFile.open(path, OPTIONS);
  await Deno.remove(partialPathOf(path));
  await Deno.writeTextFile(partialPathOf(path), "secret");
  assertThrows(() => partial.openToRead(), Failure);
  await partial.keep();
});
