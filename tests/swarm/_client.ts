/**
 * A client of a simulated swarm: the real plan and the real policy of
 * connections, over lines that `_sender.ts` simulates.
 */

import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { PieceSet, runsOf } from "../../lib/content/piece_set.ts";
import {
  requestPauseMs,
  SwarmConnections,
} from "../../lib/swarm/swarm_connections.ts";
import { Plan } from "../../lib/transfer/plan.ts";
import { type Receiver, Sender } from "./_sender.ts";

/** How a client treats the others. */
export type Behaviour = "honest" | "liar" | "idler";

/** What a client needs from the simulation. */
export interface World {
  readonly now: number;
  readonly random: () => number;
  readonly limits: Limits;
  readonly pieceCount: number;
  readonly pieceBytes: number;
  /** The seed; `undefined` while it is offline. */
  readonly seed: Sender | undefined;
  /** The client with that id, unless it disconnected. */
  find(id: string): Client | undefined;
  /** Asks the relay for holders. */
  listed(asker: string): string[];
  /** Calls `what` after `ms`. */
  later(ms: number, what: () => void): void;
}

/** Options of {@linkcode Client}. */
export interface ClientOptions {
  readonly id: string;
  readonly upPerMs: number;
  readonly downPerMs: number;
  readonly conduct: Behaviour;
}

/** A TCP and a TLS handshake between homes. */
const DIAL_MS = 50;
/** Interval of announcements of new pieces. */
const ANNOUNCE_EVERY_MS = 100;
const SEED = "seed";

/** One client. */
export class Client implements Receiver {
  readonly id: string;
  readonly conduct: Behaviour;
  readonly downPerMs: number;
  readonly startedAt: number;
  readonly sender: Sender;
  downLeft = 0;
  /** When it was complete. */
  doneAt: number | undefined;
  hasGone = false;
  /** Pieces that came from the seed, from others, and for nothing. */
  readonly came = { seed: 0, others: 0, wasted: 0 };
  readonly #world: World;
  readonly #plan: Plan;
  /** Pieces that it can give to others. */
  readonly #saved: PieceSet;
  /** Pieces that it has not announced yet. */
  #gained: number[] = [];
  readonly #connections: SwarmConnections;
  /** The source of each holder with a connection, in the plan. */
  readonly #sources = new Map<string, string>();
  readonly #liars = new Set<string>();
  /** Clients that have dialled it. */
  readonly #readers = new Set<string>();
  #sourceCount = 0;
  #askAt: number;
  #announceAt: number;
  #lookAt: number;

  constructor(options: ClientOptions, world: World) {
    const { id, conduct, upPerMs } = options;
    const { limits, random, pieceCount, pieceBytes, now } = world;
    this.id = id;
    this.conduct = conduct;
    this.downPerMs = options.downPerMs;
    this.startedAt = now;
    this.#world = world;
    this.#askAt = now;
    this.#announceAt = now + random() * ANNOUNCE_EVERY_MS;
    this.#lookAt = now + random() * 1_000;
    this.#connections = new SwarmConnections({ id, numbers: limits, random });
    this.sender = new Sender({
      ...{ id, upPerMs, pieceBytes },
      readerCount: limits.swarmReaderCount,
      sends: conduct !== "idler",
    });
    this.#saved = new PieceSet(pieceCount);
    this.#plan = new Plan({
      openFileCount: LIMITS.requestedFileCount,
      pieceFailureCount: LIMITS.pieceFailureCount,
      takeOverMs: limits.takeOverMs,
      connectionQuietMs: LIMITS.connectionQuietMs,
      swarm: limits,
    });
    this.#plan.addFile({
      ...{ pieceCount, pieceBytes },
      taskPieces: Math.max(1, Math.floor(2 ** 20 / pieceBytes)),
      holders: [],
      rarest: { random },
    });
    this.seedCame();
  }

  /** Pieces that no source of this client has. */
  get nowhere(): number[] {
    return this.#plan.nowhere(0);
  }

  get connectionCount(): number {
    return this.#sources.size;
  }

  get cameCount(): number {
    return this.came.seed + this.came.others;
  }

  /** The seed is there: every client is connected to it. */
  seedCame(): void {
    if (this.#world.seed === undefined || this.doneAt !== undefined) return;
    this.#connect(SEED, "complete");
  }

  seedWent(): void {
    this.#disconnect(SEED);
  }

  /** A step of time has passed. */
  step(): void {
    const { now } = this.#world;
    if (now >= this.#askAt) this.#askRelay();
    if (now >= this.#announceAt) this.#announce();
    if (now < this.#lookAt) return;
    this.#lookAt = now + 1_000;
    const idle = this.#connections.toEnd(now);
    if (idle !== undefined) this.part(idle);
    this.#dial();
    for (const holder of [...this.#sources.keys()]) this.#pull(holder);
  }

  #askRelay(): void {
    const { now, limits } = this.#world;
    if (this.doneAt !== undefined) {
      this.#askAt = Infinity;
      return;
    }
    const listed = this.#world.listed(this.id);
    const known = listed.filter((id) => !this.#liars.has(id));
    this.#connections.learned(known.map((id) => ({ id, group: id })));
    this.#askAt = now + requestPauseMs(now - this.startedAt, limits);
    this.#dial();
  }

  #dial(): void {
    for (const id of this.#connections.toDial(this.#world.now)) {
      this.#world.later(DIAL_MS, () => this.#dialled(id));
    }
  }

  #dialled(id: string): void {
    if (this.hasGone) return;
    const other = this.#world.find(id);
    if (other?.acceptsMore !== true) {
      return this.#connections.closed(id, this.#world.now);
    }
    this.#connect(id, other.#announced);
    other.#readers.add(this.id);
  }

  /** Whether it takes one more reader. */
  get acceptsMore(): boolean {
    const { swarmAcceptCount } = this.#world.limits;
    return !this.hasGone && this.#readers.size < swarmAcceptCount;
  }

  /** The pieces that it claims to have. */
  get #announced(): Uint8Array | "complete" {
    return this.conduct !== "honest" || this.#saved.isComplete
      ? "complete"
      : this.#saved.bitmap;
  }

  #connect(holder: string, has: Uint8Array | "complete"): void {
    const source = `${holder} ${this.#sourceCount++}`;
    this.#sources.set(holder, source);
    this.#plan.addSource(source, holder, this.#world.now);
    this.#plan.holderHas(0, holder, has);
    this.#pull(holder);
  }

  #disconnect(holder: string): void {
    const source = this.#sources.get(holder);
    if (source === undefined) return;
    this.#sources.delete(holder);
    this.#plan.release(source, undefined, false);
    this.#plan.drop(source);
    this.#plan.removeHolder(0, holder);
    this.sender.forget(holder);
    for (const other of this.#sources.keys()) this.#pull(other);
  }

  /** Ends a connection, at both ends. */
  part(id: string): void {
    const { now } = this.#world;
    const other = this.#world.find(id);
    for (const [one, peer] of [[this, id], [other, this.id]] as const) {
      if (one === undefined) continue;
      if (one.#sources.has(peer)) one.#connections.closed(peer, now);
      one.#readers.delete(peer);
      one.sender.forget(peer);
      if (one.#sources.has(peer)) one.#disconnect(peer);
    }
  }

  /** Asks a holder for all that the plan wants of it. */
  #pull(holder: string): void {
    const { now, seed } = this.#world;
    const source = this.#sources.get(holder);
    if (source === undefined || this.doneAt !== undefined) return;
    const sender = holder === SEED ? seed : this.#world.find(holder)?.sender;
    for (let task; (task = this.#plan.take(source, now));) {
      for (let at = 0; at < task.count; at++) {
        sender?.ask(this, task.first + at);
      }
    }
  }

  receive(piece: number, from: Sender): void {
    const { now } = this.#world;
    const source = this.#sources.get(from.id);
    if (this.hasGone || source === undefined) return;
    const other = this.#world.find(from.id);
    if (other?.conduct === "liar") {
      this.came.wasted++;
      this.#liars.add(from.id);
      return this.part(from.id);
    }
    this.#plan.noteBytes(source, this.#world.pieceBytes, now);
    this.#connections.brought(from.id, now);
    const arrival = this.#plan.arrived(source, 0, piece, now);
    if (arrival === "wanted") {
      this.came[from.id === SEED ? "seed" : "others"]++;
      if (this.#saved.add(piece)) this.#gained.push(piece);
    } else this.came.wasted++;
    if (this.#plan.isDone) this.#finish();
    else this.#pull(from.id);
  }

  #finish(): void {
    if (this.doneAt !== undefined) return;
    this.doneAt = this.#world.now;
    this.#connections.completed();
    this.#world.seed?.forget(this.id);
  }

  /** Tells the others which pieces it has got. */
  #announce(): void {
    const { now } = this.#world;
    this.#announceAt = now + ANNOUNCE_EVERY_MS;
    const runs = runsOf(this.#gained);
    this.#gained = [];
    if (runs.length === 0 || this.conduct !== "honest") return;
    for (const reader of this.#readers) {
      this.#world.find(reader)?.received(this, runs);
    }
  }

  received(
    from: Client,
    runs: readonly { first: number; count: number }[],
  ): void {
    if (this.doneAt !== undefined) return;
    if (this.#plan.holderGained(0, from.id, runs)) this.#pull(from.id);
  }

  /** It goes, whether it has everything or not. */
  go(): void {
    this.hasGone = true;
    for (const holder of [...this.#sources.keys(), ...this.#readers]) {
      if (holder !== SEED) this.part(holder);
    }
    this.#world.seed?.forget(this.id);
  }
}
