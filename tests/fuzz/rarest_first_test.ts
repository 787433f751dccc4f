/**
 * The plan of a file that many clients fetch together, beside a table of who has
 * which piece: whatever holders gain, lose, send and leave, nobody is asked for
 * a piece that it lacks or that another was asked for, and all that can be had
 * is had.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LIMITS } from "../../lib/base/limits.ts";
import { Plan } from "../../lib/transfer/plan.ts";
import type { Task } from "../../lib/transfer/plan_types.ts";
import { seededRandom } from "../_random.ts";
import { holds } from "./_runs.ts";

/** The plan and what is known beside it. */
class Swarm {
  readonly plan: Plan;
  readonly pieceCount: number;
  readonly random: () => number;
  /** The pieces of each holder that takes part. */
  readonly has = new Map<string, Set<number>>();
  readonly asked = new Map<string, Set<number>>();
  readonly done = new Set<number>();
  /** Those whose last piece came while no other client fetched the file. */
  readonly wide = new Set<string>();
  now = 0;
  #newcomers = 0;

  constructor(pieceCount: number, seed: number) {
    this.pieceCount = pieceCount;
    this.random = seededRandom(seed);
    this.plan = new Plan({
      openFileCount: 1,
      pieceFailureCount: 1_000,
      takeOverMs: 500,
      connectionQuietMs: 10_000,
      // The endgame alone asks twice.
      swarm: { ...LIMITS, swarmTakeOverMs: Infinity },
    });
    const { random } = this;
    this.plan.addFile({
      pieceCount,
      pieceBytes: 1_000,
      taskPieces: 8,
      holders: [],
      rarest: { random },
    });
  }

  below(most: number): number {
    return Math.floor(this.random() * most);
  }

  /** A holder connects, with some of the pieces or all. */
  join(): void {
    const holder = `h${this.#newcomers++}`;
    const part = this.below(4) / 3;
    const has = new Set<number>();
    const bits = new Uint8Array(Math.ceil(this.pieceCount / 8));
    for (let piece = 0; piece < this.pieceCount; piece++) {
      if (this.random() >= part) continue;
      has.add(piece);
      bits[piece >> 3]! |= 128 >> (piece & 7);
    }
    this.has.set(holder, has);
    this.asked.set(holder, new Set());
    this.plan.addSource(holder, holder, this.now);
    this.plan.holderHas(0, holder, part === 1 ? "complete" : bits);
  }

  gain(holder: string): void {
    const first = this.below(this.pieceCount);
    const count = 1 + this.below(4);
    for (let piece = first; piece < first + count; piece++) {
      if (piece < this.pieceCount) this.has.get(holder)!.add(piece);
    }
    this.plan.holderGained(0, holder, [{ first, count }]);
  }

  leave(holder: string): void {
    assertEquals(this.plan.drop(holder), []);
    this.has.delete(holder);
    this.asked.delete(holder);
  }

  /** Holders that were asked for a piece. */
  askersOf(piece: number): string[] {
    return [...this.asked].filter(([, pieces]) => pieces.has(piece))
      .map(([holder]) => holder);
  }

  /** Holders of a piece that are not complete. */
  rarityOf(piece: number): number {
    return [...this.has.values()]
      .filter((has) => has.size < this.pieceCount && has.has(piece)).length;
  }

  take(holder: string): boolean {
    const task = this.plan.take(holder, this.now);
    if (task === undefined) return false;
    this.#assertFair(holder, task);
    for (let at = 0; at < task.count; at++) {
      this.asked.get(holder)!.add(task.first + at);
    }
    const { size } = this.asked.get(holder)!;
    const most = this.wide.has(holder)
      ? LIMITS.swarmAloneWindowPieceCount
      : LIMITS.swarmWindowPieceCount;
    assert(size <= most);
    return true;
  }

  #assertFair(holder: string, { first, count }: Task): void {
    const has = this.has.get(holder)!;
    const isSeed = has.size === this.pieceCount;
    assert(count <= (isSeed ? LIMITS.swarmRunPieceCount : 1));
    const left = this.pieceCount - this.done.size;
    const isSecond = this.askersOf(first).length > 0;
    for (let piece = first; piece < first + count; piece++) {
      assert(has.has(piece), "its holder has the piece");
      assert(!this.done.has(piece), "it is wanted");
      const askers = this.askersOf(piece);
      assert(askers.length <= (isSecond ? 1 : 0) && !askers.includes(holder));
    }
    if (isSecond) assert(left <= LIMITS.swarmEndPieceCount, "the endgame");
    else {
      const missing = [...has].filter((piece) =>
        !this.done.has(piece) && this.askersOf(piece).length === 0
      );
      const rarest = Math.min(...missing.map((one) => this.rarityOf(one)));
      assertEquals(this.rarityOf(first), rarest, "the rarest that it has");
    }
  }

  /** One of the pieces that a holder was asked for comes. */
  deliver(holder: string): void {
    const pieces = this.asked.get(holder)!;
    const piece = [...pieces][this.below(pieces.size)];
    if (piece === undefined) return;
    pieces.delete(piece);
    const isAlone = [...this.has.values()]
      .every(({ size }) => size === this.pieceCount);
    if (isAlone) this.wide.add(holder);
    else this.wide.delete(holder);
    const arrival = this.plan.arrived(holder, 0, piece, this.now);
    assertEquals(arrival, this.done.has(piece) ? "duplicate" : "wanted");
    this.done.add(piece);
  }

  /** Anything at all happens. */
  step(): void {
    const holders = [...this.has.keys()];
    const holder = holders[this.below(holders.length)];
    const event = this.random();
    this.now += this.below(500);
    if (holder === undefined || event < 0.05) return this.join();
    if (event < 0.1) return this.leave(holder);
    if (event < 0.3) return this.gain(holder);
    if (event < 0.65) return void this.take(holder);
    if (event < 0.7) {
      this.plan.release(holder, undefined, this.random() < 0.5);
      return this.asked.get(holder)!.clear();
    }
    this.deliver(holder);
  }

  /** All that are there send all that they are asked for. */
  finish(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const holder of this.has.keys()) {
        while (this.asked.get(holder)!.size > 0) this.deliver(holder);
        if (this.take(holder)) isBusy = true;
      }
    }
  }
}

holds(
  "Plan asks each holder of a swarm for the rarest piece that it has, nobody twice before the end, and reports which pieces are nowhere",
  [fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat({ max: 150 })],
  (pieceCount, seed, steps) => {
    const swarm = new Swarm(pieceCount, seed);
    for (let n = 0; n < steps && !swarm.plan.isDone; n++) swarm.step();
    swarm.finish();
    const lacking = Array.from({ length: pieceCount }, (_, piece) => piece)
      .filter((piece) => !swarm.done.has(piece));
    for (const has of swarm.has.values()) {
      assertEquals(lacking.filter((piece) => has.has(piece)), []);
    }
    assertEquals(swarm.plan.nowhere(0), lacking);
    assertEquals(swarm.plan.isDone, lacking.length === 0);
  },
);
