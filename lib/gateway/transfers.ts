/**
 * The transfers of a gateway: those that run, and the last that have ended.
 * Pure, except for the clock.
 *
 * @module
 */

import { showWhole } from "../base/text.ts";

/** The state of a transfer. */
export type TransferState =
  | "running"
  /** The client takes nothing for a while. */
  | "paused"
  | "done"
  | "failed"
  /** The client has disconnected. */
  | "cancelled";

/** One answer that sends bytes of a file. */
export interface Transfer {
  readonly id: number;
  readonly name: string;
  /** Bytes of the file. */
  readonly size: number;
  /** The first and the last byte that are sent. */
  readonly first: number;
  readonly last: number;
  /** Bytes sent so far. */
  readonly sent: number;
  /** Names of the nodes that send them, escaped. */
  readonly nodes: readonly string[];
  readonly state: TransferState;
  /** Why it failed. */
  readonly error?: string;
}

/** Follows one transfer. */
export interface TransferNote {
  sent(bytes: number): void;
  from(node: string): void;
  ended(state: "done" | "failed" | "cancelled", error?: string): void;
}

interface Entry
  extends Pick<Transfer, "id" | "name" | "size" | "first" | "last"> {
  readonly nodes: Set<string>;
  sent: number;
  sentAt: number;
  end?: { state: "done" | "failed" | "cancelled"; error?: string };
}

// A client that takes nothing for this long is shown as paused.
const PAUSED_MS = 3_000;

/** The transfers. */
export class Transfers {
  readonly #most: number;
  readonly #entries = new Map<number, Entry>();
  #nextId = 1;

  /** Keeps `most` transfers that have ended. */
  constructor(most: number) {
    this.#most = most;
  }

  /** A transfer of the bytes from `start`, without `end`, begins. */
  begin(
    { name, size }: { name: string; size: number },
    { start, end }: { start: number; end: number },
  ): TransferNote {
    const entry: Entry = {
      ...{ id: this.#nextId++, name, size, first: start, last: end - 1 },
      ...{ nodes: new Set<string>(), sent: 0, sentAt: performance.now() },
    };
    this.#entries.set(entry.id, entry);
    return {
      sent: (bytes) => {
        entry.sent += bytes;
        entry.sentAt = performance.now();
      },
      from: (node) => entry.nodes.add(showWhole(node)),
      ended: (state, error) => {
        entry.end ??= { state, ...error === undefined ? {} : { error } };
        this.#forgetOld();
      },
    };
  }

  #forgetOld(): void {
    const ended = [...this.#entries.values()].filter(({ end }) => end);
    for (const { id } of ended.slice(0, -this.#most)) this.#entries.delete(id);
  }

  /** All that are kept, the oldest first. */
  list(now: number = performance.now()): Transfer[] {
    return Array.from(this.#entries.values(), (entry) => {
      const { id, name, size, first, last, sent, end } = entry;
      const isPaused = now - entry.sentAt >= PAUSED_MS;
      return {
        ...{ id, name, size, first, last, sent, nodes: [...entry.nodes] },
        state: end?.state ?? (isPaused ? "paused" : "running"),
        ...end?.error === undefined ? {} : { error: end.error },
      };
    });
  }
}
