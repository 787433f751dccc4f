import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type FolderIdentity, folderIdentity } from "../../lib/share/root.ts";
import {
  FolderPath,
  LastFolderPath,
  lookAt,
  lookOften,
} from "../../lib/share/folder_path.ts";
import { tempShare } from "../_temp_share.ts";

const LATER_MS = 5_000;

/** A way that begins when its folders have rested for a while. */
function restingWay(root: FolderIdentity, folder: string): FolderPath {
  return new FolderPath(root, folder, Date.now() + LATER_MS);
}

async function openShare() {
  const folder = await tempShare({
    "share/sub/deep/f": "in the share",
    "outside/deep/f": "outside of it",
  });
  const share = join(folder.path, "share");
  const root = await folderIdentity(share);
  const sub = join(share, "sub");
  return {
    root,
    sub,
    deep: join(sub, "deep"),
    outside: join(folder.path, "outside"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("FolderPath stays valid while nothing on it changes, whatever changes beside it", async () => {
  await using share = await openShare();
  const way = restingWay(share.root, share.sub);
  await Deno.writeTextFile(join(share.deep, "f"), "another content");
  await Deno.writeTextFile(join(share.deep, "g"), "a new file, one deeper");
  assertEquals(way.stayed(), true);
});

Deno.test("FolderPath is not valid after a link replaced a folder for a moment", async () => {
  await using share = await openShare();
  // Deno reports whole seconds: the flip must not be in that of the last
  // change.
  while (!new FolderPath(share.root, share.deep).stayed()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const way = new FolderPath(share.root, share.deep);
  const aside = `${share.sub}.aside`;
  await Deno.rename(share.sub, aside);
  await Deno.symlink(share.outside, share.sub);
  await Deno.remove(share.sub);
  await Deno.rename(aside, share.sub);
  assertEquals(way.stayed(), false);
  // Nor does one that begins so soon after: the next flip could not be noticed.
  assertEquals(new FolderPath(share.root, share.deep).stayed(), false);
});

Deno.test("FolderPath is never valid through a link, however old", async () => {
  await using share = await openShare();
  await Deno.symlink(share.outside, join(share.deep, "out"));
  const way = restingWay(share.root, join(share.deep, "out", "deep"));
  assertEquals(way.stayed(), false);
});

Deno.test("FolderPath is valid only inside the shared folder", async () => {
  await using share = await openShare();
  const other = { ...share.root, inode: share.root.inode! + 1 };
  assertEquals(restingWay(share.root, share.root.path).stayed(), true);
  assertEquals(restingWay(other, share.root.path).stayed(), false);
});

Deno.test("LastFolderPath gives the same way again for an unchanged folder, and a new one for another folder or root", async () => {
  await using share = await openShare();
  const ways = new LastFolderPath();
  const later = Date.now() + LATER_MS;
  const way = ways.to(share.root, share.deep, later);
  assertEquals(ways.to(share.root, share.deep) === way, true);
  assertEquals(way.stayed(), true);
  const other = ways.to(share.root, share.sub, later);
  assertEquals(other === way, false);
  assertEquals(other.stayed(), true);
  const replaced = { ...share.root };
  assertEquals(ways.to(replaced, share.sub, later) === other, false);
});

Deno.test("LastFolderPath never reuses a way that proves nothing, or that is no longer valid", async () => {
  await using share = await openShare();
  const ways = new LastFolderPath();
  const young = ways.to(share.root, share.deep, 0);
  assertEquals(young.stayed(), false);
  const later = Date.now() + LATER_MS;
  const way = ways.to(share.root, share.deep, later);
  assertEquals([way === young, way.stayed()], [false, true]);
  await Deno.rename(share.sub, `${share.sub}.aside`);
  await Deno.symlink(share.outside, share.sub);
  assertEquals(ways.to(share.root, share.deep).stayed(), false);
  ways.forget();
  assertEquals(ways.to(share.root, share.deep, later) === way, false);
});

Deno.test("Checking a file finds it in quiet and in changing folders, and never through a link", async () => {
  await using share = await openShare();
  const path = join(share.deep, "f");
  const seen = (await Deno.lstat(path)).ino;
  assertEquals(lookAt(share.root, path)?.ino, seen);
  assertEquals(lookOften(path)?.ino, seen);
  await Deno.symlink(share.outside, join(share.root.path, "link"));
  const behind = join(share.root.path, "link", "deep", "f");
  assertEquals(lookAt(share.root, behind), undefined);
  assertEquals(lookOften(behind), undefined);
});

Deno.test("LastFolderPath looks at the ways of files that are read together once, at the end", async () => {
  await using share = await openShare();
  const ways = new LastFolderPath();
  const later = Date.now() + LATER_MS;
  const way = ways.to(share.root, share.deep, later);
  assertEquals(ways.together(() => assertEquals(ways.stayed(way), true)), true);
  assertEquals(ways.to(share.root, share.deep) === way, true);
  const stayed = ways.together(() => {
    Deno.renameSync(share.sub, `${share.sub}.aside`);
    Deno.symlinkSync(share.outside, share.sub);
    // Until the end, the way counts as unchanged.
    assertEquals(ways.stayed(way), true);
  });
  assertEquals(stayed, false);
  assertEquals(ways.to(share.root, share.deep) === way, false);
});

Deno.test("LastFolderPath looks at once at a way that proves nothing, also for files that are read together", async () => {
  await using share = await openShare();
  const ways = new LastFolderPath();
  const way = new FolderPath(share.root, share.deep); // its folders are new
  assertEquals(
    ways.together(() => assertEquals(ways.stayed(way), false)),
    true,
  );
});
