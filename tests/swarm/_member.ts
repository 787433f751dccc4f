/** Clients of a swarm, with a download each, that find each other at a relay. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Access } from "../../lib/access/credentials.ts";
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
  /** What it shows to relays that are private. */
  readonly access?: Access;
  /** Whether everybody may have its content; by default they may. */
  readonly isOpen?: boolean;
  /** Where it listens; the relay dials all at 127.0.0.1. */
  readonly host?: string;
  readonly limits?: Partial<Limits>;
  /** Holders that it cannot dial. */
  readonly hidden?: Pick<ReadonlySet<string>, "has">;
}

/** Opens a member that dials holders by itself. */
async function openMember(
  relays: readonly TestRelay[],
  { seed, host = "127.0.0.1", hidden, access = {}, limits, log }:
    & Omit<MemberOptions, "limits">
    & { limits: Limits; log: EventLog<HolderEvent> },
  stack: AsyncDisposableStack,
): Promise<SwarmMember> {
  const dialers = relays.map(({ server }) =>
    new RelayDialer(server.address, {
      ...{ role: "client", plaintext: false, access, limits },
      onEvent: () => {},
    })
  );
  const reach = stack.use(new Reach({ dialers, plaintext: false, limits }));
  return stack.use(
    await SwarmMember.open({
      ...{ dialers, plaintext: false, host, limits },
      dial: async (holder, signal) => {
        if (hidden?.has(holder.id)) throw new Error("no way to it");
        const { channel } = await reach.open(holder, signal);
        const { id } = holder;
        const grant = holder.grant?.text;
        const shown = { id, ...grant === undefined ? {} : { grant } };
        const options = { ...shown, path: "direct" } as const;
        return (await NodeSession.open(channel, options)).session;
      },
      random: seededRandom(seed),
      onEvent: (event) => log.onEvent(event as HolderEvent),
    }),
  );
}

/** A partial file that has some pieces, and its path. */
async function partialWith(
  have: readonly number[],
  stack: AsyncDisposableStack,
): Promise<{ partial: PartialFile; path: string }> {
  const { bytes } = CONTENT;
  const folder = stack.use(await tempShare());
  const path = join(folder.path, "big.iso");
  const partial = await PartialFile.open(path, {
    ...{ size: bytes.length, overwrite: false, modifiedMs: 0, sync: false },
  });
  stack.defer(() => partial.keep());
  for (const piece of have) {
    const part = bytes.subarray(piece * PIECE, (piece + 1) * PIECE);
    await partial.write(piece, part);
  }
  return { partial, path };
}

/** A client that has some pieces, and receives the others. */
export async function startClient(
  relays: TestRelay | readonly TestRelay[],
  { limits: given, ...options }: MemberOptions,
  stack: AsyncDisposableStack,
) {
  const { have = [], seed } = options;
  const { bytes, manifest } = CONTENT;
  const limits = { ...LIMITS, swarmRequestEveryMs: 50, ...given };
  const log = new EventLog<HolderEvent>();
  const set = { ...options, limits, log };
  const member = await openMember([relays].flat(), set, stack);
  const { partial, path } = await partialWith(have, stack);
  const from = new Map<string, number>();
  const failed: string[] = [];
  const finished = Promise.withResolvers<void>();
  const stop = new AbortController();
  stack.defer(() => stop.abort(new Error("the test has ended")));
  const offered = Promise.withResolvers<void>();
  const download = new Download({
    ...{ limits, hasher: new PlainHasher(), signal: stop.signal },
    ...{ connections: 1, lowestBytesPerSecond: 1 },
    onBytes: ({ source, bytes }) =>
      from.set(source, (from.get(source) ?? 0) + bytes),
    onSaved: (task) => content.saved(task),
    onFinished: () => finished.resolve(),
    onFailed: (_, failure) => failed.push(failure),
    onTrouble: () => {},
  });
  const descriptor = partial.openToRead();
  download.addFile({
    ...{ name: "big.iso", size: bytes.length, manifest, have, sink: partial },
    content: manifest.contentId,
    sources: new Map(),
    rarest: { random: seededRandom(seed) },
  });
  const { isOpen = true } = options;
  const held = { name: "big.iso", manifest, descriptor, have, isOpen };
  const content = stack.use(
    member.join(held, ({ source }) => {
      download.addSource(source);
      if (source.session !== undefined) offered.resolve();
    }),
  );
  return {
    ...{ member, content, log, from, failed },
    /** Resolves when another client has offered it pieces. */
    offered: offered.promise,
    /** Receives all of it; sources may come and go until then. */
    receive: async () => {
      const end = download.run();
      await within(Promise.race([finished.promise, end]), "the file");
      download.close();
      await within(end, "the end");
      assertEquals(failed, []);
      await assertWhole(path);
    },
  };
}

async function assertWhole(path: string): Promise<void> {
  const { bytes } = CONTENT;
  const saved = await Deno.readFile(path);
  assert(saved.every((byte, at) => byte === bytes[at]), "the right bytes");
  assertEquals(saved.length, bytes.length);
}
