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
import { BEAT, DISCARD, PAGE, READ, WRITE } from "./redis_scripts.ts";
import { RedisServers, serversKnownTo, whereMoved } from "./redis_servers.ts";
import type { ItemKey } from "./replicator.ts";
import { type Reply, ReplyError } from "./resp.ts";
import { SEAL_BYTES } from "./sealing.ts";
import {
  type Beat,
  type Store,
  type StoreBatch,
  type StoredValue,
  StoreError,
  type StorePage,
  type StoreRow,
  type StoreSession,
  type WriteOutcome,
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
        await redis.request(["AUTH", ...words], { timeoutMs });
      }
      if (database !== 0) {
        await redis.request(["SELECT", String(database)], { timeoutMs });
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

  /** The three keys that every script checks. */
  get shared(): readonly string[] {
    return [this.of("log"), this.of("x"), this.of("c")];
  }

  /** A pattern of Lua for the keys of items. */
  get pattern(): string {
    return `^${this.#tag.replace(/[^\w{}]/g, "%$&")}:[nuh]:[%w_.-]+$`;
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
    const keys = [...names.shared, names.of("i")];
    const most = String(limits.clusterInstanceCount);
    const reply = await this.#request(
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

  async resign(instances: readonly string[]): Promise<void> {
    await this.#request(["HDEL", this.#options.names.of("i"), ...instances]);
  }

  /** Runs a script on the keys of all scripts and some others. */
  async #run(
    script: string,
    keys: readonly string[],
    words: readonly string[],
  ): Promise<readonly Reply[]> {
    const { shared } = this.#options.names;
    const count = String(shared.length + keys.length);
    return list(
      await this.#request([
        "EVAL",
        script,
        count,
        ...shared,
        ...keys,
        ...words,
      ]),
    );
  }

  /** The most bytes of a value. */
  get #valueBytes(): string {
    return String(this.#options.limits.clusterItemBytes + SEAL_BYTES);
  }

  async write(rows: readonly StoreRow[]): Promise<WriteOutcome> {
    const { names, limits } = this.#options;
    const keys = rows.map((row) => names.ofItem(row));
    const words = rows.flatMap(({ sequence, until, hasEnded, head, body }) => [
      ...[String(sequence), String(until), hasEnded ? "1" : "0"],
      ...[head, body ?? ""],
    ]);
    const reply = await this.#run(WRITE, keys, [
      ...[String(limits.clusterStreamCount), this.#valueBytes, ...words],
    ]);
    const [missing = null, newer = null] = reply;
    const rowAt = (place: Reply | undefined) => {
      const row = typeof place === "number" ? rows[place] : undefined;
      if (row === undefined) throw badReply();
      return row;
    };
    return {
      missing: list(missing).map(rowAt),
      newer: triplesIn(list(newer)).map(([place, digest, text]) => {
        const row = rowAt(place);
        return [row, storedValue([names.ofItem(row), digest, text])];
      }),
    };
  }

  async discard(values: readonly StoredValue[]): Promise<void> {
    await this.#run(DISCARD, values.map(({ key }) => key), [
      ...values.map(({ digest }) => digest),
      this.#valueBytes,
    ]);
  }

  /**
   * Pages are ordered by expiry. A renewal only moves an item to later pages,
   * so an item may come twice, but none is missed.
   */
  async page(after: string | undefined): Promise<StorePage> {
    const { names, limits } = this.#options;
    const [from = "-inf", skip = "0"] = after?.split(" ") ?? [];
    const [largeCount, last, read, ...values] = await this.#run(PAGE, [], [
      ...[this.#valueBytes, String(limits.clusterPageCount)],
      ...[from, skip, names.pattern],
    ]);
    if (typeof largeCount !== "number") throw badReply();
    return {
      largeCount,
      values: valuesIn(values),
      ...(last === "" ? {} : { next: `${last} ${read}` }),
    };
  }

  async fetch(keys: readonly ItemKey[]): Promise<readonly StoredValue[]> {
    const { names } = this.#options;
    const wanted = keys.map((key) => names.ofItem(key));
    return valuesIn(await this.#run(READ, wanted, [this.#valueBytes]));
  }

  async follow(position: string): Promise<readonly StoreBatch[]> {
    const { names, limits, stream } = this.#options;
    const { clusterFollowMs, clusterCommandMs, clusterBatchCount } = limits;
    const headsLength = clusterBatchCount * SEAL_BYTES; // longer ones are forged
    const reply = await stream.request([
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
        heads: heads.length > headsLength ? [""] : heads.split("\n"),
      };
    });
  }

  #request(words: readonly string[]): Promise<Reply> {
    const { commands, limits } = this.#options;
    return commands.request(words, { timeoutMs: limits.clusterCommandMs });
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

function triplesIn(replies: readonly Reply[]): Reply[][] {
  return Array.from(
    { length: Math.ceil(replies.length / 3) },
    (_, n) => replies.slice(3 * n, 3 * n + 3),
  );
}

function storedValue(reply: readonly (Reply | undefined)[]): StoredValue {
  const [key, digest, text] = texts(reply as Reply);
  if (key === undefined || digest === undefined || text === undefined) {
    throw badReply();
  }
  return { key, digest, text };
}

/** Keys, digests and values; an empty value means that there is none. */
function valuesIn(replies: readonly Reply[]): StoredValue[] {
  return triplesIn(replies).map(storedValue).filter(({ text }) => text !== "");
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
