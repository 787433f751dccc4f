/**
 * The little of HTTP/1.1 that a machine which watches this one needs: `GET` and
 * `HEAD` of a few paths, one request a connection. Bounded in connections, time
 * and size; no request has a body, and none is read.
 *
 * @module
 */

import { type Conn, type Endpoint, writeAll } from "../conn.ts";
import { isDisconnect } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { acceptPlain, type RawConnection } from "./accept.ts";

/** What is answered to a request. */
export interface HttpAnswer {
  /** Its status code. */
  readonly status: 200 | 503;
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly body: string;
}

/** Options of {@linkcode serveHttp}. */
export interface HttpOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** What is there, by path. */
  readonly routes: Readonly<
    Record<string, () => HttpAnswer | Promise<HttpAnswer>>
  >;
  /** The numbers that bound who is let in. */
  readonly limits: Pick<
    Limits,
    "httpConnectionCount" | "httpHeadBytes" | "httpMs" | "acceptPauseMs"
  >;
  /** Told when a route throws; its client gets status 500. */
  readonly onError: (error: unknown) => void;
}

/** What answers until it is disposed of. */
export interface HttpServer extends AsyncDisposable {
  /** Where. */
  readonly address: Endpoint;
}

/**
 * Starts to answer. The caller disposes of it, which ends what is open.
 *
 * @throws {Deno.errors} when the address cannot be bound.
 */
export function serveHttp(options: HttpOptions): HttpServer {
  const { at, limits } = options;
  const visits = new Set<Visit>();
  const welcome = (raw: RawConnection) => {
    const visit = new Visit(raw, options);
    visits.add(visit);
    void visit.done.then(() => visits.delete(visit));
  };
  const acceptor = acceptPlain({
    at,
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: Infinity, // only for TLS
    onStall: () => {}, // the listener that matters says it too
    admit: () => visits.size < limits.httpConnectionCount ? welcome : undefined,
  });
  return {
    address: acceptor.address,
    [Symbol.asyncDispose]: async () => {
      acceptor.stop();
      const open = [...visits];
      for (const visit of open) visit.end();
      await Promise.all(open.map(({ done }) => done));
    },
  };
}

/** One connection, from its request to its end. */
class Visit {
  readonly #raw: RawConnection;
  readonly #ended = Promise.withResolvers<void>();
  /** Resolves, and never rejects, when it is over. */
  readonly done: Promise<void>;

  constructor(raw: RawConnection, options: HttpOptions) {
    this.#raw = raw;
    // One absolute deadline, whatever trickles in or out, and however long an
    // answer takes to be made.
    const deadline = setTimeout(() => this.end(), options.limits.httpMs);
    const answered = answer(raw, options);
    this.done = Promise.race([answered, this.#ended.promise]).finally(() => {
      clearTimeout(deadline);
      raw.destroy();
    });
  }

  end(): void {
    this.#raw.destroy();
    this.#ended.resolve();
  }
}

/** Answers one connection. Never rejects. */
async function answer(
  raw: RawConnection,
  options: HttpOptions,
): Promise<void> {
  try {
    const { conn } = await raw.open();
    const head = await readHead(conn, options.limits.httpHeadBytes);
    if (head === null) return;
    await writeAll(conn, await responseTo(head, options));
    await conn.closeWrite();
    await discard(conn); // closing with bytes unread would cut the answer off
  } catch (error) {
    if (!isDisconnect(error)) options.onError(error);
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
    const text = latin1.decode(buffer.subarray(0, length));
    const end = text.indexOf(HEAD_END);
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();
const REQUEST_LINE = /^([!-~]+) ([!-~]+) HTTP\/1\.[01]$/;

async function responseTo(
  head: string | undefined,
  { routes, onError }: HttpOptions,
): Promise<Uint8Array> {
  if (head === undefined) return refusal("431 Request Header Fields Too Large");
  const [line = ""] = head.split("\r\n");
  const [, method, target = ""] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined) return refusal("400 Bad Request");
  if (method !== "GET" && method !== "HEAD") {
    return refusal("405 Method Not Allowed", {
      headers: "Allow: GET, HEAD\r\n",
    });
  }
  const withBody = method === "GET";
  const path = target.split("?")[0]!;
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return refusal("404 Not Found", { withBody });
  try {
    const { status, type, body } = await route();
    const words = status === 200 ? "200 OK" : "503 Service Unavailable";
    return response(words, { type, body, withBody });
  } catch (error) {
    onError(error);
    return refusal("500 Internal Server Error", { withBody });
  }
}

function refusal(
  status: string,
  { headers = "", withBody = true }: { headers?: string; withBody?: boolean } =
    {},
): Uint8Array {
  const type = "text/plain; charset=utf-8";
  return response(status, { type, body: `${status}\n`, headers, withBody });
}

function response(
  status: string,
  { type, body, headers = "", withBody }: {
    type: string;
    body: string;
    headers?: string;
    withBody: boolean;
  },
): Uint8Array {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${encoder.encode(body).length}\r\n${headers}` +
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n" +
    `Connection: close${HEAD_END}`;
  return encoder.encode(withBody ? head + body : head);
}

/** Reads on until the other side has ended too, or the deadline is there. */
async function discard(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await conn.read(buffer) !== null);
}
