/**
 * The answers that a client expects after each request: which messages and
 * bytes may come, what they mean, and when the answer is complete. Knows no
 * connection.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";
import { Manifest, pieceCountOf } from "../content/manifest.ts";
import type {
  ListedFile,
  MessageOf,
  NodeToClient,
} from "../protocol/messages.ts";

/** The node's refusal of one request. */
export type Refused = MessageOf<"refused">;

/** A file's manifest, or a refusal. */
export type DescribeAnswer =
  | {
    readonly kind: "described";
    readonly manifest: Manifest;
    /** The plain SHA-256, as the node claims it. */
    readonly sha256: string;
  }
  | Refused;

/** Where the pieces of one request go. */
export interface PieceReceiver {
  /** Called before the request with that number asks for them. */
  requested?(request: number): void;
  /**
   * Where the next `length` bytes of file data belong; waits for room. Throws
   * when there are more than were requested.
   */
  target(length: number): Promise<Uint8Array>;
  /** `length` bytes have been read into the target. */
  filled(length: number): void;
  /** The next pieces are complete; these are the hashes that the node sent. */
  pieces(hashes: Uint8Array): void;
}

/** Where the files of one request go. */
export interface BatchTaker extends Pick<PieceReceiver, "target" | "filled"> {
  /** Files that have not been answered. */
  readonly left: number;
  /** The next files are complete; these are the hashes that the node sent. */
  vouch(hashes: Uint8Array): void;
  /** The node does not send the next file. */
  skip(why: { readonly code: string; readonly text: string }): void;
}

/** The answer to one request. An error of its methods ends the session. */
export interface Answer {
  /** Number of the request. */
  readonly request: number;
  /** Whether all of it has arrived. */
  readonly isDone: boolean;
  /**
   * Whether it consists of file bytes, by which the speed of a source is
   * measured.
   */
  readonly owesPieces?: true;
  /** Receives file bytes, if the answer may have any. */
  readonly receiver?: Pick<PieceReceiver, "target" | "filled"> | undefined;
  /**
   * Called while the node works on it and is alive. Absent if the node answers
   * at once.
   */
  readonly works?: (() => void) | undefined;
  /**
   * Handles one message. If it returns a promise, the next message waits for
   * that.
   */
  take(message: NodeToClient): void | Promise<void>;
  /** Nothing more will come. */
  fail(error: Error): void;
}

/** The node `from` sent an answer that was not requested. */
export function unsolicited(from: string): ProtocolError {
  return new ProtocolError(
    "wrong_phase",
    `${from} sent an answer that was not requested`,
  );
}

/** A node sent an impossible answer. */
export function lie(from: string, what: string): ProtocolError {
  return new ProtocolError("corrupt_piece", `${from} sent ${what}`);
}

/** An answer with one outcome, once all of it has arrived. */
export abstract class OutcomeAnswer<Outcome> {
  isDone = false;
  readonly #outcome = Promise.withResolvers<Outcome>();
  /** Resolves to the outcome. */
  readonly promise: Promise<Outcome> = this.#outcome.promise;

  /** `from` is the node, for errors. */
  constructor(readonly request: number, protected readonly from: string) {}

  protected settle(outcome: Outcome): void {
    this.isDone = true;
    this.#outcome.resolve(outcome);
  }

  fail(error: Error): void {
    this.#outcome.reject(error);
  }
}

/** One message, of one of several kinds. */
export class OneAnswer<Kind extends NodeToClient["kind"]>
  extends OutcomeAnswer<MessageOf<Kind>>
  implements Answer {
  readonly #kinds: readonly Kind[];

  constructor(
    request: number,
    kinds: readonly Kind[],
    from: string,
    readonly works?: () => void,
  ) {
    super(request, from);
    this.#kinds = kinds;
  }

  take(message: NodeToClient): void {
    if (!(this.#kinds as readonly string[]).includes(message.kind)) {
      throw unsolicited(this.from);
    }
    this.settle(message as MessageOf<Kind>);
  }
}

/** The pages of a listing. */
export class ListingAnswer implements Answer {
  readonly request: number;
  isDone = false;
  readonly #from: string;
  readonly #pages: (readonly ListedFile[])[] = [];
  readonly #failed = Promise.withResolvers<never>();
  #hasFailed = false;
  #wake = () => {};
  #onRead = () => {};

  constructor(
    request: number,
    from: string,
    readonly works: () => void = () => {},
  ) {
    this.request = request;
    this.#from = from;
    this.#failed.promise.catch(() => {}); // readers get it
  }

  take(message: NodeToClient): void | Promise<void> {
    const isPage = message.kind === "files";
    if (!isPage && message.kind !== "refused") throw unsolicited(this.#from);
    this.isDone = !isPage || !message.more;
    if (isPage) {
      if (message.files.length === 0 && message.more) {
        throw lie(this.#from, "a page of a listing without files");
      }
      this.#pages.push(message.files);
    }
    this.#wake();
    const isAhead = this.#pages.length >= LIMITS.listingPagesAheadCount;
    if (!isAhead || this.#hasFailed) return;
    return new Promise((resolve) => this.#onRead = resolve);
  }

  fail(error: Error): void {
    this.#hasFailed = true;
    this.#failed.reject(error);
    this.#onRead();
  }

  /** The pages, as they arrive. */
  async *pages(): AsyncGenerator<readonly ListedFile[]> {
    for (;;) {
      const page = this.#pages.shift();
      if (page !== undefined) {
        this.#onRead();
        yield page;
      } else if (this.isDone) return;
      else {
        const next = new Promise<void>((resolve) => this.#wake = resolve);
        await Promise.race([next, this.#failed.promise]);
      }
    }
  }
}

/** A manifest: a message, and then the hashes as bytes. */
export class ManifestAnswer extends OutcomeAnswer<DescribeAnswer>
  implements Answer {
  readonly receiver = {
    target: (length: number) => this.#target(length),
    filled: (length: number) => this.#fill(length),
  };
  #head: MessageOf<"manifest"> | null = null;
  #hashes = new Uint8Array();
  #filled = 0;
  readonly #onWorks: () => void;
  /** The file may have to be hashed first. */
  readonly works = () => {
    if (this.#head !== null) throw unsolicited(this.from);
    this.#onWorks();
  };

  constructor(request: number, from: string, onWorks: () => void = () => {}) {
    super(request, from);
    this.#onWorks = onWorks;
  }

  take(message: NodeToClient): void {
    if (message.kind === "refused") return this.settle(message);
    if (message.kind !== "manifest" || this.#head !== null) {
      throw unsolicited(this.from);
    }
    if (message.size > LIMITS.fileBytes) {
      throw lie(this.from, "a size that no file can have");
    }
    this.#head = message;
    this.#hashes = new Uint8Array(pieceCountOf(message.size) * HASH_BYTES);
    this.#fill(0);
  }

  #target(length: number): Promise<Uint8Array> {
    const end = this.#filled + length;
    if (end > this.#hashes.length) {
      throw lie(this.from, "more piece hashes than the file has pieces");
    }
    return Promise.resolve(this.#hashes.subarray(this.#filled, end));
  }

  #fill(length: number): void {
    this.#filled += length;
    if (this.#head === null || this.#filled < this.#hashes.length) return;
    const { size, sha256 } = this.#head;
    const manifest = new Manifest(size, this.#hashes);
    this.settle({ kind: "described", manifest, sha256 });
  }
}

/**
 * Consecutive pieces, which a receiver gets. Resolves to nothing when the last
 * has arrived, or to the node's refusal.
 */
export class PiecesAnswer extends OutcomeAnswer<Refused | undefined>
  implements Answer {
  readonly owesPieces = true;
  readonly receiver: PieceReceiver;
  #left: number;
  /** Others may have their turns first, if many fetch a file together. */
  readonly works: (() => void) | undefined;

  constructor(
    request: number,
    { count, receiver, takesTurns }: {
      count: number;
      receiver: PieceReceiver;
      /** Whether the node may report that others have their turns first. */
      takesTurns: boolean;
    },
    from: string,
  ) {
    super(request, from);
    this.receiver = receiver;
    this.#left = count;
    this.works = takesTurns ? () => {} : undefined;
  }

  take(message: NodeToClient): void {
    if (message.kind === "refused") return this.settle(message);
    if (message.kind !== "pieces") {
      throw lie(this.from, "a reply that is not pieces");
    }
    this.#left -= message.hashes.length / HASH_BYTES;
    if (this.#left < 0) {
      throw lie(this.from, "more pieces than were requested");
    }
    this.receiver.pieces(message.hashes);
    if (this.#left === 0) this.settle(undefined);
  }
}

/**
 * The files of a batch, in the order in which they were requested. Resolves to
 * nothing when all are answered, or to the node's refusal of the request.
 */
export class BatchAnswer extends OutcomeAnswer<Refused | undefined>
  implements Answer {
  readonly owesPieces = true;
  readonly receiver: BatchTaker;

  constructor(request: number, receiver: BatchTaker, from: string) {
    super(request, from);
    this.receiver = receiver;
  }

  take(message: NodeToClient): void {
    switch (message.kind) {
      case "refused":
        return this.settle(message);
      case "pieces":
        this.receiver.vouch(message.hashes);
        break;
      case "skipped":
        this.receiver.skip(message);
        break;
      default:
        throw lie(this.from, "a reply that is not files");
    }
    if (this.receiver.left === 0) this.settle(undefined);
  }
}
