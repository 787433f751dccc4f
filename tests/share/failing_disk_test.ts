/** A disk that fails while a share is scanned. */

import { assertEquals } from "@std/assert";
import { basename, join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import { within } from "../_event_log.ts";
import { replaced, systemError } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";

const OFTEN = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };
/** The disk may spell it otherwise, so that the folder is scanned. */
const UNKNOWN = "no such \u00e9";

/** The disk fails while it lists a folder of this name. */
function unlisted(...names: readonly string[]): Disposable {
  return replaced(Deno, "readDir", (readDir) =>
    async function* (path) {
      for await (const entry of readDir(path)) {
        yield entry;
        if (names.includes(basename(String(path)))) throw systemError("EIO");
      }
    });
}

function namesOf(share: Share): string[] {
  return [...share.files()].map(({ name }) => name);
}

Deno.test("Share keeps files that a failing disk does not list, and forgets removed ones", async () => {
  const files = { "a/b/1": "1", "a/2": "2", "a/3": "3", "b": "b" };
  await using folder = await tempShare(files);
  await using share = await Share.open(folder.path, OFTEN);
  const names = ["a/3", "a/b/1", "b"];
  {
    using _failing = unlisted("a");
    await Deno.remove(join(folder.path, "a/2"));
    await share.find(UNKNOWN);
    assertEquals(namesOf(share), names);
  }
  {
    using _failing = unlisted(basename(folder.path));
    await share.find(UNKNOWN);
    assertEquals(namesOf(share), names);
  }
  await Deno.remove(join(folder.path, "a"), { recursive: true });
  await share.find(UNKNOWN);
  assertEquals(namesOf(share), ["b"]);
});

Deno.test("Share that is watched looks again after its disk failed", async () => {
  await using folder = await tempShare({ "a/1": "1", "b": "b" });
  const limits = { ...OFTEN, rescanWatchedMs: 0, shareCheckMs: 20 };
  const failing = unlisted("a");
  await using share = await Share.open(folder.path, limits, {
    isWatched: true,
  });
  assertEquals(namesOf(share), ["b"]);
  const found = Promise.withResolvers<void>();
  await share.follow({
    onChange: () => {
      if (share.named("a/1") !== undefined) found.resolve();
    },
  });
  failing[Symbol.dispose]();
  await within(found.promise, "the file");
});

Deno.test("Share forgets a file that the disk does not list once a link leads there", async () => {
  await using folder = await tempShare({ "a/1": "1", "b/1": "1" });
  await using share = await Share.open(folder.path, OFTEN);
  await Deno.remove(join(folder.path, "a"), { recursive: true });
  await Deno.symlink(join(folder.path, "b"), join(folder.path, "a"));
  await share.find(UNKNOWN);
  assertEquals(namesOf(share), ["b/1"]);
});

Deno.test("Share keeps a file while the disk cannot look at it, and looks again", async () => {
  await using folder = await tempShare({ "a": "1", "b": "2" });
  await using share = await Share.open(folder.path, OFTEN);
  {
    const isBad = (path: string | URL) => basename(String(path)) === "a";
    using stack = new DisposableStack();
    stack.use(replaced(Deno, "lstatSync", (look) => (path) => {
      if (isBad(path)) throw systemError("EIO");
      return look(path);
    }));
    stack.use(replaced(Deno, "lstat", (look) => (path) => {
      return isBad(path) ? Promise.reject(systemError("EIO")) : look(path);
    }));
    await share.find(UNKNOWN);
  }
  assertEquals(namesOf(share), ["a", "b"]);
  assertEquals((await share.find("a"))?.size, 1);
});

Deno.test("Share forgets the files of a folder that it may no longer list", async () => {
  await using folder = await tempShare({ "a/1": "1", "b": "b" });
  await using share = await Share.open(folder.path, OFTEN);
  const denied = replaced(Deno, "readDir", (readDir) => (path) => {
    if (basename(String(path)) !== "a") return readDir(path);
    throw new Deno.errors.PermissionDenied("taken away");
  });
  using _denied = denied;
  await share.find(UNKNOWN);
  assertEquals(namesOf(share), ["b"]);
});
