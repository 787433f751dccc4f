/**
 * One connection to Redis. Commands are sent at once, and replies come in the
 * same order. A late reply ends the connection: nothing waits in a queue until
 * Redis returns.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import { writeAll } from "../base/conn.ts";
import { encodeCommand, type Reply, ReplyError, ReplyReader } from "./resp.ts";
import { StoreError, type StoreTrouble } from "./store.ts";

interface PendingReply {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** A connection to Redis. Owns its conn. */
export class RedisConn implements Disposable {
  readonly #conn: Conn;
  readonly #reader: ReplyReader;
  readonly #pending: PendingReply[] = [];
  /** Why the connection ended. */
  #end: StoreError | undefined;
  /** Writes happen one after another. */
  #writing: Promise<void> = Promise.resolve();

  /** A reply has at most `replyBytes`. */
  constructor(conn: Conn, replyBytes: number) {
    this.#conn = conn;
    this.#reader = new ReplyReader(conn, replyBytes);
    void this.#receive();
  }

  /**
   * Sends a command, and waits for its reply.
   *
   * @throws {StoreError} for an error of Redis, `timed_out` without a reply, or
   * the reason why the connection has ended.
   */
  async request(
    words: readonly string[],
    { timeoutMs }: { timeoutMs: number },
  ): Promise<Reply> {
    if (this.#end !== undefined) throw this.#end;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#pending.push({ resolve, reject });
    this.#writing = this.#writing
      .then(() => writeAll(this.#conn, encodeCommand(words)))
      .catch((error) => this.#over(unreachable(error)));
    using _deadline = new ReplyDeadline(
      timeoutMs,
      () =>
        this.#over(new StoreError("timed_out", "it does not answer in time")),
    );
    const reply = await promise;
    if (reply instanceof ReplyError) throw storeErrorOf(reply);
    return reply;
  }

  [Symbol.dispose](): void {
    this.#over(new StoreError("unreachable", "the connection was closed"));
  }

  async #receive(): Promise<void> {
    try {
      while (this.#end === undefined) {
        const reply = await this.#reader.read();
        const pending = this.#pending.shift();
        if (pending === undefined) {
          throw new StoreError(
            "bad_reply",
            "it sent a reply without a request",
          );
        }
        pending.resolve(reply);
      }
    } catch (error) {
      this.#over(error instanceof StoreError ? error : unreachable(error));
    }
  }

  #over(reason: StoreError): void {
    this.#end ??= reason;
    for (const { reject } of this.#pending.splice(0)) reject(this.#end);
    this.#conn.close();
  }
}

/**
 * Waits for a reply. If this process was suspended meanwhile, an unread reply
 * may have arrived: it waits once more. Disposing ends it.
 */
class ReplyDeadline implements Disposable {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, onEnd: () => void) {
    this.#wait(ms, () => this.#wait(ms, onEnd, onEnd), onEnd);
  }

  /** Calls one of the two after `ms`: the first if the timer fires much too late. */
  #wait(ms: number, onLate: () => void, onEnd: () => void): void {
    const dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const isLate = performance.now() - dueAt > ms / 4;
      if (isLate) onLate();
      else onEnd();
    }, ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function unreachable(cause: unknown): StoreError {
  return new StoreError("unreachable", "the connection has broken", { cause });
}

/** The first word of an error of Redis, and its meaning. */
const TROUBLES: Readonly<Record<string, StoreTrouble>> = {
  ["OOM"]: "full",
  ["READONLY"]: "read_only",
  ["LOADING"]: "loading",
  ["MASTERDOWN"]: "loading",
  ["CLUSTERDOWN"]: "loading",
  ["TRYAGAIN"]: "loading",
  ["NOAUTH"]: "not_allowed",
  ["WRONGPASS"]: "not_allowed",
  ["NOPERM"]: "not_allowed",
  ["WRONGTYPE"]: "wrong_type",
  ["MOVED"]: "moved",
  ["ASK"]: "moved",
};

/** Translates an error of Redis. */
export function storeErrorOf({ text }: ReplyError): StoreError {
  const [code = ""] = text.split(" ");
  // The error of a script contains the error that the script met.
  const inside = /\b(OOM|WRONGTYPE|READONLY)\b/.exec(text)?.[1] ?? "";
  const trouble = TROUBLES[code] ?? TROUBLES[inside] ??
    (/\bAUTH\b|password/.test(text) ? "not_allowed" : "failed");
  return new StoreError(trouble, MESSAGES[trouble] ?? "it refuses a command", {
    cause: text,
  });
}

const MESSAGES: Readonly<Partial<Record<StoreTrouble, string>>> = {
  full: "its memory is full",
  ["read_only"]: "it is a read-only copy",
  loading: "it is starting",
  ["not_allowed"]: "it refuses the user or the password",
  ["wrong_type"]: "a key holds something else",
  moved: "another server of its cluster has the keys",
};
