/** Clients that fetch one file together, as a person has them fetch it. */

import { join } from "@std/path";
import type { Access } from "../../lib/access/credentials.ts";
import type { RelayAddress } from "../../lib/base/address.ts";
import type { Limits } from "../../lib/base/limits.ts";
import type { ClientEvent } from "../../lib/client/events.ts";
import { getFiles, type GetResult } from "../../lib/client/get.ts";
import type { SwarmOptions } from "../../lib/client/swarming.ts";
import type { Selection } from "../../lib/client/selections.ts";
import { EventLog } from "../_event_log.ts";
import type { TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

/** What they fetch. */
export const IMAGE = randomBytes(8 * 1024 * 1024, seededRandom(17));
export const PIECE = 256 * 1024;

/** Options of {@linkcode startGet}. */
export interface GettingOptions {
  readonly relay: TestRelay;
  /** Another relay that it asks. */
  readonly further?: TestRelay;
  readonly access?: Access;
  readonly content?: string;
  /** What to fetch in place of `big.iso`. */
  readonly selections?: readonly Selection[];
  /** The name to save the file as. */
  readonly as?: string;
  /** Where to save it, in place of a new folder. */
  readonly path?: string;
  readonly swarm?: SwarmOptions;
  readonly waitMs?: number;
  readonly limits?: Partial<Limits>;
}

/** A client that fetches `big.iso`. */
export interface Getting {
  readonly log: EventLog<ClientEvent>;
  readonly path: string;
  readonly folder: string;
  readonly result: Promise<GetResult>;
  abort(): void;
  /** Bytes that came from nodes, and from other clients. */
  from(): Promise<{ nodes: number; clients: number }>;
}

function addressOf({ server, identity: { id } }: TestRelay): RelayAddress {
  const { host, port } = server.address;
  return { host, port, id };
}

/** Begins to fetch; `stack` ends it, and removes what was saved. */
export async function startGet(
  {
    relay,
    further,
    access,
    content,
    selections = [{ kind: "name", name: "big.iso" }],
    as = "big.iso",
    swarm = {},
    limits,
    path: given,
    waitMs,
  }: GettingOptions,
  stack: AsyncDisposableStack,
): Promise<Getting> {
  const folder = stack.use(await tempShare());
  const log = new EventLog<ClientEvent>();
  const stop = new AbortController();
  const path = given ?? join(folder.path, as);
  const result = getFiles({
    relay: addressOf(relay),
    ...further && { relays: [{ address: addressOf(further) }] },
    ...access === undefined ? {} : { access },
    ...content === undefined ? {} : { content },
    selections,
    pathOf: (name) => name === "big.iso" ? path : join(folder.path, name),
    sync: false,
    swarm,
    ...waitMs === undefined ? {} : { waitMs },
    // Nobody waits for what takes long on a busy machine.
    limits: {
      ...{ swarmRequestEveryMs: 100, swarmQuietMs: 60_000 },
      // All files here come quickly, or not, as the machine is busy.
      ...{ swarmLookMs: 0, swarmWorthMs: 0 },
      ...limits,
    },
    signal: stop.signal,
    onEvent: log.onEvent,
  });
  result.catch(() => {}); // a test may abort it
  stack.defer(async () => {
    stop.abort(new Error("the test has ended"));
    await result.catch(() => {});
  });
  return {
    log,
    path,
    folder: folder.path,
    result,
    abort: () => stop.abort(new Error("aborted")),
    from: async () => {
      const { from } = await log.until("file_received");
      const sum = (wanted: boolean) =>
        from.filter(({ isHolder }) => isHolder === wanted)
          .reduce((sum, { bytes }) => sum + bytes, 0);
      return { nodes: sum(false), clients: sum(true) };
    },
  };
}
