/** A piece that comes when its file has ended already. */

import { assertEquals } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { Download } from "../../lib/transfer/download.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import type { Sink } from "../../lib/transfer/receiving.ts";
import { within } from "../_event_log.ts";
import { seededRandom } from "../_random.ts";
import { runHolder } from "./_holders.ts";
import { contentOf, PIECE } from "./_holding.ts";

const COUNT = 12;
const FIRST = contentOf(COUNT, 5);
const SECOND = contentOf(COUNT, 6);
const ALL = [...Array(COUNT).keys()];

/** Takes a file into memory, and returns its hash when it is complete. */
function hashingSink(size: number, onHash: (hash: string) => void): Sink {
  const into = new Uint8Array(size);
  return {
    write: (first, part) => {
      into.set(part, first * PIECE);
      return Promise.resolve();
    },
    finish: () => {
      onHash(sha256(into).toHex());
      return Promise.resolve();
    },
  };
}

Deno.test("A download asks a node for the next file after a piece that came too late for the one before", async () => {
  await using stack = new AsyncDisposableStack();
  const slow = await runHolder(FIRST, { have: ALL }, stack);
  slow.holder.files.add((await runHolder(SECOND, { have: ALL }, stack)).held);
  const quick = await runHolder(FIRST, { have: ALL }, stack);
  const ended = Promise.withResolvers<void>();
  const hashes: string[] = [];
  const download = new Download({
    limits: limitsWith({}),
    hasher: new PlainHasher(),
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: new AbortController().signal,
    onBytes: () => {},
    onSaved: () => {},
    onFinished: () => ended.resolve(),
    onFailed: () => {},
    onTrouble: () => {},
  });
  const addFile = ({ bytes, manifest }: typeof FIRST) => {
    const content = manifest.contentId;
    download.addFile({
      ...{ name: "big.iso", size: bytes.length, content, manifest },
      sources: new Map([[slow.source.id, content]]),
      rarest: { random: seededRandom(3) },
      sink: hashingSink(bytes.length, (hash) => hashes.push(hash)),
    });
  };
  const asked = Promise.withResolvers<void>();
  const open = async () => {
    const session = await slow.meet();
    const read = session.read.bind(session);
    session.read = async (task, receiver) => {
      asked.resolve();
      await ended.promise;
      return await read(task, receiver);
    };
    return session;
  };
  addFile(FIRST);
  download.addSource({ id: slow.source.id, open });
  const running = download.run();
  await within(asked.promise, "a question to the slow one");
  download.addSource({
    ...quick.source,
    content: FIRST.manifest.contentId,
  });
  await within(ended.promise, "the first file");
  addFile(SECOND);
  download.close();
  await within(running, "the second file");
  assertEquals(
    hashes,
    [FIRST, SECOND].map(({ bytes }) => sha256(bytes).toHex()),
  );
});
