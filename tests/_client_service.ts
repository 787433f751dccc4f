/** A node's service of one client, over a conn in memory. */

import { Channel } from "../lib/protocol/channel.ts";
import type { Conn } from "../lib/base/conn.ts";
import { Counts } from "../lib/guard/counts.ts";
import { Digests } from "../lib/share/digests.ts";
import { LIMITS } from "../lib/base/limits.ts";
import { DIRECTION } from "../lib/protocol/messages.ts";
import { FetchWatch } from "../lib/node/fetch_watch.ts";
import { BufferPool } from "../lib/node/outbox.ts";
import { SlowReaders } from "../lib/node/slow_readers.ts";
import { ClientService, type Service } from "../lib/node/client_service.ts";
import { Share } from "../lib/share/share.ts";
import { WorkQueue } from "../lib/node/work_queue.ts";
import { memoryPair } from "./_memory_conn.ts";
import { tempShare } from "./_temp_share.ts";

/** Deadlines of a channel that no test here should meet. */
export const TIMING = { limits: LIMITS, writeStallMs: 20_000, idleMs: 20_000 };

/** What {@linkcode serviceOf} makes. */
export interface OneService {
  /** The client's end. */
  readonly conn: Conn;
  readonly client: ClientService;
  readonly share: Share;
  readonly digests: Digests;
  readonly service: Service;
  /** Begins to serve another client; its end of the conn. */
  serve(): { readonly conn: Conn; readonly client: ClientService };
  /** Hashes all files. */
  hash(): Promise<void>;
}

/** Shares files with one client; `stack` closes everything. */
export async function serviceOf(
  files: Readonly<Record<string, string>>,
  stack: AsyncDisposableStack,
  turns: Pick<Service, "readTurns"> = {},
): Promise<OneService> {
  const folder = stack.use(await tempShare(files));
  const share = stack.use(await Share.open(folder.path, LIMITS));
  const hashed = Promise.withResolvers<void>();
  const digests = stack.use(
    new Digests(share, {
      limits: LIMITS,
      isBusy: () => false,
      onIdle: () => hashed.resolve(),
    }),
  );
  const service = {
    ...turns,
    share,
    digests,
    limits: LIMITS,
    rate: undefined,
    buffers: new BufferPool(LIMITS.sendBufferBytes),
    slowReaders: new SlowReaders(LIMITS),
    work: stack.use(new WorkQueue(LIMITS)),
    clientCount: 0,
    busyCount: 0,
    fetches: stack.use(
      new FetchWatch({
        limits: LIMITS,
        digests,
        onEvent: () => {},
        onFetches: undefined,
      }),
    ).fetches,
    requests: new Counts(DIRECTION.clientToNode),
    sentBytes: 0,
  };
  const serve = () => {
    const [conn, far] = memoryPair();
    const channel = stack.use(new Channel(far, TIMING));
    channel.openUp();
    return { conn, client: stack.use(new ClientService(channel, service)) };
  };
  const hash = () => {
    digests.refresh();
    return hashed.promise;
  };
  return { ...serve(), serve, share, digests, service, hash };
}
