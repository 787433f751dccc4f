import { assert, assertEquals } from "@std/assert";
import { Plan } from "../../lib/transfer/plan.ts";
import type {
  PlannedFile,
  PlanOptions,
  Task,
} from "../../lib/transfer/plan_types.ts";
import { seededRandom } from "../_random.ts";
import { file, format, OPTIONS, PIECE_BYTES } from "./_plan.ts";

/** A file as the model of a random run sees it. */
interface ModelFile {
  readonly planned: PlannedFile;
  readonly holders: Set<string>;
  readonly done: Set<number>;
  /** The holder of each failure, by piece. */
  readonly failed: string[][];
  consumed: number;
  touched: boolean;
  ended: boolean;
}

interface ModelSource {
  readonly id: string;
  readonly holder: string;
  readonly msPerPiece: number;
  readonly asked: { file: number; piece: number }[];
  out: boolean;
}

/** A random plan beside a simple model of it, and the world that it is for. */
class Run {
  readonly #random: () => number;
  readonly #options: PlanOptions;
  readonly #failing: number;
  #steps = 0;
  readonly plan: Plan;
  readonly files: ModelFile[] = [];
  readonly sources: ModelSource[] = [];
  takenOver = 0;
  #now = 0;

  /** Things fail for the first `failing` steps, and no more after that. */
  constructor(seed: number, { failing }: { failing: number }) {
    this.#random = seededRandom(seed);
    this.#failing = failing;
    this.#options = {
      openFileCount: 1 + this.#below(3),
      pieceFailureCount: 2 + this.#below(4),
      takeOverMs: 100,
      connectionQuietMs: 200,
    };
    this.plan = new Plan(this.#options);
    const holders = [..."abcd"].slice(0, 1 + this.#below(4));
    for (let n = this.#below(10); n >= 0; n--) this.#addFile(holders);
    for (const holder of holders) {
      for (let n = this.#below(3); n >= 0; n--) this.#addSource(holder, n);
    }
  }

  #below(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #addFile(holders: readonly string[]): void {
    const pieceCount = this.#below(20);
    const some = holders.filter(() => this.#random() < 0.7);
    const lookahead = this.#random() < 0.3 ? 1 + this.#below(6) : undefined;
    // What is consumed in order is there up to a point, or in parts.
    const have = Array.from({ length: pieceCount }, (_, piece) => piece)
      .filter((piece) =>
        lookahead === undefined ? this.#random() < 0.2 : piece < pieceCount / 3
      );
    const planned = {
      ...file(some.join(""), pieceCount, { have }),
      taskPieces: 1 + this.#below(5),
      ...(lookahead === undefined ? {} : { lookahead }),
    };
    assertEquals(this.plan.addFile(planned), this.files.length);
    this.files.push({
      planned,
      holders: new Set(some),
      done: new Set(have),
      failed: Array.from({ length: pieceCount }, () => []),
      consumed: lookahead === undefined ? 0 : have.length,
      touched: false,
      ended: have.length === pieceCount,
    });
  }

  #addSource(holder: string, n: number): void {
    const id = `${holder}${n}`;
    const msPerPiece = this.#random() < 0.3 ? 500 : 1 + this.#below(10);
    this.sources.push({ id, holder, msPerPiece, asked: [], out: false });
    this.plan.addSource(id, holder, this.#now);
  }

  /** Takes random steps until all is done; fails where it does not come to that. */
  toEnd(): void {
    for (; !this.plan.isDone; this.#steps++) {
      // A stall is no excuse: by now nothing has failed for long.
      assert(this.#steps < 10_000, "it does not come to an end");
      const source = this.sources[this.#below(this.sources.length)]!;
      this.#now += this.#below(20);
      this.#step(source);
      for (const index of this.plan.orphans()) this.#orphan(index);
      this.#check();
    }
    assert(this.files.every(({ ended }) => ended));
  }

  #step(source: ModelSource): void {
    const luck = this.#random();
    if (luck < 0.3) this.#take(source);
    else if (luck < 0.9 || this.#steps >= this.#failing) this.#deliver(source);
    else this.#fail(source);
    this.#consume();
  }

  #take(source: ModelSource): void {
    const task = this.plan.take(source.id, this.#now);
    if (task === undefined) return;
    assert(!source.out, "a source that is out was asked");
    const state = this.files[task.file]!;
    const { planned } = state;
    const end = task.first + task.count;
    assert(!state.ended, "a file that has ended was asked for");
    assert(state.holders.has(source.holder), "asked who does not have it");
    assert(task.count >= 1 && task.count <= planned.taskPieces);
    assert(task.first >= 0 && end <= planned.pieceCount);
    assert(end <= state.consumed + (planned.lookahead ?? Infinity));
    state.touched = true;
    for (let piece = task.first; piece < end; piece++) {
      assert(!state.done.has(piece), `piece ${piece} is there already`);
      const others = this.#askedOf(task.file, piece);
      assert(!others.includes(source), "asked for what it was asked for");
      assert(others.length <= 1, "asked of more than two");
      this.takenOver += others.length;
      source.asked.push({ file: task.file, piece });
    }
  }

  #askedOf(file: number, piece: number): ModelSource[] {
    return this.sources.filter(({ asked }) =>
      asked.some((one) => one.file === file && one.piece === piece)
    );
  }

  #deliver(source: ModelSource): void {
    // Answers come in the order of the requests, as on one connection.
    const next = source.asked[0];
    if (next === undefined || this.#random() * source.msPerPiece > 20) return;
    source.asked.shift();
    const { file, piece } = next;
    this.#now += source.msPerPiece / 10;
    this.plan.noteBytes(source.id, PIECE_BYTES, this.#now);
    const state = this.files[file]!;
    const isWanted = !state.ended && !state.done.has(piece);
    const arrival = this.plan.arrived(source.id, file, piece);
    assertEquals(arrival, isWanted ? "wanted" : "duplicate");
    if (!isWanted) return;
    state.done.add(piece);
    if (state.done.size === state.planned.pieceCount) state.ended = true;
  }

  /** A connection breaks, or a file is lost, or a source is out for good. */
  #fail(source: ModelSource): void {
    const luck = this.#random();
    const lost = source.asked[0];
    if (luck < 0.2) {
      source.out = true;
      this.#released(source, source.asked.splice(0), this.plan.drop(source.id));
    } else if (luck < 0.5 && lost !== undefined) {
      const { file, piece } = lost;
      this.files[file]!.holders.delete(source.holder);
      this.plan.removeHolder(file, source.holder);
      source.asked.shift();
      const only = { file, first: piece, count: 1 };
      this.#released(source, [lost], this.plan.release(source.id, only));
    } else {
      this.#released(
        source,
        source.asked.splice(0),
        this.plan.release(source.id),
      );
    }
  }

  /** Judges which files were given up for what was taken back. */
  #released(
    source: ModelSource,
    pieces: readonly { file: number; piece: number }[],
    givenUp: readonly number[],
  ): void {
    const expected = new Set<number>();
    for (const { file, piece } of pieces) {
      const state = this.files[file]!;
      if (state.ended || state.done.has(piece)) continue;
      const failed = state.failed[piece]!;
      failed.push(source.holder);
      const isHopeless = failed.length >= this.#options.pieceFailureCount &&
        this.sources.every(({ holder, out }) =>
          out || !state.holders.has(holder) || failed.includes(holder)
        );
      if (!isHopeless || this.#askedOf(file, piece).length > 0) continue;
      state.ended = true;
      expected.add(file);
    }
    assertEquals([...givenUp].sort(), [...expected].sort());
  }

  #consume(): void {
    for (const [index, state] of this.files.entries()) {
      if (state.planned.lookahead === undefined) continue;
      while (state.done.has(state.consumed)) state.consumed++;
      this.plan.consumed(index, state.consumed);
    }
  }

  #orphan(index: number): void {
    const state = this.files[index]!;
    const isAlive = this.sources.some(({ holder, out }) =>
      !out && state.holders.has(holder)
    );
    assert(!isAlive && !state.ended, `file ${index} is no orphan`);
    state.ended = true;
    this.plan.giveUp(index);
  }

  #check(): void {
    for (const [index, { planned, done }] of this.files.entries()) {
      const missing = planned.pieceCount - done.size;
      assertEquals(this.plan.isComplete(index), missing === 0);
    }
    for (const { id, asked } of this.sources) {
      assertEquals(this.plan.askedCount(id), asked.length);
    }
    const open = this.files.filter(({ touched, ended }) => touched && !ended);
    assert(open.length <= this.#options.openFileCount, "too many files open");
  }
}

Deno.test("Plan ends with every file complete or given up, for any failures", () => {
  let complete = 0, givenUp = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const run = new Run(seed, { failing: seed });
    run.toEnd();
    for (const { done, planned } of run.files) {
      if (done.size === planned.pieceCount) complete++;
      else givenUp++;
    }
  }
  // Else the runs show less than they seem to.
  assert(complete > 300 && givenUp > 300, `${complete} and ${givenUp}`);
});

Deno.test("Plan completes every file that somebody has if nothing fails", () => {
  let takenOver = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const run = new Run(seed, { failing: 0 });
    run.toEnd();
    for (const { done, planned, holders } of run.files) {
      if (holders.size > 0) assertEquals(done.size, planned.pieceCount);
    }
    takenOver += run.takenOver;
  }
  assert(takenOver > 100, `only ${takenOver} pieces were taken over`);
});

Deno.test("Plan looks at no more than 40 items a piece, with 100,000 files that one of 16 sources has", () => {
  const ids = Array.from({ length: 16 }, (_, n) => `${n}`);
  const plan = new Plan(OPTIONS);
  for (const id of ids) plan.addSource(id, id, 0);
  const count = 100_000;
  for (let n = 0; n < count; n++) plan.addFile(file(["7"], 1));
  const asked: Task[] = [];
  let now = 0;
  for (let arrived = 0; arrived < count; arrived++) {
    now += 0.25;
    // All that are idle look for what is missing; now and then at the others.
    const isLook = arrived % 1_000 === 0;
    for (const id of ids) {
      while (id !== "7" || asked.length < 48) {
        const task = plan.take(id, now, isLook);
        if (task === undefined) break;
        asked.push(task);
      }
    }
    const task = asked.shift()!;
    assertEquals(plan.arrived("7", task.file, task.first), "wanted");
  }
  assertEquals(plan.isDone, true);
  assert(plan.stepCount <= 40 * count, `${plan.stepCount / count} a piece`);
});

Deno.test("Plan looks at no more than 40 items a piece if all of 16 sources have every file", () => {
  const ids = Array.from({ length: 16 }, (_, n) => `${n}`);
  const plan = new Plan(OPTIONS);
  for (const id of ids) plan.addSource(id, id, 0);
  const random = seededRandom(145);
  const count = 20_000;
  for (let n = 0; n < count; n++) plan.addFile(file(ids, 1));
  let arrived = 0;
  for (let now = 0; arrived < count; now++) {
    const id = ids[Math.floor(random() * ids.length)]!;
    const task = plan.take(id, now, false);
    if (task === undefined) continue;
    // Some break off, and what they were asked for is missing again.
    if (random() < 0.05) plan.release(id, task, false);
    else {
      assertEquals(plan.arrived(id, task.file, task.first), "wanted");
      arrived++;
    }
  }
  assertEquals(plan.isDone, true);
  assert(plan.stepCount <= 40 * count, `${plan.stepCount / count} a piece`);
});

Deno.test("Plan gives a quick source longer tasks if allowed, up to its limit", () => {
  const plan = new Plan(OPTIONS);
  const longTasks = { mostBytes: 16 * PIECE_BYTES, mostMs: 100 };
  plan.addSource("lane", "a", 0, longTasks);
  plan.addSource("other", "a", 0);
  plan.addFile(file("a", 200));
  assertEquals(format(plan.take("lane", 0)), "0:0-3", "its rate is not known");
  plan.noteBytes("lane", 8 * PIECE_BYTES, 100);
  assertEquals(format(plan.take("lane", 100)), "0:4-11", "100 ms at its rate");
  plan.noteBytes("lane", 1_000 * PIECE_BYTES, 200);
  assertEquals(format(plan.take("lane", 200)), "0:12-27", "the most");
  plan.noteBytes("other", 1_000 * PIECE_BYTES, 200);
  assertEquals(format(plan.take("other", 200)), "0:28-31");
  plan.noteBytes("lane", 1, 60_000);
  assertEquals(format(plan.take("lane", 60_000)), "0:32-35", "it became slow");
});
