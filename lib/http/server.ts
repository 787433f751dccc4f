/**
 * The small part of HTTP/1.1 that a monitoring system and a status page need: `GET` and `HEAD`
 * of a few paths, one request a connection. It limits connections, time and
 * size, and reads no request body. When all connections are in use, the one
 * that has been silent longest is evicted.
 *
 * A request must name this machine as its host, so that a web page cannot read
 * anything through its own name (DNS rebinding).
 *
 * `Deno.serve` is not used: it has no deadline for the head of a request, and
 * closes only after it has waited for bodies.
 *
 * @module
 */

import { addressGroup, isIpv4, isIpv6 } from "../base/address.ts";
import { type Conn, type Endpoint, writeAll } from "../base/conn.ts";
import { isDisconnect } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { acceptPlain, type RawConnection } from "../transport/accept.ts";
import { type Field, headOf, wordsOf } from "./answer.ts";
import { latin1In } from "./input.ts";

/** The answer to a request. */
export interface HttpResponse {
  /** Its status code. */
  readonly status: number;
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly body: string;
  /** Further header fields. */
  readonly fields?: readonly Field[];
}

/** Options of {@linkcode serveHttp}. */
export interface HttpOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** The handler for each path. */
  readonly routes: Readonly<
    Record<string, () => HttpResponse | Promise<HttpResponse>>
  >;
  /** The numbers that bound connections. */
  readonly limits: Limits;
  /** Called when a route throws; its client gets status 500. */
  readonly onError: (error: unknown) => void;
}

/** A running server. Disposing stops it. */
export interface HttpServer extends AsyncDisposable {
  /** The address that it listens at. */
  readonly address: Endpoint;
}

/**
 * Starts to answer. The caller disposes of it, which ends open connections.
 *
 * @throws {Deno.errors} if the address cannot be bound.
 */
export function serveHttp(options: HttpOptions): HttpServer {
  const { at, limits } = options;
  const exchanges = new Set<HttpExchange>();
  const welcome = (raw: RawConnection) => {
    const exchange = new HttpExchange(raw, options);
    exchanges.add(exchange);
    void exchange.done.then(() => exchanges.delete(exchange));
  };
  const acceptor = acceptPlain({
    at,
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: Infinity, // only for TLS
    onStall: () => {}, // the engine's own listener reports it too
    admit: () => {
      if (exchanges.size < limits.httpConnectionCount) return welcome;
      const loser = loserAmong(exchanges);
      if (loser === undefined) return undefined;
      loser.end();
      exchanges.delete(loser);
      return welcome;
    },
  });
  return {
    address: acceptor.address,
    [Symbol.asyncDispose]: async () => {
      acceptor.stop();
      const open = [...exchanges];
      for (const exchange of open) exchange.end();
      await Promise.all(open.map(({ done }) => done));
    },
  };
}

/**
 * The connection to give up: the oldest without a request, of the address that
 * has most of these. If there is none, the oldest that has its answer and stays
 * open.
 */
function loserAmong(
  exchanges: Iterable<HttpExchange>,
): HttpExchange | undefined {
  const silent = new Map<string, HttpExchange[]>();
  let answered: HttpExchange | undefined;
  for (const exchange of exchanges) {
    if (exchange.phase === "answered") answered ??= exchange;
    if (exchange.phase !== "silent") continue;
    const ofSource = silent.get(exchange.source) ?? [];
    silent.set(exchange.source, ofSource);
    ofSource.push(exchange);
  }
  let most: readonly HttpExchange[] = [];
  for (const ofSource of silent.values()) {
    if (ofSource.length > most.length) most = ofSource;
  }
  return most[0] ?? answered;
}

/** One connection, from its request to its end. */
class HttpExchange {
  readonly #raw: RawConnection;
  readonly #options: HttpOptions;
  readonly #ended = Promise.withResolvers<void>();
  /** The group that limits count it in. */
  readonly source: string;
  /** Its progress. */
  phase: "silent" | "asked" | "answered" = "silent";
  /** Resolves at the end of the connection; never rejects. */
  readonly done: Promise<void>;

  constructor(raw: RawConnection, options: HttpOptions) {
    this.#raw = raw;
    this.#options = options;
    this.source = addressGroup(raw.remote.host);
    // One absolute deadline. Neither trickling bytes nor a slow route extends
    // it.
    const deadline = setTimeout(() => this.end(), options.limits.httpMs);
    const answered = this.#answer();
    this.done = Promise.race([answered, this.#ended.promise]).finally(() => {
      clearTimeout(deadline);
      raw.destroy();
    });
  }

  /** Answers the only request. Never rejects. */
  async #answer(): Promise<void> {
    const { limits, onError } = this.#options;
    const endSoon = () => setTimeout(() => this.end(), limits.httpHeadMs);
    let deadline = endSoon();
    try {
      const { conn } = await this.#raw.open();
      const head = await readHead(conn, limits.httpHeadBytes);
      clearTimeout(deadline);
      if (head === null) return;
      this.phase = "asked";
      const response = await responseTo(head, this.#options);
      const isHead = head?.startsWith("HEAD ") === true;
      await writeAll(conn, bytesOf(response, isHead));
      await conn.closeWrite();
      this.phase = "answered";
      deadline = endSoon();
      await discard(conn); // closing with unread bytes would cut the answer off
    } catch (error) {
      if (!isDisconnect(error)) onError(error);
    } finally {
      clearTimeout(deadline);
    }
  }

  end(): void {
    this.#raw.destroy();
    this.#ended.resolve();
  }
}

const HEAD_END = "\r\n\r\n";

/** The lines of a request; `null` at an early end, `undefined` if too long. */
async function readHead(
  conn: Conn,
  most: number,
): Promise<string | null | undefined> {
  const buffer = new Uint8Array(most);
  for (let length = 0; length < most;) {
    const count = await conn.read(buffer.subarray(length));
    if (count === null) return null;
    length += count;
    const text = latin1In(buffer.subarray(0, length));
    const end = text.indexOf(HEAD_END);
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

const encoder = new TextEncoder();
const REQUEST_LINE = /^([!-~]+) ([!-~]+) HTTP\/1\.[01]$/;

async function responseTo(
  head: string | undefined,
  { at, routes, onError }: HttpOptions,
): Promise<HttpResponse> {
  if (head === undefined) return refusal(431);
  const [line = ""] = head.split("\r\n");
  const [, method, target = ""] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined) return refusal(400);
  if (method !== "GET" && method !== "HEAD") {
    return refusal(405, [["Allow", "GET, HEAD"]]);
  }
  const host = hostIn(head);
  if (host !== undefined && !isHere(host, at.host)) return refusal(421);
  const path = target.split("?")[0]!;
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return refusal(404);
  try {
    return await route();
  } catch (error) {
    onError(error);
    return refusal(500);
  }
}

/** The host in a request, without its port; `undefined` if none is named. */
function hostIn(head: string): string | undefined {
  const [, host] = /\r\nHost:[ \t]*([^\r]*)/i.exec(head) ?? [];
  return host?.trim().replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}

// Nobody on the internet can own a name with these endings.
const LOCAL_NAME = /\.(localhost|local|internal|home\.arpa)$/;

/**
 * Whether a host can only mean this machine or its network: an address, a name
 * of one word, or the host given to bind.
 */
function isHere(host: string, bound: string): boolean {
  const address = /^\[(.*)\]$/.exec(host)?.[1];
  return isIpv4(host) || (address !== undefined && isIpv6(address)) ||
    !host.includes(".") || LOCAL_NAME.test(host) ||
    host === bound.toLowerCase();
}

// A page may load its style sheet from here, and do nothing else.
const GUARDS: readonly Field[] = [
  ["Cache-Control", "no-store"],
  [
    "Content-Security-Policy",
    "default-src 'none'; style-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  ],
  ["Referrer-Policy", "no-referrer"],
];

function refusal(
  status: number,
  fields: readonly Field[] = [],
): HttpResponse {
  const body = `${status} ${wordsOf(status)}\n`;
  return { status, type: "text/plain; charset=utf-8", body, fields };
}

function bytesOf(
  { status, type, body, fields = [] }: HttpResponse,
  isHead: boolean,
): Uint8Array {
  const head = headOf({
    status,
    fields: [["Content-Type", type], ...fields, ...GUARDS],
  }, {
    framing: { kind: "length", bytes: encoder.encode(body).length },
    keepsAlive: false,
  });
  return encoder.encode(isHead ? head : head + body);
}

/** Reads until the other side has ended too, or the deadline passes. */
async function discard(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await conn.read(buffer) !== null);
}
