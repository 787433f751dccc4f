/** Clients that find each other at a real relay, and help each other. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { Reach } from "../../lib/client/reach.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { SwarmMember } from "../../lib/swarm/member.ts";
import { Download } from "../../lib/transfer/download.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { HolderEvent } from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { EventLog, within } from "../_event_log.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { contentOf, PIECE } from "./_holding.ts";

const COUNT = 16;
const CONTENT = contentOf(COUNT, 7);
const ALL = [...Array(COUNT).keys()];

/** A client that has some pieces, and receives the others. */
async function startClient(
  relay: TestRelay,
  { have = [], seed }: { have?: readonly number[]; seed: number },
  stack: AsyncDisposableStack,
) {
  const { bytes, manifest } = CONTENT;
  const limits = { ...LIMITS, swarmAskEveryMs: 50 };
  const dialer = new RelayDialer(relay.server.address, {
    role: "client",
    plaintext: false,
    access: {},
    limits,
    onEvent: () => {},
  });
  const reach = stack.use(
    new Reach({ dialers: [dialer], plaintext: false, limits }),
  );
  const log = new EventLog<HolderEvent>();
  const member = stack.use(
    await SwarmMember.open({
      dialer,
      plaintext: false,
      isPrivate: false,
      host: "127.0.0.1",
      limits,
      dial: async (holder, signal) => {
        const { channel } = await reach.open(holder, signal);
        const { id } = holder;
        const path = "direct";
        return (await NodeSession.open(channel, { id, path })).session;
      },
      random: seededRandom(seed),
      onEvent: (event) => log.onEvent(event as HolderEvent),
    }),
  );
  const folder = stack.use(await tempShare());
  const path = join(folder.path, "big.iso");
  const options = { overwrite: false, modifiedMs: 0, sync: false };
  const partial = await PartialFile.open(path, {
    size: bytes.length,
    ...options,
  });
  stack.defer(() => partial.keep());
  for (const piece of have) {
    const part = bytes.subarray(piece * PIECE, (piece + 1) * PIECE);
    await partial.write(piece, part);
  }
  const from = new Map<string, number>();
  const failed: string[] = [];
  const sourced = Promise.withResolvers<void>();
  const download = new Download({
    limits,
    hasher: new PlainHasher(),
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: new AbortController().signal,
    onBytes: ({ source, bytes }) =>
      from.set(source, (from.get(source) ?? 0) + bytes),
    onSaved: (task) => content.saved(task),
    onFinished: () => {},
    onFailed: (_, failure) => failed.push(failure),
    onTrouble: () => {},
  });
  const descriptor = partial.openToRead();
  download.addFile({
    name: "big.iso",
    size: bytes.length,
    content: manifest.contentId,
    manifest,
    sources: new Map(),
    have,
    rarest: { random: seededRandom(seed) },
    sink: partial,
  });
  const held = { name: "big.iso", manifest, descriptor, have };
  const content = stack.use(
    member.join(held, ({ source }) => {
      download.addSource(source);
      sourced.resolve();
    }),
  );
  return {
    member,
    content,
    log,
    from,
    failed,
    /** Receives all of it; no source is given up before the first is there. */
    receive: async () => {
      const end = download.run();
      // Sources follow; only that no more files do is certain.
      await within(sourced.promise, "a source");
      download.close();
      await within(end, "the file");
      assertEquals(failed, []);
      const saved = await Deno.readFile(path);
      assert(saved.every((byte, at) => byte === bytes[at]), "the right bytes");
      assertEquals(saved.length, bytes.length);
    },
  };
}

Deno.test("A client that comes when the first holder has left gets all of the file from those that stayed", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  await using first = new AsyncDisposableStack();
  const seed = await startClient(relay, { have: ALL, seed: 1 }, first);
  await within(seed.log.until("holder_listed"), "the lease");
  const others = [];
  for (const number of [2, 3]) {
    const other = await startClient(relay, { seed: number }, stack);
    await within(other.log.until("holder_listed"), "the lease");
    others.push(other);
  }
  await Promise.all(others.map((other) => other.receive()));
  await first[Symbol.asyncDispose]();
  const last = await startClient(relay, { seed: 4 }, stack);
  await last.receive();
  const ids = others.map(({ member }) => member.id);
  assert(
    [...last.from.keys()].every((id) => ids.includes(id.split(" ")[0]!)),
  );
  const sum = [...last.from.values()].reduce((sum, bytes) => sum + bytes);
  assertEquals(sum, COUNT * PIECE);
  const given = others.reduce((sum, { member }) => sum + member.sentBytes, 0);
  assert(given >= COUNT * PIECE, `${given}`);
});
