/**
 * The plan of a fetch beside a plain table of who was asked for which piece:
 * in whatever order sources take, deliver, fail, come and go, the plan gives
 * nobody what is not to be given, and gets everything that can be had.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Plan } from "../../lib/transfer/plan.ts";
import type { PlanOptions, Task } from "../../lib/transfer/plan_types.ts";
import { holds } from "./_runs.ts";

const HOLDERS = ["a", "b", "c"];
// Two connections to each holder.
const SOURCES = HOLDERS.flatMap((holder) => [`${holder}1`, `${holder}2`]);

interface Piece {
  done: boolean;
  /** The holder of each failure. */
  failed: string[];
  /** Sources that have been asked for it and have not answered. */
  readonly asked: Set<string>;
}

interface FileRow {
  readonly pieces: Piece[];
  readonly holders: Set<string>;
  readonly taskPieces: number;
  readonly lookahead: number | undefined;
  consumed: number;
  /** Somebody has been asked for a part of it. */
  isOpen: boolean;
  /** Complete, or given up. */
  hasEnded: boolean;
}

class Table {
  readonly options: PlanOptions;
  readonly files: FileRow[] = [];
  readonly sources = new Set<string>();
  readonly out = new Set<string>();
  now = 0;

  constructor(options: PlanOptions) {
    this.options = options;
  }

  isMissing(piece: Piece): boolean {
    return !piece.done && piece.asked.size === 0;
  }

  left(file: FileRow): number {
    return file.pieces.filter(({ done }) => !done).length;
  }

  get openCount(): number {
    return this.files.filter(({ isOpen, hasEnded }) => isOpen && !hasEnded)
      .length;
  }

  askedOf(source: string): number {
    return this.files.flatMap(({ pieces }) => pieces)
      .filter(({ asked }) => asked.has(source)).length;
  }

  /** Whether there is something missing that `source` may be asked for. */
  hasWorkFor(source: string): boolean {
    if (this.out.has(source) || !this.sources.has(source)) return false;
    const mayOpen = this.openCount < this.options.openFileCount;
    return this.files.some((file) =>
      !file.hasEnded && file.holders.has(holderOf(source)) &&
      (file.isOpen || mayOpen) &&
      file.pieces.slice(0, this.end(file)).some((one) => this.isMissing(one))
    );
  }

  /** Pieces from here on must wait until others have been consumed. */
  end({ consumed, lookahead = Infinity }: FileRow): number {
    return consumed + lookahead;
  }

  /** Takes a piece back; whether its file is given up for it. */
  giveBack(
    file: FileRow,
    piece: Piece,
    { source, isFailure }: { source: string; isFailure: boolean },
  ): boolean {
    piece.asked.delete(source);
    if (piece.done || file.hasEnded) return false;
    if (isFailure) piece.failed.push(holderOf(source));
    if (piece.asked.size > 0) return false; // another may still deliver it
    if (piece.failed.length < this.options.pieceFailureCount) return false;
    const left = [...this.sources].filter((one) =>
      !this.out.has(one) && file.holders.has(holderOf(one))
    );
    if (!left.every((one) => piece.failed.includes(holderOf(one)))) {
      return false;
    }
    file.hasEnded = true;
    return true;
  }
}

function holderOf(source: string): string {
  return source.charAt(0);
}

/** How many pieces are there from the first on. */
function start(pieces: readonly Piece[]): number {
  const first = pieces.findIndex(({ done }) => !done);
  return first < 0 ? pieces.length : first;
}

/** Something that happens to both; each says afterwards what it holds. */
abstract class Step<Options> implements fc.Command<Table, Plan> {
  constructor(readonly options: Options) {}

  check(): boolean {
    return true;
  }

  run(table: Table, plan: Plan): void {
    this.happen(table, plan);
    assertSame(table, plan);
  }

  abstract happen(table: Table, plan: Plan): void;

  toString(): string {
    return `${this.constructor.name}(${JSON.stringify(this.options)})`;
  }
}

function assertSame(table: Table, plan: Plan): void {
  assertEquals(plan.isDone, table.files.every(({ hasEnded }) => hasEnded));
  for (const [index, file] of table.files.entries()) {
    assertEquals(plan.isComplete(index), table.left(file) === 0);
  }
  for (const source of table.sources) {
    assertEquals(plan.askedCount(source), table.askedOf(source));
    assertEquals(plan.isOut(source), table.out.has(source));
  }
  const alive = new Set(
    [...table.sources].filter((id) => !table.out.has(id)).map(holderOf),
  );
  const orphans = table.files.flatMap((file, index) =>
    file.hasEnded || [...file.holders].some((id) => alive.has(id))
      ? []
      : [index]
  );
  assertEquals(plan.orphans(), orphans);
}

/** Makes sure that a task may be given, and notes it. */
function assertFair(table: Table, source: string, task: Task): void {
  const file = table.files[task.file];
  assert(file !== undefined && !file.hasEnded, "its file is wanted");
  assert(file.holders.has(holderOf(source)), "its holder has the file");
  assert(!table.out.has(source), "it takes part");
  if (!file.isOpen) {
    assert(table.openCount < table.options.openFileCount, "not too many files");
  }
  file.isOpen = true;
  assert(task.count >= 1 && task.count <= file.taskPieces);
  assert(task.first >= 0 && task.first + task.count <= file.pieces.length);
  const wasIdle = table.askedOf(source) === 0;
  const pieces = file.pieces.slice(task.first, task.first + task.count);
  const isTakeOver = !table.isMissing(pieces[0]!);
  if (isTakeOver) {
    assertEquals(task.count, 1, "one piece is taken over at a time");
    assertEquals(pieces[0]!.asked.size, 1, "no third is asked");
    assert(!pieces[0]!.asked.has(source), "not from itself");
    assert(!pieces[0]!.done, "and not what is there");
    assert(wasIdle, "only who has no work takes over");
  } else {
    assert(pieces.every((piece) => table.isMissing(piece)));
    assert(task.first + task.count <= table.end(file), "not too far ahead");
    const front = file.pieces.findIndex((piece) => table.isMissing(piece));
    assertEquals(task.first, front, "from the front");
  }
  for (const piece of pieces) piece.asked.add(source);
}

class AddFile extends Step<
  {
    pieceCount: number;
    taskPieces: number;
    holders: readonly string[];
    have: readonly number[];
    lookahead: number | undefined;
  }
> {
  happen(table: Table, plan: Plan): void {
    const { pieceCount, taskPieces, holders, have, lookahead } = this.options;
    const there = new Set(have.filter((piece) => piece < pieceCount));
    const pieces = Array.from({ length: pieceCount }, (_, at) => ({
      done: there.has(at),
      failed: [],
      asked: new Set<string>(),
    }));
    const index = plan.addFile({
      pieceCount,
      pieceBytes: 1_000,
      taskPieces,
      holders,
      have: there,
      ...(lookahead === undefined ? {} : { lookahead }),
    });
    assertEquals(index, table.files.length);
    table.files.push({
      pieces,
      holders: new Set(holders),
      taskPieces,
      lookahead,
      consumed: start(pieces),
      isOpen: false,
      hasEnded: there.size === pieceCount,
    });
  }
}

class AddSource extends Step<{ source: string }> {
  happen(table: Table, plan: Plan): void {
    const { source } = this.options;
    plan.addSource(source, holderOf(source), table.now);
    table.sources.add(source);
  }
}

class Take extends Step<{ source: string }> {
  happen(table: Table, plan: Plan): void {
    const { source } = this.options;
    const task = plan.take(source, table.now);
    if (task !== undefined) assertFair(table, source, task);
    else {assert(
        !table.hasWorkFor(source),
        "nobody idles beside missing pieces",
      );}
  }
}

class Arrive extends Step<{ source: string; file: number; piece: number }> {
  happen(table: Table, plan: Plan): void {
    const { source, file: index, piece: at } = this.options;
    const file = table.files[index];
    const piece = file?.pieces[at];
    const isAsked = piece?.asked.delete(source) ?? false;
    const arrival = plan.arrived(source, index, at);
    if (file === undefined || piece === undefined || !isAsked) {
      assertEquals(arrival, "unsolicited");
    } else if (piece.done || file.hasEnded) assertEquals(arrival, "duplicate");
    else {
      assertEquals(arrival, "wanted");
      piece.done = true;
      file.hasEnded = table.left(file) === 0;
    }
  }
}

/** The first thing that a source was asked for arrives. */
class Deliver extends Step<{ source: string; bytes: number }> {
  happen(table: Table, plan: Plan): void {
    const { source, bytes } = this.options;
    plan.noteBytes(source, bytes, table.now);
    for (const [index, file] of table.files.entries()) {
      const at = file.pieces.findIndex(({ asked }) => asked.has(source));
      if (at < 0) continue;
      new Arrive({ source, file: index, piece: at }).happen(table, plan);
      return;
    }
  }
}

class Consume extends Step<{ file: number; ahead: number }> {
  happen(table: Table, plan: Plan): void {
    const { file: index, ahead } = this.options;
    const file = table.files[index];
    if (file === undefined) return;
    // As a reader does: in order, and no further than what is there.
    file.consumed = Math.max(
      file.consumed,
      Math.min(start(file.pieces), ahead),
    );
    plan.consumed(index, file.consumed);
  }
}

class Release extends Step<
  { source: string; task: Task | undefined; isFailure: boolean }
> {
  happen(table: Table, plan: Plan): void {
    const { source, task, isFailure } = this.options;
    const givenUp = plan.release(source, task, isFailure);
    assertEquals(givenUp.toSorted(), takeBack(table, this.options));
  }
}

/** Takes back what a source was asked for; the files given up for it. */
function takeBack(
  table: Table,
  { source, task: only, isFailure }: Release["options"],
): number[] {
  const givenUp = new Set<number>();
  for (const [index, file] of table.files.entries()) {
    if (only !== undefined && only.file !== index) continue;
    for (const [at, piece] of file.pieces.entries()) {
      const isMeant = only === undefined ||
        (at >= only.first && at < only.first + only.count);
      if (!isMeant || !piece.asked.has(source)) continue;
      if (table.giveBack(file, piece, { source, isFailure })) {
        givenUp.add(index);
      }
    }
  }
  return [...givenUp].toSorted();
}

class DropSource extends Step<{ source: string }> {
  happen(table: Table, plan: Plan): void {
    const { source } = this.options;
    const givenUp = plan.drop(source);
    if (table.sources.has(source)) table.out.add(source);
    assertEquals(
      givenUp.toSorted(),
      takeBack(table, { source, task: undefined, isFailure: true }),
    );
  }
}

class ChangeHolder extends Step<
  { file: number; holder: string; has: boolean }
> {
  happen(table: Table, plan: Plan): void {
    const { file, holder, has } = this.options;
    if (has) plan.addHolder(file, holder);
    else plan.removeHolder(file, holder);
    const holders = table.files[file]?.holders;
    if (has) holders?.add(holder);
    else holders?.delete(holder);
  }
}

class GiveUp extends Step<{ file: number }> {
  happen(table: Table, plan: Plan): void {
    plan.giveUp(this.options.file);
    const file = table.files[this.options.file];
    if (file !== undefined) file.hasEnded = true;
  }
}

class Wait extends Step<{ ms: number }> {
  happen(table: Table): void {
    table.now += this.options.ms;
  }
}

const source = fc.constantFrom(...SOURCES);
const file = fc.nat({ max: 5 });
const piece = fc.nat({ max: 12 });
const task = fc.record({ file, first: piece, count: fc.nat({ max: 5 }) });

const addFile = fc.record({
  pieceCount: fc.integer({ min: 0, max: 12 }),
  taskPieces: fc.integer({ min: 1, max: 4 }),
  holders: fc.subarray(HOLDERS),
  have: fc.array(piece, { maxLength: 4 }),
  lookahead: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
}).map((options) => new AddFile(options));
const addSource = fc.record({ source }).map((options) =>
  new AddSource(options)
);

const STEPS: fc.Arbitrary<fc.Command<Table, Plan>>[] = [
  addFile,
  addSource,
  addSource,
  ...Array<fc.Arbitrary<Take>>(4).fill(
    fc.record({ source }).map((options) => new Take(options)),
  ),
  ...Array<fc.Arbitrary<Deliver>>(3).fill(
    fc.record({ source, bytes: fc.nat({ max: 2_000 }) })
      .map((options) => new Deliver(options)),
  ),
  fc.record({ source, file, piece }).map((options) => new Arrive(options)),
  fc.record({ file, ahead: piece }).map((options) => new Consume(options)),
  fc.record({
    source,
    task: fc.option(task, { nil: undefined }),
    isFailure: fc.boolean(),
  }).map((options) => new Release(options)),
  fc.record({ source }).map((options) => new DropSource(options)),
  fc.record({ file, holder: fc.constantFrom(...HOLDERS), has: fc.boolean() })
    .map((options) => new ChangeHolder(options)),
  fc.record({ file }).map((options) => new GiveUp(options)),
  fc.record({ ms: fc.constantFrom(0, 1, 100, 499, 500, 5_000) })
    .map((options) => new Wait(options)),
];

const options = fc.record({
  openFileCount: fc.integer({ min: 1, max: 4 }),
  pieceFailureCount: fc.integer({ min: 1, max: 4 }),
  takeOverMs: fc.constant(500),
  connectionQuietMs: fc.constant(1_000),
});

/**
 * From now on all who are left deliver all that they are asked for, and what
 * nobody is left for is given up, as a download does it.
 */
function finish(table: Table, plan: Plan): void {
  for (let isBusy = true; isBusy;) {
    isBusy = false;
    for (const file of plan.orphans()) new GiveUp({ file }).run(table, plan);
    for (const source of table.sources) {
      for (const file of table.files.keys()) {
        new Consume({ file, ahead: Infinity }).run(table, plan);
      }
      while (table.askedOf(source) > 0) {
        new Deliver({ source, bytes: 1_000 }).run(table, plan);
        isBusy = true;
      }
      const task = plan.take(source, table.now);
      if (task === undefined) continue;
      isBusy = true;
      assertFair(table, source, task);
    }
  }
  assert(plan.isDone, "what can be had is there");
}

holds(
  "Plan gives nobody what is not to be given, and gets all that can be had",
  [options, fc.commands(STEPS, { maxCommands: 80, size: "max" })],
  (options, steps) => {
    const plan = new Plan(options);
    const table = new Table(options);
    fc.modelRun(() => ({ model: table, real: plan }), steps);
    finish(table, plan);
  },
);
