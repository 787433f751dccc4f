/** Clients of a swarm, with a download each, that find each other at a relay. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { Reach } from "../../lib/client/reach.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { SwarmMember } from "../../lib/swarm/member.ts";
import { Download } from "../../lib/transfer/download.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { HolderEvent } from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { EventLog, within } from "../_event_log.ts";
import type { TestRelay } from "../_network.ts";
import { seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { contentOf, PIECE } from "./_holding.ts";

export const COUNT = 16;
export const CONTENT = contentOf(COUNT, 7);

/** Options of {@linkcode startClient}. */
export interface MemberOptions {
  readonly have?: readonly number[];
  readonly seed: number;
  /** Where it listens; the relay dials all at 127.0.0.1. */
  readonly host?: string;
  readonly limits?: Partial<Limits>;
  /** Holders that it cannot dial. */
  readonly hidden?: Pick<ReadonlySet<string>, "has">;
}

/** A client that has some pieces, and receives the others. */
export async function startClient(
  relays: TestRelay | readonly TestRelay[],
  { have = [], seed, host = "127.0.0.1", hidden, limits: given }: MemberOptions,
  stack: AsyncDisposableStack,
) {
  const { bytes, manifest } = CONTENT;
  const limits = { ...LIMITS, swarmAskEveryMs: 50, ...given };
  const dialers = [relays].flat().map(({ server }) =>
    new RelayDialer(server.address, {
      role: "client",
      plaintext: false,
      access: {},
      limits,
      onEvent: () => {},
    })
  );
  const reach = stack.use(new Reach({ dialers, plaintext: false, limits }));
  const log = new EventLog<HolderEvent>();
  const member = stack.use(
    await SwarmMember.open({
      dialers,
      plaintext: false,
      isPrivate: false,
      host,
      limits,
      dial: async (holder, signal) => {
        if (hidden?.has(holder.id)) throw new Error("no way to it");
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
  const finished = Promise.withResolvers<void>();
  const stop = new AbortController();
  stack.defer(() => stop.abort(new Error("the test has ended")));
  const offered = Promise.withResolvers<void>();
  const download = new Download({
    limits,
    hasher: new PlainHasher(),
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: stop.signal,
    onBytes: ({ source, bytes }) =>
      from.set(source, (from.get(source) ?? 0) + bytes),
    onSaved: (task) => content.saved(task),
    onFinished: () => finished.resolve(),
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
      if (source.session !== undefined) offered.resolve();
    }),
  );
  return {
    member,
    content,
    log,
    from,
    failed,
    /** Resolves when another client has offered it pieces. */
    offered: offered.promise,
    /** Receives all of it; sources may come and go until then. */
    receive: async () => {
      const end = download.run();
      await within(Promise.race([finished.promise, end]), "the file");
      download.close();
      await within(end, "the end");
      assertEquals(failed, []);
      const saved = await Deno.readFile(path);
      assert(saved.every((byte, at) => byte === bytes[at]), "the right bytes");
      assertEquals(saved.length, bytes.length);
    },
  };
}
