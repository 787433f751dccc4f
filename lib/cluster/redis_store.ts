/**
 * A store in Redis 6.2 or later, or in Valkey. All keys of a relay share one
 * hash tag, so that one server of a Redis Cluster has them all.
 *
 * ```
 * {RELAY}:n:ID   string  head and body of an item; ends with it
 * {RELAY}:x      zset    keys of the items, by their end
 * {RELAY}:log    stream  c: number, h: heads that were written together
 * {RELAY}:c      string  the number of the last batch
 * {RELAY}:i      hash    instances
 * ```
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { dialService } from "../transport/service_conn.ts";
import { type RedisAddress, redisName } from "./redis_address.ts";
import { RedisConn, storeErrorOf } from "./redis_conn.ts";
import { BEAT, WRITE } from "./redis_scripts.ts";
import { RedisServers, serversKnownTo, whereMoved } from "./redis_servers.ts";
import type { ItemKey } from "./replicator.ts";
import { type Reply, ReplyError } from "./resp.ts";
import {
  type Beat,
  type Store,
  type StoreBatch,
  StoreError,
  type StorePage,
  type StoreRow,
  type StoreSession,
} from "./store.ts";

/** Options of {@linkcode RedisStore}. */
export interface RedisStoreOptions {
  readonly address: RedisAddress;
  /** Id of the relay. */
  readonly relayId: string;
  readonly limits: Limits;
  /** Certificates (PEM) to trust in addition to those of the process. */
  readonly caCerts?: readonly string[];
}

// 80 bits of the relay's id: no other relay has them.
const TAG_LENGTH = 16;

/** A store in Redis. */
export class RedisStore implements Store {
  readonly name: string;
  readonly #options: RedisStoreOptions;
  readonly #servers: RedisServers;

  /** Does not connect yet. */
  constructor(options: RedisStoreOptions) {
    const { address, limits } = options;
    this.#options = options;
    this.#servers = new RedisServers(
      address.endpoint,
      limits.clusterServerCount,
    );
    this.name = redisName(address);
  }

  async open(signal: AbortSignal): Promise<StoreSession> {
    const { limits, relayId } = this.#options;
    const at = this.#servers.next();
    let commands = await this.#connect(at, signal);
    const names = new RedisNames(relayId);
    try {
      const moved = await whereMoved(commands, names.of("c"), limits);
      if (moved !== undefined) {
        commands[Symbol.dispose]();
        commands = await this.#connect(moved, signal);
      }
      const servers = await serversKnownTo(commands, limits);
      const stream = await this.#connect(moved ?? at, signal);
      if (servers.length > 0) this.#servers.found(moved ?? at, servers);
      return new RedisSession({ commands, stream, names, limits });
    } catch (error) {
      commands[Symbol.dispose]();
      throw error;
    }
  }

  async #connect(at: Endpoint, signal: AbortSignal): Promise<RedisConn> {
    const { address, limits, caCerts } = this.#options;
    const timeoutMs = limits.clusterConnectMs;
    const { encrypted, user, password, database } = address;
    const conn = await dialService(at, {
      encrypted,
      caCerts,
      timeoutMs,
      signal,
    }).catch((error) => {
      signal.throwIfAborted();
      throw dialErrorOf(error, encrypted);
    });
    const redis = new RedisConn(conn, limits.clusterReplyBytes);
    try {
      if (password !== undefined) {
        const words = user === undefined ? [password] : [user, password];
        await redis.ask(["AUTH", ...words], { timeoutMs });
      }
      if (database !== 0) {
        await redis.ask(["SELECT", String(database)], { timeoutMs });
      }
      return redis;
    } catch (error) {
      redis[Symbol.dispose]();
      throw error;
    }
  }
}

/** The names of a relay's keys. */
class RedisNames {
  readonly #tag: string;

  constructor(relayId: string) {
    this.#tag = `{${relayId.slice(0, TAG_LENGTH)}}`;
  }

  of(name: "log" | "x" | "c" | "i"): string {
    return `${this.#tag}:${name}`;
  }

  /**
   * Whether a key belongs to this relay; other keys may be on other servers.
   */
  isOurs(key: string): boolean {
    return key.startsWith(`${this.#tag}:`);
  }

  ofItem({ kind, id }: ItemKey): string {
    return `${this.#tag}:${kind}:${id}`;
  }
}

function dialErrorOf(error: unknown, encrypted: boolean): Error {
  if (error instanceof Deno.errors.NotCapable) {
    return new StoreError("not_permitted", "Deno does not allow to dial it", {
      cause: error,
    });
  }
  if (error instanceof ProtocolError) {
    const how = encrypted ? "by TLS in time" : "in time";
    return new StoreError("timed_out", `it does not answer ${how}`, {
      cause: error,
    });
  }
  if (error instanceof Deno.errors.InvalidData) {
    const why = "its certificate is not trusted, or it does not speak TLS";
    return new StoreError("not_trusted", why, { cause: error });
  }
  if (error instanceof Error) {
    return new StoreError("unreachable", "it cannot be reached", {
      cause: error,
    });
  }
  return new TypeError("not an error", { cause: error });
}

interface RedisSessionOptions {
  /** For everything except the stream. */
  readonly commands: RedisConn;
  /** For the stream only, because commands block there. */
  readonly stream: RedisConn;
  readonly names: RedisNames;
  readonly limits: Limits;
}

class RedisSession implements StoreSession {
  readonly #options: RedisSessionOptions;

  constructor(options: RedisSessionOptions) {
    this.#options = options;
  }

  async beat(
    { instance, text }: { instance: string; text: string },
  ): Promise<Beat> {
    const { names, limits } = this.#options;
    const keys = [names.of("log"), names.of("x"), names.of("c"), names.of("i")];
    const most = String(limits.clusterInstanceCount);
    const reply = await this.#ask(
      ["EVAL", BEAT, "4", ...keys, instance, text, most],
    );
    const [now, count, position = "", refused = "", ...instances] = texts(
      reply,
    );
    return {
      nowMs: wholeNumber(now),
      count: wholeNumber(count),
      position: placeIn(position),
      instances,
      ...refused === ""
        ? {}
        : { refuses: storeErrorOf(new ReplyError(refused)) },
    };
  }

  async resign(instance: string): Promise<void> {
    await this.#ask(["HDEL", this.#options.names.of("i"), instance]);
  }

  async write(rows: readonly StoreRow[]): Promise<readonly ItemKey[]> {
    const { names, limits } = this.#options;
    const keys = rows.map((row) => names.ofItem(row));
    const words = rows.flatMap(({ sequence, until, hasEnded, head, body }) => [
      ...[String(sequence), String(until), hasEnded ? "1" : "0"],
      ...[head, body ?? ""],
    ]);
    const reply = await this.#ask([
      ...["EVAL", WRITE, String(3 + keys.length)],
      ...[names.of("log"), names.of("x"), names.of("c"), ...keys],
      ...[String(limits.clusterStreamCount), ...words],
    ]);
    return list(reply).map((place) => {
      const row = typeof place === "number" ? rows[place] : undefined;
      if (row === undefined) throw badReply();
      return row;
    });
  }

  /**
   * Pages are ordered by expiry. A renewal only moves an item to later pages,
   * so an item may come twice, but none is missed.
   */
  async page(after: string | undefined): Promise<StorePage> {
    const { names, limits } = this.#options;
    const most = limits.clusterPageCount;
    const [from = "-inf", skip = "0"] = after?.split(" ") ?? [];
    const found = texts(
      await this.#ask([
        ...["ZRANGEBYSCORE", names.of("x"), from, "+inf", "WITHSCORES"],
        ...["LIMIT", skip, String(most)],
      ]),
    );
    const keys = found.filter((_, at) => at % 2 === 0);
    const ends = found.filter((_, at) => at % 2 === 1);
    const wanted = keys.filter((key) => names.isOurs(key));
    const values = wanted.length === 0
      ? []
      : list(await this.#ask(["MGET", ...wanted]));
    const last = ends.at(-1);
    const same = ends.filter((end) => end === last).length;
    const read = last === from ? Number(skip) + same : same;
    return {
      values: values.filter((value) => typeof value === "string"),
      ...(keys.length === most ? { next: `${last} ${read}` } : {}),
    };
  }

  async fetch(
    keys: readonly ItemKey[],
  ): Promise<readonly (string | undefined)[]> {
    const { names } = this.#options;
    const reply = await this.#ask([
      "MGET",
      ...keys.map((key) => names.ofItem(key)),
    ]);
    return list(reply).map((value) =>
      typeof value === "string" ? value : undefined
    );
  }

  async follow(position: string): Promise<readonly StoreBatch[]> {
    const { names, limits, stream } = this.#options;
    const { clusterFollowMs, clusterCommandMs, clusterBatchCount } = limits;
    const reply = await stream.ask([
      ...["XREAD", "COUNT", String(clusterBatchCount)],
      ...["BLOCK", String(clusterFollowMs)],
      ...["STREAMS", names.of("log"), position],
    ], { timeoutMs: clusterFollowMs + clusterCommandMs });
    if (reply === null) return [];
    const [first] = list(reply);
    const [, entries] = list(first ?? null);
    return list(entries ?? null).map((entry) => {
      const [place, fields] = list(entry);
      const [, count, , heads = ""] = texts(fields ?? null);
      if (typeof place !== "string") throw badReply();
      return {
        position: placeIn(place),
        count: wholeNumber(count),
        heads: heads.split("\n"),
      };
    });
  }

  #ask(words: readonly string[]): Promise<Reply> {
    const { commands, limits } = this.#options;
    return commands.ask(words, { timeoutMs: limits.clusterCommandMs });
  }

  [Symbol.dispose](): void {
    this.#options.commands[Symbol.dispose]();
    this.#options.stream[Symbol.dispose]();
  }
}

function list(reply: Reply): readonly Reply[] {
  if (!Array.isArray(reply)) throw badReply();
  return reply;
}

function texts(reply: Reply): string[] {
  return list(reply).map((item) => {
    if (typeof item !== "string") throw badReply();
    return item;
  });
}

function wholeNumber(text: string | undefined): number {
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text ?? "") || !Number.isSafeInteger(number)) {
    throw badReply();
  }
  return number;
}

/** A position in a stream. */
function placeIn(text: string): string {
  if (!/^\d{1,20}-\d{1,20}$/.test(text)) throw badReply();
  return text;
}

function badReply(): StoreError {
  return new StoreError(
    "bad_reply",
    "its reply does not fit the request",
  );
}
