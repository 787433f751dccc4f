import { assert } from "@std/assert";
import { Plan } from "../../lib/transfer/plan.ts";
import type {
  PlannedFile,
  PlanOptions,
  Task,
} from "../../lib/transfer/plan_types.ts";

export const OPTIONS: PlanOptions = {
  openFileCount: 64,
  pieceFailureCount: 3,
  takeOverMs: 500,
  connectionQuietMs: 10_000,
};

export const PIECE_BYTES = 1_000;

/** A plan with one source for each holder: source `a1` of holder `a`. */
export function newPlan(
  sources: readonly string[],
  overrides: Partial<PlanOptions> = {},
): Plan {
  const plan = new Plan({ ...OPTIONS, ...overrides });
  for (const source of sources) plan.addSource(source, source.charAt(0), 0);
  return plan;
}

/** A file of `pieceCount` pieces that the holders named by `holders` have. */
export function file(
  holders: string | readonly string[],
  pieceCount: number,
  overrides: Partial<PlannedFile> = {},
): PlannedFile {
  return {
    pieceCount,
    pieceBytes: PIECE_BYTES,
    taskPieces: 4,
    holders,
    ...overrides,
  };
}

/** A task as `file:first-last`, which reads better where it differs. */
export function format(task: Task | undefined): string | undefined {
  return task && `${task.file}:${task.first}-${task.first + task.count - 1}`;
}

/** All tasks that the plan has for `source`. */
export function takeAll(plan: Plan, source: string, now = 0): string[] {
  const tasks: string[] = [];
  for (let task = plan.take(source, now); task; task = plan.take(source, now)) {
    tasks.push(format(task)!);
    assert(tasks.length < 1_000, `${source} is given tasks without end`);
  }
  return tasks;
}

/** All of a task arrives; what it was good for. */
export function deliver(
  plan: Plan,
  source: string,
  task: Task | undefined,
): string[] {
  assert(task !== undefined, `${source} has nothing to deliver`);
  return Array.from(
    { length: task.count },
    (_, at) => plan.arrived(source, task.file, task.first + at),
  );
}
