/**
 * One connection of the web server: request after request, until either side
 * ends it.
 *
 * @module
 */

import { type Conn, writeAll } from "../base/conn.ts";
import { addressGroup } from "../base/address.ts";
import { isDisconnect, ProtocolError } from "../base/errors.ts";
import { orAborted } from "../base/waiting.ts";
import type { RawConnection } from "../transport/accept.ts";
import type { HandshakeTurns } from "../transport/handshake_turns.ts";
import {
  type BodyStream,
  type Framing,
  headOf,
  type HttpAnswer,
  plainAnswer,
} from "./answer.ts";
import { HttpInput } from "./input.ts";
import {
  bodyLengthOf,
  keepsAlive,
  parseRequestHead,
  type RequestHead,
} from "./request.ts";
import type { WebOptions, WebRequest } from "./web_types.ts";

const encoder = new TextEncoder();
const CHUNK_END = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");

// Connections that wait for our answer are evicted last.
const ORDER: readonly WebConnection["phase"][] = [
  "waiting",
  "writing",
  "answering",
];

/** Why a connection ends without an answer. */
class Ended extends Error {
  override readonly name = "Ended";
}

/** One connection. */
export class WebConnection {
  readonly #raw: RawConnection;
  readonly #options: WebOptions;
  readonly #turns: HandshakeTurns;
  readonly #gone = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasAsked = false;
  /** How long the client may read nothing of the current answer. */
  #stallMs: number;
  /** What it does: waits for a request, makes an answer, or writes one. */
  phase: "waiting" | "answering" | "writing" = "waiting";
  /** Whether some of the body of the current answer was sent. */
  hasBegun = false;
  /** Since when, on the monotonic clock. */
  since: number = performance.now();
  /** Resolves at the end of the connection; never rejects. */
  readonly done: Promise<void>;

  /** The group that limits count it in. */
  readonly group: string;

  /** Its TLS handshake takes its turn among `turns`. */
  constructor(
    raw: RawConnection,
    options: WebOptions,
    turns: HandshakeTurns,
  ) {
    this.#raw = raw;
    this.#options = options;
    this.#turns = turns;
    this.group = addressGroup(raw.remote.host);
    this.#stallMs = options.limits.webStallMs;
    const served = this.#serve();
    this.done = Promise.race([served, this.#ended.promise]).finally(() => {
      clearTimeout(this.#timer);
      this.#gone.abort(new Ended("the client disconnected"));
      raw.destroy();
    });
  }

  /** Whether this one is evicted before another that may be evicted too. */
  precedes(other: WebConnection): boolean {
    if (this.phase !== other.phase) {
      return ORDER.indexOf(this.phase) < ORDER.indexOf(other.phase);
    }
    return this.since < other.since;
  }

  /** Ends it at once. */
  end(): void {
    this.#gone.abort(new Ended("the connection was given up"));
    this.#raw.destroy();
    this.#ended.resolve();
  }

  /** Never rejects. */
  async #serve(): Promise<void> {
    const { limits, onError } = this.#options;
    try {
      this.#enter("waiting", limits.webHeadMs);
      const { conn } = await this.#raw.open(() => this.#turn());
      const input = new HttpInput(conn, limits.webHeadBytes);
      for (let isOpen = true; isOpen;) {
        isOpen = await this.#exchange(conn, input);
        if (isOpen) this.#enter("waiting", limits.webIdleMs);
      }
      await this.#close(conn);
    } catch (error) {
      const isTheirs = isDisconnect(error) ||
        error instanceof ProtocolError; // a stranger does not speak TLS
      const isOurs = !isTheirs && !(error instanceof Ended) &&
        !this.#gone.signal.aborted;
      if (isOurs) onError(error);
    }
  }

  /** Waits for the turn of its handshake, but no longer than it is open. */
  async #turn(): Promise<void> {
    const waiting = this.#turns.wait(this.group);
    const leave = () => waiting[Symbol.dispose]();
    this.#gone.signal.addEventListener("abort", leave);
    if (this.#gone.signal.aborted) leave();
    await waiting.turn;
    this.#gone.signal.removeEventListener("abort", leave);
  }

  /**
   * Notes the first request. Further ones do not count: one connection could
   * otherwise make up for any number of unfinished handshakes.
   */
  #finishHandshake(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#turns.finished(this.group);
  }

  #enter(phase: WebConnection["phase"], withinMs?: number): void {
    this.phase = phase;
    this.since = performance.now();
    clearTimeout(this.#timer);
    this.#timer = withinMs === undefined
      ? undefined
      : setTimeout(() => this.end(), withinMs);
  }

  /** Handles one request. Returns whether another may follow. */
  async #exchange(conn: Conn, input: HttpInput): Promise<boolean> {
    const { limits } = this.#options;
    const read = await input.head(() =>
      this.#enter("waiting", limits.webHeadMs)
    );
    if (read.kind === "end") return false;
    if (read.kind === "too_long") return await this.#refuse(conn, 431);
    const head = parseRequestHead(read.text);
    if (head === undefined) return await this.#refuse(conn, 400);
    this.#finishHandshake();
    const length = bodyLengthOf(head);
    if (length === undefined) return await this.#refuse(conn, 411);
    if (length > limits.webBodyBytes) return await this.#refuse(conn, 413);
    if (length > 0 && head.headers.get("expect") === "100-continue") {
      await writeAll(conn, encoder.encode("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    const body = await input.body(length);
    if (body === undefined) return false;
    this.hasBegun = false;
    this.#enter("answering");
    void input.ended().then(() => this.#gone.abort(new Ended("it left")));
    const answer = await this.#answerTo({
      ...head,
      body,
      remote: this.#raw.remote,
      signal: this.#gone.signal,
    });
    return await this.#sendAll(conn, head, answer);
  }

  /**
   * The answer. A client that disconnects frees its place at once, whatever the
   * handler still waits for.
   */
  async #answerTo(request: WebRequest): Promise<HttpAnswer> {
    const { handle, onError } = this.#options;
    const answering = Promise.try(() => handle(request));
    try {
      return await orAborted(answering, this.#gone.signal);
    } catch (error) {
      if (this.#gone.signal.aborted) {
        void answering.then(giveUp, () => {}); // its client has disconnected
      }
      this.#gone.signal.throwIfAborted();
      onError(error);
      return plainAnswer(500);
    }
  }

  async #refuse(conn: Conn, status: number): Promise<false> {
    const head = { method: "GET", isOld: false, headers: new Map() };
    const answer = { ...plainAnswer(status), closes: true };
    await this.#send(conn, head, answer);
    return false;
  }

  /** Sends an answer. Returns whether the connection stays open. */
  async #send(
    conn: Conn,
    head: Pick<RequestHead, "method" | "isOld" | "headers">,
    answer: HttpAnswer,
  ): Promise<boolean> {
    const framing = framingOf(answer, head);
    const stays = answer.closes !== true && framing.kind !== "until_close" &&
      keepsAlive(head as RequestHead);
    const text = headOf(answer, { framing, keepsAlive: stays });
    const { body = "" } = answer;
    const isHead = head.method === "HEAD" || framing.kind === "none";
    if (isHead) await this.#write(conn, encoder.encode(text));
    else if (typeof body === "string") {
      await this.#write(conn, encoder.encode(text + body));
    } else {
      await this.#write(conn, encoder.encode(text));
      if (body instanceof Uint8Array) await this.#write(conn, body);
      else await this.#stream(conn, body, framing);
    }
    return stays;
  }

  /** Sends an answer, and gives up its body in any case. */
  async #sendAll(
    conn: Conn,
    head: Pick<RequestHead, "method" | "isOld" | "headers">,
    answer: HttpAnswer,
  ): Promise<boolean> {
    const { body = "" } = answer;
    if (typeof body === "string" || body instanceof Uint8Array) {
      return await this.#send(conn, head, answer);
    }
    const { stallMs = this.#options.limits.webStallMs, signal } = body;
    const onAbort = () => this.end();
    signal?.addEventListener("abort", onAbort);
    this.#stallMs = stallMs;
    try {
      if (signal?.aborted) throw new Ended("the body was given up");
      return await this.#send(conn, head, answer);
    } finally {
      this.#stallMs = this.#options.limits.webStallMs;
      signal?.removeEventListener("abort", onAbort);
      body.close?.();
    }
  }

  /**
   * Sends a body as it is made. One that is not whole ends the connection: the
   * client has the length, and knows that bytes are missing.
   */
  async #stream(
    conn: Conn,
    body: BodyStream,
    framing: Framing,
  ): Promise<void> {
    let left = framing.kind === "length" ? framing.bytes : Infinity;
    for await (const part of body.parts()) {
      if (part.length === 0) continue;
      this.#gone.signal.throwIfAborted();
      if (part.length > left) throw new RangeError("a body is too long");
      left -= part.length;
      if (framing.kind === "chunked") {
        const size = encoder.encode(`${part.length.toString(16)}\r\n`);
        await this.#write(conn, size);
        await this.#write(conn, part);
        await this.#write(conn, CHUNK_END);
      } else await this.#write(conn, part);
      this.hasBegun = true;
    }
    if (framing.kind === "chunked") await this.#write(conn, LAST_CHUNK);
    if (left > 0 && left < Infinity) throw new Ended("the body is not whole");
  }

  /** Writes, and ends the connection when nothing is taken for too long. */
  async #write(conn: Conn, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      this.#enter("writing", this.#stallMs);
      at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
    }
    this.#enter("answering");
  }

  /** Ends the connection so that the last answer is not cut off. */
  async #close(conn: Conn): Promise<void> {
    await conn.closeWrite();
    this.#enter("waiting", this.#options.limits.webHeadMs);
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer) !== null);
  }
}

/** Closes the body of an answer that is not sent. */
function giveUp({ body }: HttpAnswer): void {
  if (typeof body === "object" && "parts" in body) body.close?.();
}

/** How the body of an answer travels to a client. */
function framingOf(
  { status, body = "" }: HttpAnswer,
  { isOld }: Pick<RequestHead, "isOld">,
): Framing {
  if (status === 204 || status === 304) return { kind: "none" };
  if (typeof body === "string") {
    return { kind: "length", bytes: encoder.encode(body).length };
  }
  const { length } = body;
  if (length !== undefined) return { kind: "length", bytes: length };
  return isOld ? { kind: "until_close" } : { kind: "chunked" };
}
