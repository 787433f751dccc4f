/**
 * Small files, saved several at a time: on the spot and in a worker.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { Failure } from "../../lib/base/errors.ts";
import { type Order, type OrderPort, Orders } from "../../lib/disk/orders.ts";
import { type Saver, saverHere, startSaver } from "../../lib/disk/saver.ts";
import type { TargetOptions } from "../../lib/disk/publishing.ts";
import type {
  FileToSave,
  SaverOutcome,
  SaveTerms,
} from "../../lib/disk/saver_code.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const WRITTEN_MS = 1_600_000_000_000;
const CONTENT = randomBytes(5_000, seededRandom(1));

const PLACES: readonly { where: string; start: () => Saver }[] = [
  { where: "on the spot", start: () => saverHere(8) },
  { where: "in a worker", start: () => startSaver(8) },
];

type Given =
  & Partial<Pick<FileToSave, "bytes" | "partialPath">>
  & Partial<SaveTerms>;

function fileAt(
  folder: string,
  name: string,
  { bytes = CONTENT, partialPath, ...terms }: Given = {},
): FileToSave {
  return {
    path: join(folder, name),
    partialPath: partialPath ?? join(folder, `.${name}.p2p-part`),
    bytes,
    writtenMs: WRITTEN_MS,
    terms: {
      mode: 0o640,
      finalMode: undefined,
      overwrite: false,
      syncedIn: folder,
      judged: undefined,
      ...terms,
    },
  };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

for (const { where, start } of PLACES) {
  Deno.test(`A saver ${where} gives each file its bytes, its time and its name`, async () => {
    await using folder = await tempShare();
    using saver = start();
    const names = Array.from({ length: 100 }, (_, n) => `f${n}`);
    const outcomes = await Promise.all(names.map((name, n) => {
      // A part of a larger buffer, as it is received.
      const bytes = CONTENT.subarray(n, 3 * n);
      return saver.add(fileAt(folder.path, name, { bytes }));
    }));
    assertEquals(outcomes, names.map(() => ({ kind: "saved" })));
    assertEquals(namesIn(folder.path), names.toSorted());
    for (const [n, name] of names.entries()) {
      const path = join(folder.path, name);
      assertEquals(await Deno.readFile(path), CONTENT.slice(n, 3 * n));
      const { mtime, nlink } = await Deno.stat(path);
      assertEquals([mtime?.getTime(), nlink], [WRITTEN_MS, 1]);
    }
  });

  Deno.test(`A saver ${where} reports for each file separately what is in its way`, async () => {
    await using folder = await tempShare({
      "there": "other",
      ".left.p2p-part": "an earlier run's",
      "old": "old",
    });
    using saver = start();
    const at = (name: string, given: Given = {}) =>
      fileAt(folder.path, name, given);
    const outcomes = await Promise.all([
      saver.add(at("good")),
      saver.add(at("there")),
      saver.add(at("left")),
      saver.add(at("old", { overwrite: true })),
      saver.add(at("lost", { partialPath: join(folder.path, "no", "x") })),
      saver.add(at("zeros", { bytes: new Uint8Array(5_000) })),
      saver.add(at("empty", { bytes: new Uint8Array() })),
    ]);
    assertEquals(
      outcomes.map((outcome) =>
        outcome.kind === "failed" ? outcome.error.name : outcome.kind
      ),
      [
        "saved",
        "AlreadyExists",
        "taken",
        "saved",
        "NotFound",
        "saved",
        "saved",
      ],
    );
    assertEquals(
      namesIn(folder.path),
      [".left.p2p-part", "empty", "good", "old", "there", "zeros"],
    );
    const text = (name: string) =>
      Deno.readTextFileSync(join(folder.path, name));
    assertEquals([text("there"), text("empty")], ["other", ""]);
    assertEquals(text(".left.p2p-part"), "an earlier run's");
    assertEquals(await Deno.readFile(join(folder.path, "old")), CONTENT);
    const zeros = await Deno.readFile(join(folder.path, "zeros"));
    assertEquals(zeros, new Uint8Array(5_000));
  });

  Deno.test({
    name: `A saver ${where} opens a mode only after the file is complete`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare();
      using saver = start();
      const file = fileAt(folder.path, "f", { mode: 0o600, finalMode: 0o664 });
      assertEquals(await saver.add(file), { kind: "saved" });
      assertEquals((await Deno.stat(file.path)).mode! & 0o7777, 0o664);
    },
  });
}

/** A worker of which the test answers the orders. */
function heldPort() {
  const orders: Order<FileToSave>[] = [];
  const port: OrderPort<FileToSave, SaverOutcome> = {
    send: (order) => void orders.push(order),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => {},
  };
  const answer = ({ id, files }: Order<FileToSave>) => {
    const outcomes = files.map(() => ({ kind: "saved" } as const));
    port.onReply({ id, outcomes });
  };
  return { port, orders, answer };
}

Deno.test("A saver has a few bounded orders at a time, and loses no file", async () => {
  const { port, orders, answer } = heldPort();
  const most = 4;
  using saver = new Orders(port, most);
  const names = Array.from({ length: 3 * most + 1 }, (_, n) => `f${n}`);
  let saved = 0;
  const saving = names.map(async (name) => {
    await saver.add(fileAt("folder", name));
    saved++;
  });
  await Promise.resolve(); // they share orders from the next turn on
  assertEquals(orders.map(({ files }) => files.length), [most, most]);
  for (let at = 0; at < orders.length; at++) answer(orders[at]!);
  await Promise.all(saving);
  assertEquals(saved, names.length);
  const lengths = orders.map(({ files }) => files.length);
  assertEquals(lengths, [most, most, most, 1]);
  const paths = orders.flatMap(({ files }) => files.map(({ path }) => path));
  assertEquals(paths, names.map((name) => join("folder", name)));
});

Deno.test("A saver collects files while an order runs, and sends a second one early only if it is full", async () => {
  const { port, orders, answer } = heldPort();
  using saver = new Orders(port, 4);
  const save = (name: string) => saver.add(fileAt("folder", name));
  const saving = [save("a")];
  await Promise.resolve();
  saving.push(save("b"));
  await Promise.resolve();
  saving.push(save("c"));
  await Promise.resolve();
  assertEquals(orders.map(({ files }) => files.length), [1]);
  answer(orders[0]!);
  assertEquals(orders.map(({ files }) => files.length), [1, 2]);
  saving.push(...["d", "e", "f", "g"].map(save));
  assertEquals(orders.map(({ files }) => files.length), [1, 2, 4]);
  answer(orders[1]!);
  answer(orders[2]!);
  await Promise.all(saving);
});

Deno.test("A saver that ends early rejects waiting and later files", async () => {
  const { port } = heldPort();
  using saver = new Orders(port, LIMITS.savedTogetherCount);
  const saving = [1, 2].map((n) => saver.add(fileAt("folder", `f${n}`)));
  port.onEnd(new Error("out of memory"));
  for (const one of [...saving, saver.add(fileAt("folder", "f3"))]) {
    await assertRejects(() => one, Error, "out of memory");
  }
});

Deno.test("SmallFiles saves many files in a worker, and reports errors there like others", async () => {
  await using folder = await tempShare({
    there: "other",
    ".l.p2p-part": "left",
  });
  let started = 0;
  using small = new SmallFiles({
    start: (mostOpen) => {
      started++;
      return startSaver(mostOpen);
    },
  });
  const options = { overwrite: false, modifiedMs: WRITTEN_MS };
  const save = (name: string) =>
    small.save(join(folder.path, name), CONTENT, options);
  const names = Array.from(
    { length: LIMITS.savedHereCount },
    (_, n) => `f${n}`,
  );
  await Promise.all(names.map(save));
  assertEquals(started, 0);
  const [failed] = await Promise.all([
    assertRejects(() => save("there"), Failure),
    save("l"),
    save("more"),
  ]);
  assertEquals(started, 1);
  assert(failed.cause instanceof Deno.errors.AlreadyExists);
  const all = [...names, "there", "l", "more"].sort();
  assertEquals(namesIn(folder.path), all);
  assertEquals(await Deno.readFile(join(folder.path, "l")), CONTENT);
});

Deno.test("SmallFiles gives files with the same terms one object, which a message carries once", async () => {
  await using folder = await tempShare();
  const orders: Order<FileToSave>[] = [];
  const port: OrderPort<FileToSave, SaverOutcome> = {
    send: (order) => {
      orders.push(order);
      const outcomes = order.files.map(() => ({ kind: "saved" as const }));
      queueMicrotask(() => port.onReply({ id: order.id, outcomes }));
    },
    onReply: () => {},
    onEnd: () => {},
    terminate: () => {},
  };
  using small = new SmallFiles({
    start: () => new Orders(port, LIMITS.savedTogetherCount),
  });
  const options = { overwrite: false, modifiedMs: WRITTEN_MS, sync: false };
  for (let n = 0; n < LIMITS.savedHereCount; n++) {
    await small.save(join(folder.path, `here${n}`), CONTENT, options);
  }
  const judged = { ino: 1, dev: 2, mayBeLinked: false };
  const other = { ...judged, ino: 3 };
  const inner = join(folder.path, "inner");
  const saving: [path: string, given: Partial<TargetOptions>][] = [
    [join(folder.path, "one"), {}],
    [join(folder.path, "two"), { modifiedMs: WRITTEN_MS + 1 }],
    [join(inner, "one"), { folder: judged }],
    [join(inner, "two"), { folder: judged }],
    [join(inner, "three"), { folder: other }],
    [join(inner, "four"), { sync: true }],
    [join(inner, "five"), { overwrite: true }],
    [join(inner, "six"), { isExecutable: true }],
  ];
  for (const [path, given] of saving) {
    await small.save(path, CONTENT, { ...options, ...given });
  }
  const terms = orders.flatMap(({ files }) => files).map(({ terms }) => terms);
  assertEquals(terms.length, saving.length);
  const objects = new Set(terms);
  assertEquals(objects.size, saving.length - 2);
  assert(terms[0] === terms[1] && terms[2] === terms[3]);
  assertEquals(terms[0]?.syncedIn, undefined);
  assertEquals(terms[0]?.judged, undefined);
  assertEquals(terms[2]?.judged, { path: inner, ...judged });
  assertEquals(terms[4]?.judged, { path: inner, ...other });
  assertEquals(terms[5]?.syncedIn, inner);
  assertEquals(terms.map(({ overwrite }) => overwrite).indexOf(true), 6);
  assert(
    terms[7]!.mode !== terms[4]!.mode || terms[7]!.finalMode !== undefined,
  );
});
