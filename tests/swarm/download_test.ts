/** A download from clients that have only some pieces yet. */

import { assert, assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { Download } from "../../lib/transfer/download.ts";
import type { Task } from "../../lib/transfer/plan_types.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import type { SourceTrouble } from "../../lib/transfer/source.ts";
import { within } from "../_event_log.ts";
import { seededRandom } from "../_random.ts";
import { runHolder } from "./_holders.ts";
import { contentOf, PIECE } from "./_holding.ts";

const COUNT = 12;
const CONTENT = contentOf(COUNT, 5);

/** Receives the content from sources that are added later. */
function receiving(
  onTrouble: (reported: SourceTrouble) => void = () => {},
  sources: ReadonlyMap<string, string> = new Map(),
) {
  const { bytes, manifest } = CONTENT;
  const into = new Uint8Array(bytes.length);
  const saved: number[] = [];
  const from: Record<string, number> = {};
  const trouble: SourceTrouble[] = [];
  let onSaved = (_: Task) => {};
  let isFinished = false;
  const download = new Download({
    limits: limitsWith({}),
    hasher: new PlainHasher(),
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: new AbortController().signal,
    onBytes: ({ source, bytes }) => from[source] = (from[source] ?? 0) + bytes,
    onSaved: (task) => {
      for (let n = 0; n < task.count; n++) saved.push(task.first + n);
      onSaved(task);
    },
    onFinished: () => isFinished = true,
    onFailed: (_, failure) => assert(false, failure),
    onTrouble: (reported) => {
      trouble.push(reported);
      onTrouble(reported);
    },
  });
  download.addFile({
    name: "big.iso",
    size: bytes.length,
    content: manifest.contentId,
    manifest,
    sources: new Map(sources),
    rarest: { random: seededRandom(3) },
    sink: {
      write: (first, part) => {
        into.set(part, first * PIECE);
        return Promise.resolve();
      },
      finish: () => Promise.resolve(),
    },
  });
  return {
    download,
    saved,
    from,
    trouble,
    onTask: (onTask: (task: Task) => void) => onSaved = onTask,
    isRight: () =>
      isFinished && sha256(into).toHex() === sha256(CONTENT.bytes).toHex(),
  };
}

const ALL = [...Array(COUNT).keys()];

Deno.test("A download fetches from each holder the pieces that it has, and those that it gains meanwhile", async () => {
  await using stack = new AsyncDisposableStack();
  const half = ALL.filter((piece) => piece % 2 === 0);
  const one = await runHolder(CONTENT, { have: half }, stack);
  const other = await runHolder(CONTENT, { have: [] }, stack);
  const received = receiving();
  const { download, saved, from, trouble } = received;
  // The other gains its half when all of the first one's has been saved.
  received.onTask(() => {
    if (saved.length !== half.length) return;
    for (const first of ALL) {
      if (first % 2 === 1) other.held.gain({ first, count: 1 });
    }
  });
  download.addSource(one.source);
  download.addSource(other.source);
  download.close();
  await within(download.run(), "the file");
  assert(received.isRight());
  assertEquals(from, {
    [one.source.id]: half.length * PIECE,
    [other.source.id]: half.length * PIECE,
  });
  assertEquals(saved.toSorted((a, b) => a - b), ALL, "each piece once");
  assertEquals(trouble, []);
});

Deno.test("A download asks others for a piece that a holder announced but does not send, and keeps the holder for the rest", async () => {
  await using stack = new AsyncDisposableStack();
  const holder = await runHolder(CONTENT, { have: ALL }, stack);
  const seed = await runHolder(CONTENT, { have: ALL }, stack);
  // It says that it has all, and does not find piece 3 any more.
  const { pieces } = holder.held;
  const hasAll = pieces.hasAll.bind(pieces);
  let refusals = 0;
  pieces.hasAll = (run) => {
    const isThere = run.first > 3 || run.first + run.count <= 3;
    if (!isThere) refusals++;
    // The seed is there only from then on, so that the lack is met.
    if (refusals === 1 && !isThere) download.addSource(seed.source);
    return isThere && hasAll(run);
  };
  const received = receiving();
  const { download, from, trouble } = received;
  download.addSource(holder.source);
  download.close();
  await within(download.run(), "the file");
  assert(received.isRight());
  assert(refusals >= 1);
  assertEquals(Object.values(from).reduce((a, b) => a + b), COUNT * PIECE);
  assertEquals(trouble, []);
});

Deno.test("A download continues without a holder that disconnects while it has no piece", async () => {
  await using stack = new AsyncDisposableStack();
  const leaver = await runHolder(CONTENT, { have: [] }, stack);
  const other = await runHolder(CONTENT, { have: [0] }, stack);
  const received = receiving();
  const { download, from } = received;
  received.onTask(() => {
    // At the first piece the leaver goes; then the other gains the rest.
    const gone = leaver.holder[Symbol.asyncDispose]();
    void gone.then(() => other.held.gain({ first: 0, count: COUNT }));
  });
  download.addSource(leaver.source);
  download.addSource(other.source);
  download.close();
  await within(download.run(), "the file");
  assert(received.isRight());
  assertEquals(from, { [other.source.id]: COUNT * PIECE });
});

Deno.test("A download drops a holder that no longer has the content", async () => {
  await using stack = new AsyncDisposableStack();
  const empty = await runHolder(CONTENT, { have: ALL }, stack);
  empty.holder.files.remove(empty.held);
  const other = await runHolder(CONTENT, { have: [] }, stack);
  const { download, from, trouble, ...received } = receiving((reported) => {
    // Nothing comes before.
    if (reported.out) other.held.gain({ first: 0, count: COUNT });
  });
  download.addSource(empty.source);
  download.addSource(other.source);
  download.close();
  await within(download.run(), "the file");
  assert(received.isRight());
  assertEquals(from, { [other.source.id]: COUNT * PIECE });
  assertEquals(
    trouble.filter(({ out }) => out).map(({ source }) => source),
    [empty.source.id],
  );
});

Deno.test("A download informs a node that it fetches a file together with others, and accepts any answer to that", async () => {
  await using stack = new AsyncDisposableStack();
  const { source, meet } = await runHolder(CONTENT, { have: ALL }, stack);
  const of = CONTENT.manifest.contentId;
  const asked: string[] = [];
  const open = async () => {
    const session = await meet();
    session.holding = (content) => {
      asked.push(content);
      const text = "no such content here";
      return Promise.resolve({ kind: "refused", code: "gone", text });
    };
    return session;
  };
  const received = receiving(() => {}, new Map([[source.id, of]]));
  received.download.addSource({ id: source.id, open });
  received.download.close();
  await within(received.download.run(), "the file");
  assert(received.isRight());
  assertEquals(received.from, { [source.id]: COUNT * PIECE });
  assertEquals(asked, [of]);
});

Deno.test("A download is done although one holder announces everything and sends nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const limits = limitsWith({ swarmReaderCount: 0 });
  const idler = await runHolder(CONTENT, { have: ALL, limits }, stack);
  const honest = await runHolder(CONTENT, { have: ALL }, stack);
  const received = receiving();
  received.download.addSource(idler.source);
  received.download.addSource(honest.source);
  received.download.close();
  await within(received.download.run(), "the file");
  assert(received.isRight());
  assertEquals(Object.keys(received.from), [honest.source.id]);
});
