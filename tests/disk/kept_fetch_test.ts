import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { safeName } from "../../lib/base/names.ts";
import { KeptFetch, newFetchId } from "../../lib/disk/kept_fetch.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { tempShare } from "../_temp_share.ts";

function namesIn({ path }: { path: string }): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name);
}

Deno.test("A fetch by a link counts as the same one until its file is complete", async () => {
  await using folder = await tempShare();
  const target = join(folder.path, "a.txt");
  const first = await KeptFetch.open(target, "pass");
  assertEquals((await KeptFetch.open(target, "pass")).id, first.id);
  await first.discard();
  assertEquals(namesIn(folder), []);
  const next = await KeptFetch.open(target, "pass");
  assertNotEquals(next.id, first.id);
});

Deno.test("A fetch by another link, or to another place, counts as another fetch", async () => {
  await using folder = await tempShare();
  const target = join(folder.path, "a.txt");
  const { id } = await KeptFetch.open(target, "pass");
  const elsewhere = await KeptFetch.open(join(folder.path, "b.txt"), "pass");
  assertNotEquals(elsewhere.id, id);
  assertNotEquals((await KeptFetch.open(target, "other")).id, id);
});

Deno.test("The stored number of a fetch does not reveal the link, and only its owner can read it", async () => {
  await using folder = await tempShare();
  await KeptFetch.open(join(folder.path, "a.txt"), "canary-of-a-pass");
  const [name = ""] = namesIn(folder);
  const path = join(folder.path, name);
  assert(!(await Deno.readTextFile(path)).includes("canary"));
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  // It is neither shared nor the partial file of any other.
  assertEquals(safeName(name).kind, "refused");
  assertNotEquals(path, partialPathOf(join(folder.path, "a.txt")));
  assertEquals(safeName("a.txt.").kind, "refused");
});

Deno.test("An altered number is replaced; a symbolic link in its place is not followed", async () => {
  await using folder = await tempShare({ other: "untouched" });
  const target = join(folder.path, "a.txt");
  const { id } = await KeptFetch.open(target, "pass");
  const name = namesIn(folder).find((name) => name.startsWith("."))!;
  const path = join(folder.path, name);
  await Deno.writeTextFile(path, "nonsense");
  assertNotEquals((await KeptFetch.open(target, "pass")).id, id);
  await Deno.remove(path);
  await Deno.symlink(join(folder.path, "other"), path);
  await assertRejects(() => KeptFetch.open(target, "pass"), Failure);
  const kept = await Deno.readTextFile(join(folder.path, "other"));
  assertEquals(kept, "untouched");
});

Deno.test("newFetchId gives 128 bits that are new every time", () => {
  const ids = new Set(Array.from({ length: 1_000 }, newFetchId));
  assertEquals(ids.size, 1_000);
  assert([...ids].every((id) => /^[\w-]{22}$/.test(id)));
});
