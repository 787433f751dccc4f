/**
 * Accounts for the processor time that clients cause on a node, in
 * milliseconds, by client and by address. Decides which client is next, and
 * which must pause. Pure: time is an argument, in milliseconds on any monotonic
 * clock.
 *
 * Work is estimated, not measured, so that on a busy machine no client is
 * charged for the work of others.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/**
 * The cost of work in milliseconds of one core, measured on an idle machine.
 */
export const WORK_MS = {
  /** Reading and answering any request. */
  request: 0.05,
  /** Looking for something that may not exist, and saying so. */
  miss: 0.2,
  /** Examining one file for a listing. */
  look: 0.001,
  /** Adding one file to a listing. */
  list: 0.005,
  /** Hashing one byte: 1 GB a second. */
  hashByte: 1e-6,
  /** Sending one byte, encrypted: 1 GB a second. */
  sendByte: 1e-6,
} as const;

/** Whether limits apply to the work, or only its order is decided. */
export type WorkKind =
  /** Listing, hashing, and looking for things that do not exist. */
  | "asked"
  /** Sending files. This is a node's purpose, so only its order is decided. */
  | "sent";

/** An allowance of work that is used up at once and earned back over time. */
class Credit {
  readonly #msPerMs: number;
  readonly #burstMs: number;
  #creditMs: number;
  #at: number;

  constructor(msPerSecond: number, burstMs: number, now: number) {
    this.#msPerMs = msPerSecond / 1_000;
    this.#burstMs = burstMs;
    this.#creditMs = burstMs;
    this.#at = now;
  }

  /** Debts are bounded: one expensive request costs at most a burst. */
  spend(ms: number, now: number): void {
    this.#earn(now);
    this.#creditMs = Math.max(this.#creditMs - ms, -this.#burstMs);
  }

  /** Milliseconds until the debt is paid. */
  restMs(now: number): number {
    this.#earn(now);
    return Math.max(0, -this.#creditMs / this.#msPerMs);
  }

  isFull(now: number): boolean {
    this.#earn(now);
    return this.#creditMs >= this.#burstMs;
  }

  #earn(now: number): void {
    const earned = (now - this.#at) * this.#msPerMs;
    this.#creditMs = Math.min(this.#burstMs, this.#creditMs + earned);
    this.#at = now;
  }
}

/** The clients whose work is counted together. */
interface Group {
  /** Absent if unrelated clients share the address. */
  readonly credit: Credit | null;
  /**
   * Work so far; at least that of the last client served when it began to wait.
   */
  doneMs: number;
  /** The same, of its client that was served last. */
  floorMs: number;
  clientCount: number;
}

/** One client's account, from {@linkcode WorkLedger.open}. */
export interface Account {
  readonly group: Group;
  readonly credit: Credit;
  doneMs: number;
}

const PURGE_EVERY = 256;

/** Keeps the accounts of all clients of a node. */
export class WorkLedger {
  readonly #limits: Limits;
  readonly #groups = new Map<string, Group>();
  #floorMs = 0;
  #untilPurge = PURGE_EVERY;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Number of addresses in memory. */
  get sourceCount(): number {
    return this.#groups.size;
  }

  /**
   * Opens the account of a client. `source` is the group that limits count it
   * in; with `undefined`, for a shared address, it is a group of its own.
   */
  open(source: string | undefined, now: number): Account {
    this.#purge(now);
    const group = this.#groupOf(source, now);
    group.clientCount++;
    const { clientWorkMsPerSecond, clientWorkBurstMs } = this.#limits;
    const credit = new Credit(clientWorkMsPerSecond, clientWorkBurstMs, now);
    return { group, credit, doneMs: 0 };
  }

  /**
   * Closes the account of a client. Its address is remembered until its debt is
   * paid.
   */
  close({ group }: Account): void {
    group.clientCount--;
  }

  #groupOf(source: string | undefined, now: number): Group {
    const known = source === undefined ? undefined : this.#groups.get(source);
    if (known !== undefined) return known;
    const { addressWorkMsPerSecond, addressWorkBurstMs } = this.#limits;
    const group: Group = {
      credit: source === undefined
        ? null
        : new Credit(addressWorkMsPerSecond, addressWorkBurstMs, now),
      doneMs: 0,
      floorMs: 0,
      clientCount: 0,
    };
    if (source !== undefined) this.#groups.set(source, group);
    return group;
  }

  /** Charges work to a client. */
  charge(
    account: Account,
    ms: number,
    { kind, now }: { kind: WorkKind; now: number },
  ): void {
    const { group, credit } = account;
    account.doneMs += ms;
    group.doneMs += ms;
    if (kind === "sent") return;
    credit.spend(ms, now);
    group.credit?.spend(ms, now);
  }

  /** How long a client must pause before the node works for it again. */
  restMs({ group, credit }: Account, now: number): number {
    return Math.max(credit.restMs(now), group.credit?.restMs(now) ?? 0);
  }

  /**
   * Notes that a client begins to wait. Idling before that gives it no
   * advantage.
   */
  wait(account: Account): void {
    const { group } = account;
    group.doneMs = Math.max(group.doneMs, this.#floorMs);
    account.doneMs = Math.max(account.doneMs, group.floorMs);
  }

  /**
   * Which waiting client goes next: of the address with the least work, the
   * client with the least.
   */
  next(waiting: Iterable<Account>): Account | undefined {
    let first: Account | undefined;
    for (const account of waiting) {
      if (first === undefined || isBefore(account, first)) first = account;
    }
    if (first !== undefined) {
      this.#floorMs = Math.max(this.#floorMs, first.group.doneMs);
      first.group.floorMs = Math.max(first.group.floorMs, first.doneMs);
    }
    return first;
  }

  /** Now and then forgets addresses whose record is empty again. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    for (const [source, { clientCount, credit }] of this.#groups) {
      if (clientCount === 0 && credit!.isFull(now)) this.#groups.delete(source);
    }
  }
}

function isBefore(a: Account, b: Account): boolean {
  return a.group === b.group
    ? a.doneMs < b.doneMs
    : a.group.doneMs < b.group.doneMs;
}
