/**
 * Fetching a file of which an older version is there: only what changed comes
 * over the line.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { getFiles } from "../../lib/client/get.ts";
import { Failure } from "../../lib/base/errors.ts";
import { startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  assertBytes,
  ClientLog,
  filesIn,
  get,
  type GetTestOptions,
} from "./_outcomes.ts";
import { MIDDLE, PARTIAL, PIECE, read, startLyingNode } from "./_setting.ts";

/** MIDDLE, with one byte changed in each of these pieces. */
function changedIn(...pieces: readonly number[]): Uint8Array {
  const bytes = MIDDLE.slice();
  for (const piece of pieces) bytes[piece * PIECE + 3]! ^= 1;
  return bytes;
}

/** MIDDLE, with some bytes put in before `at`. */
function withInserted(at: number): Uint8Array {
  return new Uint8Array([
    ...MIDDLE.subarray(0, at),
    1,
    2,
    3,
    ...MIDDLE.subarray(at),
  ]);
}

const LAST = 6; // seven bytes

/** Versions that are there, and what must be fetched beside them. */
const OLDER = [
  ["has one piece that is wrong", changedIn(2), PIECE],
  ["has its first and last piece wrong", changedIn(0, LAST), PIECE + 7],
  ["is shorter", MIDDLE.slice(0, 4 * PIECE + 9), 2 * PIECE + 7],
  ["is longer", new Uint8Array([...changedIn(5), 1, 2, 3]), PIECE],
  ["had bytes put in", withInserted(3 * PIECE - 1), 4 * PIECE + 7],
  ["has nothing that is right", changedIn(0, 1, 2, 3, 4, 5, 6), MIDDLE.length],
  ["is one piece", MIDDLE.slice(0, PIECE), MIDDLE.length - PIECE],
  ["is less than a piece", MIDDLE.slice(0, PIECE - 1), MIDDLE.length],
] as const;

for (const unhashed of [false, true]) {
  const which = unhashed ? ", also where its node has not hashed it" : "";
  for (const [what, old, fetched] of OLDER) {
    Deno.test(`getFiles that may overwrite fetches only the wrong pieces of a file that ${what}${which}`, async () => {
      await using relay = await startRelay();
      await using _node = await startLyingNode(relay, { "f": MIDDLE }, {
        unhashed,
      });
      await using folder = await tempShare({ "f": old });
      const { saved, failed, log } = await get(relay, folder.path, ["f"], {
        overwrite: true,
      });
      assertEquals([Object.keys(saved), failed], [["f"], {}]);
      assertBytes(await read(folder, "f"), MIDDLE);
      assertEquals(filesIn(folder.path), ["f"]);
      assertEquals(log.bytesFrom("f"), { mallory: fetched });
      const path = join(folder.path, "f");
      const kept = MIDDLE.length - fetched;
      assertEquals(
        log.of("file_kept").map(({ base, bytes }) => [base, bytes]),
        kept === 0 ? [] : [[path, kept]],
      );
      const last = log.of("progress").at(-1);
      assertEquals([last?.received, last?.total], [
        MIDDLE.length,
        MIDDLE.length,
      ]);
    });
  }
}

/** Fetches "f" as "new", with "old" as the base. */
async function getFromBase(
  old: Uint8Array,
  { files = {}, ...options }: GetTestOptions & {
    files?: Record<string, Uint8Array>;
  } = {},
) {
  const stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const node = stack.use(await startLyingNode(relay, { "f": MIDDLE }));
  const folder = stack.use(await tempShare({ old, ...files }));
  const base = join(folder.path, "old");
  const outcome = await get(relay, folder.path, ["f"], { base, ...options });
  return {
    ...outcome,
    node,
    folder,
    base,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const [what, old, fetched] of OLDER) {
  Deno.test(`getFiles uses the right pieces of a base that ${what}, and does not change it`, async () => {
    await using got = await getFromBase(old);
    assertEquals([Object.keys(got.saved), got.failed], [["f"], {}]);
    assertBytes(await read(got.folder, "f"), MIDDLE);
    assertBytes(await read(got.folder, "old"), old);
    assertEquals(got.log.bytesFrom("f"), { mallory: fetched });
    assertEquals(filesIn(got.folder.path), ["f", "old"]);
  });
}

Deno.test("getFiles requests no pieces if the base has the same content", async () => {
  await using got = await getFromBase(MIDDLE);
  assertBytes(await read(got.folder, "f"), MIDDLE);
  assertEquals(got.log.bytesFrom("f"), {});
  assertEquals(got.node.asked.filter(({ kind }) => kind === "read"), []);
});

Deno.test("getFiles takes pieces from an earlier run, the base and the file that it replaces together", async () => {
  const partial = new Uint8Array(PIECE); // all but the first is missing
  partial.set(MIDDLE.subarray(0, PIECE));
  await using got = await getFromBase(changedIn(0, 1, 2), {
    overwrite: true,
    files: { [PARTIAL]: partial, "f": changedIn(0, 2, 3, 4) },
  });
  assertBytes(await read(got.folder, "f"), MIDDLE);
  const { log, folder, base } = got;
  assertEquals(log.bytesFrom("f"), { mallory: PIECE }, "the third");
  assertEquals(log.of("file_resumed").map(({ bytes }) => bytes), [PIECE]);
  assertEquals(
    log.of("file_kept").map(({ base, bytes }) => [base, bytes]),
    [[base, 3 * PIECE + 7], [join(folder.path, "f"), PIECE]],
  );
});

Deno.test("getFiles uses no wrong piece of a base that changes while it is read", async () => {
  await using folder = await tempShare({ "old": MIDDLE });
  const base = join(folder.path, "old");
  await using relay = await startRelay();
  const changed = randomBytes(MIDDLE.length, seededRandom(9));
  await using _node = await startLyingNode(relay, { "f": MIDDLE });
  const log = new ClientLog();
  const { failed } = await get(relay, folder.path, ["f"], {
    base,
    onEvent: (event) => {
      log.onEvent(event);
      if (event.event !== "node_answered") return;
      // The base is open by now, and nothing of it has been read.
      Deno.writeFileSync(base, changed.subarray(0, 5 * PIECE), {
        create: false,
      });
    },
  });
  assertEquals(failed, {});
  assertBytes(await read(folder, "f"), MIDDLE);
  assertEquals(log.bytesFrom("f"), { mallory: MIDDLE.length });
});

Deno.test("getFiles refuses the file to be saved as its base, and reports that it needs none", async () => {
  await using folder = await tempShare({ "f": changedIn(1) });
  const base = join(folder.path, "f");
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": MIDDLE });
  const { failed, log } = await get(relay, folder.path, ["f"], {
    base,
    overwrite: true,
  });
  assertEquals(failed, { "f": "local" });
  const { error } = log.of("file_failed")[0]!;
  assertEquals(
    error.message,
    `Cannot use base file (${base}): it is the file to be saved`,
  );
  assertEquals((error as Failure).parts.remedyCode, "no_base");
  assertBytes(await read(folder, "f"), changedIn(1));
});

Deno.test("getFiles refuses a useless base before any request", async () => {
  await using folder = await tempShare({ "old": "" });
  for (
    const [name, why] of [
      ["nothing", "there is no such file"],
      [".", "it is a folder"],
    ] as const
  ) {
    const base = join(folder.path, name);
    const failure = await assertRejects(
      () =>
        getFiles({
          relay: { host: "127.0.0.1", port: 1 }, // where nobody listens
          selections: [{ kind: "name", name: "f" }],
          pathOf: () => join(folder.path, "f"),
          base,
        }),
      Failure,
      `Cannot use base file (${base}): ${why}`,
    );
    assertEquals([failure.kind, failure.parts.remedyCode], [
      "local",
      "other_base",
    ]);
  }
});
