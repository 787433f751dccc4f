import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { FileTable } from "../../lib/share/file_table.ts";
import { Exclusions } from "../../lib/share/exclusions.ts";
import type { Scan } from "../../lib/share/found_entry.ts";
import { RiskyNames } from "../../lib/share/risky_names.ts";
import { lookAtPath, walkFolder } from "../../lib/share/scan.ts";
import { Skipped } from "../../lib/share/skipped.ts";
import { tempShare } from "../_temp_share.ts";

const COUNT = 400;

Deno.test("walkFolder adds no file whose removal was reported after it looked at the folder", async () => {
  const names = Array.from({ length: COUNT }, (_, n) => `f${n}`);
  await using share = await tempShare(
    Object.fromEntries(names.map((name) => [name, name])),
  );
  const path = await Deno.realPath(share.path);
  const table = new FileTable("/");
  const scan: Scan = {
    root: null,
    table,
    skipped: new Skipped(0),
    exclusions: new Exclusions({}, { name: "", root: path }),
    risks: new RiskyNames(),
    limits: { ...LIMITS, turnMs: 0 }, // a turn after each file
    onTrouble: () => {},
    isFull: () => false,
  };
  const walking = walkFolder({ name: "", path }, scan);
  while (table.fileCount === 0) await new Promise((go) => setTimeout(go));
  const unseen = names.filter((name) => table.named(name) === undefined);
  assert(unseen.length > 0);
  for (const name of unseen) {
    await Deno.remove(join(path, name));
    await lookAtPath({ name, path: join(path, name) }, scan); // as reported
  }
  const added = unseen.filter((name) => table.named(name) !== undefined);
  await walking;
  const left = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  const listed = names.filter((name) => table.named(name) !== undefined);
  assertEquals(listed.toSorted(), left.concat(added).toSorted());
  assertEquals(added, [], "none is there any more");
});
