/**
 * Somebody in a simulated swarm who sends pieces over an uplink: the seed, or a
 * client. Time is fake and goes in steps.
 */

import { LIMITS } from "../../lib/base/limits.ts";
import type { PieceRun } from "../../lib/content/piece_set.ts";
import { Readers } from "../../lib/node/readers.ts";

/** Somebody who is sent pieces. */
export interface Receiver {
  readonly id: string;
  /** Bytes that its line can still take in this step. */
  downLeft: number;
  /** A piece has arrived in full. */
  receive(piece: number, from: Sender): void;
}

/** A piece on its way. */
interface Flow {
  readonly to: Receiver;
  readonly piece: number;
  left: number;
}

interface Request extends PieceRun {
  readonly to: Receiver;
}

/** Options of {@linkcode Sender}. */
export interface SenderOptions {
  readonly id: string;
  readonly upPerMs: number;
  readonly pieceBytes: number;
  /** Readers that are sent to at a time. */
  readonly readerCount: number;
  /** Whether it answers at all. */
  readonly sends?: boolean;
}

/** Sends what it is asked for. */
export class Sender {
  readonly id: string;
  readonly #options: SenderOptions;
  readonly #readers: Readers<Request>;
  #flows: Flow[] = [];
  /** Pieces sent, and when the last one was. */
  sentCount = 0;
  lastSentAt = 0;

  constructor(options: SenderOptions) {
    this.id = options.id;
    this.#options = options;
    this.#readers = new Readers<Request>({
      ...LIMITS,
      swarmReaderCount: options.readerCount,
      swarmReaderQueueCount: Infinity,
    });
  }

  /** A reader asks for a piece. */
  ask(to: Receiver, piece: number): void {
    if (this.#options.sends === false) return;
    this.#readers.request(to.id, { to, first: piece, count: 1 });
  }

  /** A reader disconnected: nothing more is sent to it. */
  forget(reader: string): void {
    this.#readers.left(reader);
    this.#flows = this.#flows.filter(({ to }) => to.id !== reader);
  }

  /** Sends for `ms`; all streams get the same part of the line. */
  step(ms: number, now: number): void {
    let budget = ms * this.#options.upPerMs;
    // What a full downlink or the end of a piece leaves goes to the others.
    for (let pass = 0; pass < 4 && budget > 1; pass++) {
      this.#begin();
      const flows = this.#flows.filter(({ to }) => to.downLeft > 0);
      if (flows.length === 0) return;
      const part = budget / flows.length;
      for (const flow of flows) budget -= this.#move(flow, part, now);
    }
  }

  #move(flow: Flow, part: number, now: number): number {
    const bytes = Math.min(part, flow.left, flow.to.downLeft);
    flow.left -= bytes;
    flow.to.downLeft -= bytes;
    if (flow.left > 0) return bytes;
    if (!this.#flows.includes(flow)) return bytes; // it has gone meanwhile
    this.#flows = this.#flows.filter((one) => one !== flow);
    this.#readers.sent(flow.to.id);
    this.sentCount++;
    this.lastSentAt = now;
    flow.to.receive(flow.piece, this);
    return bytes;
  }

  #begin(): void {
    for (let turn; (turn = this.#readers.next()) !== undefined;) {
      const { to, first: piece } = turn.request;
      this.#flows.push({ to, piece, left: this.#options.pieceBytes });
    }
  }
}
