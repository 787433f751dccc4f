/**
 * Addresses of Redis: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, and
 * `rediss://` for TLS. Pure.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../base/conn.ts";

/** The address of a Redis server, and the credentials for it. */
export interface RedisAddress {
  readonly endpoint: Endpoint;
  readonly encrypted: boolean;
  readonly user?: string;
  readonly password?: string;
  /** The number of the database. */
  readonly database: number;
}

const DEFAULT_PORT = 6379;

/** Parses an address; `undefined` if it is not valid. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, ...rest } =
    new URL(text);
  const database = /^\/?(\d{0,4})$/.exec(pathname)?.[1];
  const isRedis = protocol === "redis:" || protocol === "rediss:";
  if (!isRedis || hostname === "" || database === undefined) return undefined;
  if ((rest.search ?? "") + (rest.hash ?? "") !== "") return undefined;
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  try {
    return {
      endpoint: { host, port: port === "" ? DEFAULT_PORT : Number(port) },
      encrypted: protocol === "rediss:",
      database: Number(database),
      ...(username === "" ? {} : { user: decodeURIComponent(username) }),
      ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    };
  } catch {
    return undefined; // a "%" that begins no byte
  }
}

/** The address without user and password. */
export function redisName(
  { encrypted, endpoint, database }: RedisAddress,
): string {
  const scheme = encrypted ? "rediss" : "redis";
  return `${scheme}://${formatEndpoint(endpoint)}/${database}`;
}
