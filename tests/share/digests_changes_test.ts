import { assertEquals, assertExists } from "@std/assert";
import { within } from "../_event_log.ts";
import {
  describedOf,
  expectedOf,
  MIB,
  setUp,
  sha256,
  slowDisk,
} from "./_digests.ts";

/** What may happen to a file while it is being hashed. */
const ALTERATIONS: readonly [string, (path: string) => void][] = [
  ["is cut", (path) => Deno.truncateSync(path, 10)],
  ["is emptied", (path) => Deno.truncateSync(path, 0)],
  [
    "grows",
    (path) =>
      Deno.writeFileSync(path, new Uint8Array(1), {
        append: true,
        create: false,
      }),
  ],
  [
    "is written over with as many bytes",
    (path) => {
      using file = Deno.openSync(path, { write: true });
      file.writeSync(new Uint8Array(10).fill(9));
    },
  ],
];

for (const [what, alter] of ALTERATIONS) {
  Deno.test(`Digests report a file that ${what} while it is hashed as changed`, async () => {
    let alterNow: (() => void) | undefined;
    await using setup = await setUp({ "file": new Uint8Array(MIB) }, {
      isBusy: () => {
        alterNow?.();
        alterNow = undefined;
        return false;
      },
    });
    const { digests } = setup;
    const before = await setup.file("file");
    alterNow = () => alter(before.path);
    assertEquals(await digests.describe(before), {
      kind: "refused",
      reason: "changed",
    });
    assertEquals(digests.of(before), undefined);
    const content = await Deno.readFile(before.path);
    const after = await setup.file("file");
    const described = describedOf(await digests.describe(after));
    assertEquals(described.sha256, (await sha256(content)).toHex());
  });
}

Deno.test("Digests are of the old bytes, or missing, if a file is replaced meanwhile", async () => {
  let replace: (() => void) | undefined;
  const old = new Uint8Array(MIB);
  await using setup = await setUp({ "file": old }, {
    isBusy: () => {
      replace?.();
      replace = undefined;
      return false;
    },
  });
  const file = await setup.file("file");
  replace = () => {
    Deno.writeFileSync(`${file.path}.new`, new Uint8Array(MIB).fill(1));
    Deno.renameSync(`${file.path}.new`, file.path);
  };
  const outcome = await setup.digests.describe(file);
  if (outcome.kind === "refused") assertEquals(outcome.reason, "changed");
  else {
    assertEquals(outcome.described.sha256, (await sha256(old)).toHex());
  }
});

Deno.test("Digests report a deleted file as gone, and continue", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const a = await setup.file("a");
  const b = await setup.file("b");
  await Deno.remove(a.path);
  assertEquals(await setup.digests.describe(a), {
    kind: "refused",
    reason: "gone",
  });
  describedOf(await setup.digests.describe(b));
});

Deno.test("Digests report a file that cannot be read as unreadable, and continue", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const { digests, share } = setup;
  const a = await setup.file("a");
  const b = await setup.file("b");
  slowDisk(share);
  const open = share.open.bind(share);
  share.open = (file) =>
    file !== a ? open(file) : {
      kind: "opened",
      opened: {
        file,
        read: () =>
          Promise.reject(Object.assign(new Error("disk"), { code: "EIO" })),
        readSync: () => false,
        isUnchanged: () => true,
        isStill: () => true,
        [Symbol.dispose]: () => {},
      },
    };
  const outcome = await within(digests.describe(a), "an answer");
  assertEquals(outcome, { kind: "refused", reason: "unreadable" });
  describedOf(await within(digests.describe(b), "an answer"));
});

Deno.test("Digests of a small file on a quick disk read it at once, and check it once", async () => {
  await using setup = await setUp({ "a": "one", "b": "two", "c": "" });
  const { digests, share } = setup;
  Object.defineProperty(share, "isQuick", { value: true });
  const [a, b] = [await setup.file("a"), await setup.file("b")];
  const read: string[] = [];
  const readSmall = share.readSmall.bind(share);
  share.readSmall = (file, target) => {
    read.push(file.name);
    if (file === a) return { kind: "refused", reason: "changed" };
    return readSmall(file, target);
  };
  share.open = () => {
    throw new TypeError("not at once");
  };
  const outcome = await within(digests.describe(a), "an answer");
  assertEquals(outcome, { kind: "refused", reason: "changed" });
  const two = describedOf(await digests.describe(b));
  const expected = await expectedOf(new TextEncoder().encode("two"));
  assertEquals([two.content, two.sha256], [expected.content, expected.sha256]);
  const empty = describedOf(await digests.describe(await setup.file("c")));
  assertEquals(empty.content, (await expectedOf(new Uint8Array())).content);
  assertEquals(read.toSorted(), ["a", "b", "c"]);
});

Deno.test("Digests of a version that no longer exists are forgotten", async () => {
  await using setup = await setUp({ "a": "one", "b": "two" });
  const { digests } = setup;
  let idle = setup.idle();
  digests.refresh();
  await idle;
  const old = await setup.file("a");
  const { content } = digests.of(old)!;
  await Deno.writeTextFile(old.path, "three");
  const now = await setup.file("a");
  assertEquals(digests.of(now), undefined, "another version");
  assertEquals(digests.withContent(content), undefined, "not any more");
  idle = setup.idle();
  digests.refresh();
  await idle;
  assertEquals(digests.of(old), undefined);
  assertEquals(digests.withContent(content), undefined);
  const digest = digests.of(now)!;
  assertEquals(digests.withContent(digest.content), now);
});

Deno.test("Digests are computed again when a file is written again with the same bytes", async () => {
  await using setup = await setUp({ "a": "one" });
  const { digests } = setup;
  const before = await setup.file("a");
  const described = describedOf(await digests.describe(before));
  await Deno.writeTextFile(before.path, "one");
  const after = await setup.file("a");
  assertEquals(digests.of(after), undefined);
  assertEquals(describedOf(await digests.describe(after)), described);
  assertEquals(digests.withContent(described.content), after);
});

Deno.test("Digests find a content as long as one file has it", async () => {
  await using setup = await setUp({ "a": "same", "b": "same", "c": "same" });
  const { digests, share } = setup;
  const idle = setup.idle();
  digests.refresh();
  await idle;
  const { content } = digests.of(await setup.file("a"))!;
  while (share.fileCount > 1) {
    const found = digests.withContent(content);
    assertExists(found, `${share.fileCount} have it`);
    await Deno.remove(found.path);
    await share.find(found.name);
  }
  assertExists(digests.withContent(content), "one has it");
});
