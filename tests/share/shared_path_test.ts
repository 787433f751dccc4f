/**
 * A share of several folders and files, each under a name of its own.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import type { SharedPath } from "../../lib/share/shared_path.ts";
import type { ShareEvent } from "../../lib/share/upkeep_types.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";

const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };

/** Paths below `root`, as a node is given them: `PATH` or `NAME=PATH`. */
function below(root: string, ...words: readonly string[]): SharedPath[] {
  return words.map((word) => {
    const [path = "", name] = word.split("=").toReversed();
    const whole = join(root, path);
    return name === undefined ? { path: whole } : { path: whole, name };
  });
}

function namesOf(share: Share): string[] {
  return [...share.files()].map(({ name }) => name);
}

async function contentOf(share: Share, name: string): Promise<string> {
  const file = await share.find(name);
  if (file === undefined) return "not found";
  const outcome = share.readSmall(file);
  return outcome.kind === "read"
    ? new TextDecoder().decode(outcome.bytes)
    : outcome.reason;
}

const FILES = {
  "docs/report.pdf": "pdf",
  "docs/old/report.pdf": "older",
  "photos/a.jpg": "jpeg",
  "z.txt": "last",
  "a.txt": "first",
  "e.txt": "between",
};

for (
  const [words, expected] of [
    [["docs"], { "old/report.pdf": "older", "report.pdf": "pdf" }],
    [["z.txt"], { "z.txt": "last" }],
    [["b=docs/old"], { "b/report.pdf": "older" }],
    [["b.txt=z.txt"], { "b.txt": "last" }],
    [["photos/.", "docs/old/"], {
      "old/report.pdf": "older",
      "photos/a.jpg": "jpeg",
    }],
    [["z.txt", "docs", "b=photos", "a.txt", "e.txt"], {
      "a.txt": "first",
      "b/a.jpg": "jpeg",
      "docs/old/report.pdf": "older",
      "docs/report.pdf": "pdf",
      "e.txt": "between",
      "z.txt": "last",
    }],
  ] as const
) {
  Deno.test(`Share of ${words.join(" ")} has ${Object.keys(expected).length} files by their names`, async () => {
    await using folder = await tempShare(FILES);
    using share = await Share.open(below(folder.path, ...words), limits);
    const names = Object.keys(expected);
    assertEquals(share.fileCount, names.length);
    assertEquals(namesOf(share), names);
    for (const [name, content] of Object.entries(expected)) {
      assertEquals(await contentOf(share, name), content);
      assertEquals(share.named(name)?.name, name);
    }
    for (const name of ["a.jpg", "docs", "nothing/a.jpg", "b/nothing"]) {
      assertEquals(await contentOf(share, name), "not found", name);
    }
    // Slices of every length, from every name on.
    for (let most = 1; most <= names.length; most++) {
      for (const [at, after] of names.entries()) {
        const slice = share.stretch({ prefix: "", after, most });
        assertEquals(
          slice.map(({ name }) => name),
          names.slice(at + 1, at + 1 + most),
        );
      }
    }
    const below_ = share.stretch({ prefix: "docs/", most: 9 });
    assertEquals(
      below_.map(({ name }) => name),
      names.filter((name) => name.startsWith("docs/")),
    );
  });
}

for (
  const [words, message] of [
    [
      ["docs/report.pdf", "docs/old/report.pdf"],
      "Cannot share (R/docs/old/report.pdf): it would be called report.pdf, as R/docs/report.pdf is; share one of them under another name: NAME=PATH",
    ],
    [
      ["a=docs", "a=photos"],
      "Cannot share (R/photos): it would be called a, as R/docs is; share one of them under another name: NAME=PATH",
    ],
    [
      ["docs", "docs/old"],
      "Cannot share (R/docs/old): it lies in R/docs, which is shared too; share only the outer one",
    ],
    [
      ["docs", "again=docs"],
      "Cannot share (R/docs): it lies in R/docs, which is shared too; share only the outer one",
    ],
    [
      ["con=docs", "photos"],
      "Cannot share (R/docs): a name must not be that of a Windows device, and it would be called con; share it under another name: NAME=PATH",
    ],
    [
      ["no/such", "photos"],
      "Cannot share folder (R/no/such): no such file or folder; name a folder that exists and can be read",
    ],
    [
      ["docs", "photos", "z.txt", "a.txt"],
      "Cannot share 4 folders and files: a node takes 3; share a folder that holds them",
    ],
  ] as const
) {
  Deno.test(`Share of ${words.join(" ")} is refused`, async () => {
    await using folder = await tempShare(FILES);
    const { path } = folder;
    const few = { ...limits, sharePathCount: 3 };
    const error = await assertRejects(
      () => Share.open(below(path, ...words), few),
      Failure,
    );
    assertEquals(error.message.replaceAll(path, "R"), message);
  });
}

Deno.test("Share accepts files up to its limit from all folders together", async () => {
  await using folder = await tempShare(FILES);
  const few = { ...limits, shareFileCount: 2 };
  const paths = below(folder.path, "docs", "photos", "z.txt");
  using share = await Share.open(paths, few);
  assertEquals(share.fileCount, 2);
  assertEquals(share.skipped.excess, 2);
});

Deno.test("Share hashes the files of every part, and finds them by content", async () => {
  await using folder = await tempShare(FILES);
  const paths = below(folder.path, "docs", "photos", "z.txt");
  using share = await Share.open(paths, limits);
  const seen: string[] = [];
  let found = share.unhashedFrom(0);
  for (; found; found = share.unhashedFrom(found.next)) {
    seen.push(found.file.name);
    const content = String(seen.length).repeat(64);
    share.learn(found.file, { content, sha256: content });
    assertEquals(share.digestOf(found.file)?.content, content);
    const [same] = share.withContent(content);
    assertEquals(same?.name, found.file.name);
    assertEquals(share.versioned(found.file.version)?.name, same?.name);
  }
  assertEquals(seen.toSorted(), namesOf(share));
  assertEquals(share.unhashedCount, 0);
});

/** A share that is followed, and a wait for a state of it. */
async function followed(paths: readonly SharedPath[]) {
  const quick = { ...limits, shareCheckMs: 20 };
  const share = await Share.open(paths, quick, { isWatched: true });
  const events: ShareEvent[] = [];
  let look = () => {};
  await share.follow({
    onChange: () => look(),
    onEvent: (event) => events.push(event),
  });
  const until = (...names: readonly string[]) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => {
      if (namesOf(share).join() === names.join()) resolve();
    };
    look();
    return within(promise, `a share of ${names.join(" ")}`);
  };
  return {
    share,
    events,
    until,
    [Symbol.asyncDispose]: () => share[Symbol.asyncDispose](),
  };
}

Deno.test("Share follows each of its folders and files separately", async () => {
  await using folder = await tempShare(FILES);
  const { path } = folder;
  await using here = await followed(below(path, "docs", "photos", "z.txt"));
  const { until } = here;
  const docs = ["docs/old/report.pdf", "docs/report.pdf"];
  await until(...docs, "photos/a.jpg", "z.txt");
  await Deno.writeTextFile(join(path, "photos/b.jpg"), "new");
  await until(...docs, "photos/a.jpg", "photos/b.jpg", "z.txt");
  await Deno.rename(join(path, "photos"), join(path, "away"));
  await until(...docs, "z.txt");
  assertEquals(await contentOf(here.share, "photos/a.jpg"), "not found");
  assertEquals(await here.share.isReadable(), false);
  await Deno.rename(join(path, "z.txt"), join(path, "y.txt"));
  await until(...docs);
  await Deno.writeTextFile(join(path, "z.txt"), "longer than before");
  await until(...docs, "z.txt");
  assertEquals(await contentOf(here.share, "z.txt"), "longer than before");
  await Deno.rename(join(path, "away"), join(path, "photos"));
  await until(...docs, "photos/a.jpg", "photos/b.jpg", "z.txt");
  assertEquals(
    here.events.map((event) => [
      event.event,
      "directory" in event && event.directory,
    ]),
    ["share_gone", "share_back"].map((event) => [event, `${path}/photos`]),
  );
});

for (
  const [what, replace] of [
    ["a link", (path: string) => Deno.symlink(`${path}/secret`, `${path}/s/f`)],
    ["a folder", (path: string) => Deno.rename(`${path}/d`, `${path}/s/f`)],
    [
      "a link in its folder's place",
      async (path: string) => {
        await Deno.rename(`${path}/s`, `${path}/old`);
        await Deno.symlink(`${path}/d`, `${path}/s`);
      },
    ],
  ] as const
) {
  Deno.test(`A lone file that is replaced by ${what} is no longer served`, async () => {
    await using folder = await tempShare({
      "s/f": "whole",
      "secret": "other",
      "d/f": "other",
    });
    const { path } = folder;
    using share = await Share.open(below(path, "s/f"), limits);
    const file = (await share.find("f"))!;
    assertEquals(await contentOf(share, "f"), "whole");
    await Deno.rename(`${path}/s/f`, `${path}/moved`);
    await replace(path);
    assertEquals(share.readSmall(file).kind, "refused");
    assertEquals(await contentOf(share, "f"), "not found");
    assertEquals(await share.isReadable(), false);
  });
}

Deno.test("A lone file that its owner named by a link is shared under the link's name", async () => {
  await using folder = await tempShare({ "real.txt": "whole" });
  await Deno.symlink("real.txt", join(folder.path, "link.txt"));
  using share = await Share.open(below(folder.path, "link.txt"), limits);
  assertEquals(namesOf(share), ["link.txt"]);
  assertEquals(await contentOf(share, "link.txt"), "whole");
});

Deno.test("A lone file with a token is not shared, and reported as a token", async () => {
  const token = `p2p-client-${"a2".repeat(20)}\n`;
  await using folder = await tempShare({ "t": token });
  using share = await Share.open(below(folder.path, "t"), limits);
  assertEquals([share.fileCount, share.skipped.secret], [0, 1]);
  assertEquals([...share.skipEvents()].map((event) => event.event), [
    "skipped",
  ]);
});
