/**
 * The servers of a Redis Cluster. All keys of a relay are in one slot, so one
 * server has them, and another takes over when that one fails. Each server says
 * where the keys are, and which servers there are.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import { endpointIn } from "../base/address.ts";
import type { Limits } from "../base/limits.ts";
import type { RedisConn } from "./redis_conn.ts";
import type { Reply } from "./resp.ts";
import { StoreError } from "./store.ts";

/** Selects the server to dial. Outside a cluster there is only one. */
export class RedisServers {
  readonly #first: Endpoint;
  readonly #most: number;
  /** The server that had the keys, then the others. */
  #known: readonly Endpoint[] = [];
  #turn = 0;

  /**
   * Starts with the server that the user named; learns at most `most` others.
   */
  constructor(first: Endpoint, most: number) {
    this.#first = first;
    this.#most = most;
  }

  /** The server to dial next; after a failure, a different one. */
  next(): Endpoint {
    const all = [...this.#known, this.#first];
    return all[this.#turn++ % all.length]!;
  }

  /** Notes the server that has the keys, and all servers that it knows. */
  found(owner: Endpoint, all: readonly Endpoint[]): void {
    const others = all.filter((server) => !isSame(server, owner));
    this.#known = [owner, ...others.slice(0, this.#most)];
    this.#turn = 0;
  }
}

/**
 * The server that has a key, if the asked server says that another one has it.
 *
 * @throws {StoreError} as Redis says.
 */
export async function whereMoved(
  redis: RedisConn,
  key: string,
  { clusterCommandMs: timeoutMs }: Limits,
): Promise<Endpoint | undefined> {
  try {
    await redis.request(["GET", key], { timeoutMs });
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.trouble === "wrong_type") return undefined; // the scripts repair this
    const moved = /^MOVED \d+ (\S+)/.exec(String(error.cause))?.[1];
    const endpoint = moved === undefined ? undefined : endpointIn(moved);
    if (endpoint === undefined) throw error;
    return endpoint;
  }
}

/** All servers, copies included; none if it is not a cluster. */
export async function serversKnownTo(
  redis: RedisConn,
  { clusterCommandMs: timeoutMs }: Limits,
): Promise<readonly Endpoint[]> {
  try {
    const slots = await redis.request(["CLUSTER", "SLOTS"], { timeoutMs });
    return listIn(slots)
      .flatMap((slot) => listIn(slot).slice(2)) // after the first and last slot
      .flatMap((server) => {
        const [host, port] = listIn(server);
        return endpointIn(`${host}:${port}`) ?? [];
      });
  } catch (error) {
    const isOver = error instanceof StoreError &&
      !["failed", "not_allowed"].includes(error.trouble);
    if (isOver || !(error instanceof StoreError)) throw error;
    return [];
  }
}

function listIn(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}
