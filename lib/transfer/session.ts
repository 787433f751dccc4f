/**
 * The client's side of a conversation with one node: requests that are sent
 * without waiting for each other, and their answers, which come in order. File
 * bytes are read straight to where the one who asked wants them.
 *
 * @module
 */

import type { Channel } from "../channel.ts";
import { formatEndpoint, type Path } from "../conn.ts";
import { ProtocolError } from "../errors.ts";
import { greet } from "../greeting.ts";
import { HASH_BYTES } from "../hash.ts";
import { LIMITS } from "../limits.ts";
import { isContentId, Manifest, pieceCountOf } from "../manifest.ts";
import {
  type ClientToNode,
  DIRECTION,
  type ListedFile,
  type MessageOf,
  type NodeToClient,
} from "../messages.ts";

/** The node's refusal of one request. */
export type Refused = MessageOf<"refused">;

/** A file's manifest, verified against its content id, or a refusal. */
export type DescribeAnswer =
  | {
    readonly kind: "described";
    readonly manifest: Manifest;
    /** What the node says `sha256sum` would print. */
    readonly sha256: string;
  }
  | Refused;

// One every 5 s, for the two hours that the largest file takes on a slow disk.
const MOST_WORKING_COUNT = 1_440;

/** Where the pieces of one request go. */
export interface PieceReceiver {
  /**
   * Where the next `length` bytes of file data belong; waits for room. Throws
   * when there are more than were asked for.
   */
  target(length: number): Promise<Uint8Array>;
  /** `length` bytes have been read into the target. */
  filled(length: number): void;
  /** The piece that was being filled is whole; its hash as the node gave it. */
  piece(index: number, sha256: string): void;
}

/** One request that waits for its answers. */
interface Waiting {
  readonly request: number;
  /** Takes one message; `true` when it was the last. */
  take(message: NodeToClient): boolean;
  readonly receiver?: Pick<PieceReceiver, "target" | "filled"> | undefined;
  fail(error: Error): void;
}

/** A node that has said hello. Disposing parts from it. */
export class NodeSession implements AsyncDisposable {
  /** The path that it goes by. */
  readonly path: Path;
  readonly #channel: Channel;
  readonly #waiting: Waiting[] = [];
  #nextRequest = 1;
  #pumping = false;
  #workingCount = 0;
  #failure: Error | null = null;
  #ending: Disposable | null = null;

  private constructor(channel: Channel, path: Path) {
    this.#channel = channel;
    this.path = path;
  }

  /**
   * Greets the node `id`, and asks it for `name` in the same breath.
   *
   * @throws {ProtocolError} when it is another, or does something wrong.
   */
  static async open(
    channel: Channel,
    { id, path, find }: { id: string; path: Path; find?: string },
  ): Promise<{ session: NodeSession; found?: MessageOf<"found"> | Refused }> {
    const session = new NodeSession(channel, path);
    const request = session.#nextRequest++;
    const first = find === undefined
      ? []
      : [{ kind: "find", request, name: find } as const];
    const outcome = await greet(channel, { role: "client" }, ...first);
    if (outcome.kind === "refused") {
      throw new ProtocolError("wrong_service", `it refused: ${outcome.text}`);
    }
    if (outcome.hello.role !== "node" || outcome.hello.id !== id) {
      throw new ProtocolError(
        "identity_mismatch",
        "it is not the node that was listed",
      );
    }
    if (find === undefined) return { session };
    return {
      session,
      found: await session.#one(request, ["found", "refused"]),
    };
  }

  /** Whether the node has a file of that name. */
  find(name: string): Promise<MessageOf<"found"> | Refused> {
    const request = this.#nextRequest++;
    const answer = this.#one(request, ["found", "refused"]);
    return this.#ask({ kind: "find", request, name }, answer);
  }

  /** All files whose names begin with `prefix`; they must be read to the end. */
  async *browse(prefix: string): AsyncGenerator<readonly ListedFile[]> {
    const request = this.#nextRequest++;
    const pages: (readonly ListedFile[])[] = [];
    const done = Promise.withResolvers<void>();
    let wake = () => {};
    let isDone = false;
    this.#await({
      request,
      take: (message) => {
        const isPage = message.kind === "files";
        if (!isPage && message.kind !== "refused") throw this.#unasked();
        isDone = !isPage || !message.more;
        if (isPage) {
          if (message.files.length === 0 && message.more) {
            throw this.#lie("a page of a listing without files");
          }
          pages.push(message.files);
        }
        if (isDone) done.resolve();
        wake();
        return isDone;
      },
      fail: done.reject,
    });
    done.promise.catch(ignore); // told below, or to nobody who still reads
    try {
      await this.#send({ kind: "browse", request, prefix });
      for (;;) {
        const page = pages.shift();
        if (page !== undefined) yield page;
        else if (isDone) return;
        else {
          const next = new Promise<void>((resolve) => wake = resolve);
          await Promise.race([next, done.promise]);
        }
      }
    } finally {
      // Whoever stops early leaves answers on their way that nobody wants.
      if (!isDone) this.abort(new Error("the listing was broken off"));
    }
  }

  /**
   * The manifest of a file, by content id or version.
   *
   * @throws {ProtocolError} `corrupt_piece` when it does not have the content id
   * that was asked for.
   */
  async describe(of: string): Promise<DescribeAnswer> {
    const request = this.#nextRequest++;
    const head = Promise.withResolvers<MessageOf<"manifest"> | Refused>();
    const done = Promise.withResolvers<Uint8Array>();
    let hashes = new Uint8Array();
    let filled = 0;
    const isDone = () => filled === hashes.length;
    const end = () => {
      this.#waiting.shift();
      done.resolve(hashes);
    };
    this.#await({
      request,
      receiver: {
        target: (length) => {
          if (filled + length > hashes.length) {
            throw this.#lie("more piece hashes than the file has pieces");
          }
          return Promise.resolve(hashes.subarray(filled, filled + length));
        },
        filled: (length) => {
          filled += length;
          if (isDone()) end();
        },
      },
      take: (message) => {
        if (message.kind === "refused") {
          head.resolve(message);
          return true;
        }
        if (message.kind !== "manifest" || hashes.length > 0) {
          throw this.#unasked();
        }
        if (message.size > LIMITS.fileBytes) {
          throw this.#lie("a size that no file can have");
        }
        hashes = new Uint8Array(pieceCountOf(message.size) * HASH_BYTES);
        head.resolve(message);
        if (isDone()) done.resolve(hashes);
        return isDone();
      },
      fail: (error) => {
        head.reject(error);
        done.reject(error);
      },
    });
    done.promise.catch(ignore); // whoever fails at the head does not wait on
    const message = { kind: "describe", request, of } as const;
    const answer = await this.#ask(message, head.promise);
    if (answer.kind === "refused") return answer;
    const manifest = new Manifest(answer.size, await done.promise);
    if (isContentId(of) && manifest.contentId !== of) {
      throw this.#lie("a manifest of another content");
    }
    return { kind: "described", manifest, sha256: answer.sha256 };
  }

  /**
   * Asks for pieces, which go to `receiver` in order. Resolves when the last
   * has come, or to the node's refusal.
   */
  read(
    task: { of: string; first: number; count: number },
    receiver: PieceReceiver,
  ): Promise<Refused | undefined> {
    const request = this.#nextRequest++;
    const { promise, resolve, reject } = Promise.withResolvers<
      Refused | undefined
    >();
    let next = task.first;
    this.#await({
      request,
      receiver,
      take: (message) => {
        if (message.kind === "refused") {
          resolve(message);
          return true;
        }
        if (message.kind !== "piece" || message.index !== next) {
          throw this.#lie(`another piece than ${next}`);
        }
        receiver.piece(next, message.sha256);
        next++;
        const isLast = next === task.first + task.count;
        if (isLast) resolve(undefined);
        return isLast;
      },
      fail: reject,
    });
    return this.#ask({ kind: "read", request, ...task }, promise);
  }

  /**
   * Sends a question. Its answer is awaited from before that on, for answers
   * come in the order of the questions.
   */
  async #ask<T>(message: ClientToNode, answer: Promise<T>): Promise<T> {
    answer.catch(ignore); // told below, once sending is through
    await this.#send(message);
    return await answer;
  }

  #send(message: ClientToNode): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return this.#channel.send(message);
  }

  /** The next answer to `request`, which must be of one of `kinds`. */
  #one<Kind extends NodeToClient["kind"]>(
    request: number,
    kinds: readonly Kind[],
  ): Promise<MessageOf<Kind>> {
    const { promise, resolve, reject } = Promise.withResolvers<
      MessageOf<Kind>
    >();
    this.#await({
      request,
      take: (message) => {
        if (!(kinds as readonly string[]).includes(message.kind)) {
          throw this.#unasked();
        }
        resolve(message as MessageOf<Kind>);
        return true;
      },
      fail: reject,
    });
    return promise;
  }

  #await(waiting: Waiting): void {
    if (this.#failure !== null) {
      waiting.fail(this.#failure);
      return;
    }
    this.#waiting.push(waiting);
    if (!this.#pumping) void this.#pump();
  }

  /** Receives for as long as somebody waits. Never rejects. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        await this.#receive(first);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error("thrown"));
    } finally {
      this.#pumping = false;
    }
  }

  async #receive(first: Waiting): Promise<void> {
    const message = await this.#channel.receiveOrData(DIRECTION.nodeToClient);
    if (message === null) {
      throw new ProtocolError("truncated", "it hung up");
    }
    if (message.request !== first.request) {
      // Without a request it is the node that ends the conversation.
      if (message.kind !== "refused" || message.request !== undefined) {
        throw this.#unasked();
      }
      throw new ProtocolError("wrong_phase", `it ended: ${message.text}`);
    }
    if (message.kind === "working") {
      // It hashes, and is not gone; but no file takes for ever.
      if (++this.#workingCount > MOST_WORKING_COUNT) throw this.#unasked();
      return;
    }
    if (message.kind !== "data") {
      if (first.take(message)) this.#waiting.shift();
      return;
    }
    if (first.receiver === undefined) throw this.#unasked();
    for (let left = message.length; left > 0;) {
      const target = await first.receiver.target(left);
      await this.#channel.readData(target);
      first.receiver.filled(target.length);
      left -= target.length;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#ending?.[Symbol.dispose]();
    for (const { fail } of this.#waiting.splice(0)) fail(error);
    this.#channel.abort(error);
  }

  #lie(what: string): ProtocolError {
    const from = formatEndpoint(this.#channel.conn.remote);
    return new ProtocolError("corrupt_piece", `${from} sent ${what}`);
  }

  #unasked(): ProtocolError {
    const from = formatEndpoint(this.#channel.conn.remote);
    return new ProtocolError(
      "wrong_phase",
      `${from} sent an answer nobody asked for`,
    );
  }

  /** Ends the conversation with the reason of `signal`, until it has ended. */
  endOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const end = () => this.#fail(signal.reason);
    signal.addEventListener("abort", end);
    this.#ending = {
      [Symbol.dispose]: () => signal.removeEventListener("abort", end),
    };
    if (signal.aborted) end();
  }

  /** Ends the conversation at once; what waits fails with `reason`. */
  abort(reason: Error): void {
    this.#fail(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#waiting.length > 0) {
      this.#fail(new Error("the session was closed"));
    } else await this.#channel.close();
    this.#ending?.[Symbol.dispose]();
    this.#failure ??= new Error("the session was closed");
  }
}

function ignore(): void {}
