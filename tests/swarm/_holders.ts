/** Holders of one content that listen on the loopback, and a way to each. */

import { join } from "@std/path";
import { openSync } from "node:fs";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Manifest } from "../../lib/content/manifest.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { type HolderOptions, HolderServer } from "../../lib/swarm/holder.ts";
import { Holding } from "../../lib/swarm/holding.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { DownloadSource } from "../../lib/transfer/source.ts";
import { dial, type PeerIdentity } from "../../lib/transport/dial.ts";
import { tempShare } from "../_temp_share.ts";

/** A holder that runs. */
export interface RunningHolder {
  readonly holder: HolderServer;
  readonly identity: PeerIdentity;
  readonly held: Holding;
  /** Opens a session with it, which the caller disposes of. */
  meet(grant?: string): Promise<NodeSession>;
  /** It, as a download knows it. */
  readonly source: DownloadSource;
}

/**
 * A holder that says it has the pieces of `have`; all that `bytes` hold are on
 * its disk.
 */
export async function runHolder(
  { bytes, manifest }: { bytes: Uint8Array; manifest: Manifest },
  { have, isOpen = false, ...options }: Partial<HolderOptions> & {
    have: readonly number[];
    isOpen?: boolean;
  },
  stack: AsyncDisposableStack,
): Promise<RunningHolder> {
  const folder = stack.use(await tempShare({ partial: bytes }));
  const descriptor = openSync(join(folder.path, "partial"), "r");
  const limits = options.limits ?? LIMITS;
  const held = stack.use(
    new Holding(
      { name: "big.iso", manifest, descriptor, have, isOpen },
      limits,
    ),
  );
  const identity = await createIdentity();
  const holder = stack.use(
    await HolderServer.open({
      identity,
      plaintext: false,
      at: { host: "127.0.0.1", port: 0 },
      limits,
      isPrivate: false,
      ...options,
    }),
  );
  holder.files.add(held);
  const meet = async (grant?: string) => {
    const peer = options.plaintext === true ? null : { ...identity };
    const conn = await dial(holder.address, { peer, timeoutMs: 30_000 });
    const channel = new Channel(conn, {
      limits: LIMITS,
      ...{ acceptsData: true, writeStallMs: 30_000, idleMs: 60_000 },
    });
    const { session } = await NodeSession.open(channel, {
      id: identity.id,
      path: "direct",
      ...grant === undefined ? {} : { grant },
    });
    return session;
  };
  const source = { id: identity.id, isHolder: true, open: () => meet() };
  return { holder, identity, held, meet, source };
}
