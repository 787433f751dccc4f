/**
 * The failure of a list that some nodes did not send whole.
 *
 * @module
 */

import { Failure, type FailureParts } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { answerOf } from "./events.ts";
import { DENIAL_REMEDY } from "./failures.ts";
import { Stopped } from "./listing_clock.ts";
import type { ListedNode } from "./nodes.ts";

/** A node that was reached but did not list all of its files, and why. */
export interface IncompleteList {
  readonly node: ListedNode;
  readonly error: unknown;
}

/** Some nodes were reached but did not list all of their files. */
export function notListedWhole(
  incomplete: readonly IncompleteList[],
  { pattern, nodes, mayBeUnsorted = false }: {
    pattern?: string | undefined;
    nodes: readonly ListedNode[];
    /** Whether the user may ask for a list of any length, unsorted. */
    mayBeUnsorted?: boolean;
  },
): Failure {
  const [first] = incomplete;
  const which = incomplete.length === 1 && first !== undefined
    ? `the list of ${show(first.node.name)} is`
    : `the lists of ${incomplete.length} of ${nodes.length} nodes are`;
  const { cause, ...remedy } = remedyFor(incomplete, mayBeUnsorted);
  return new Failure("undelivered", {
    what: "Cannot list all files",
    ...(pattern === undefined ? {} : { where: show(pattern) }),
    why: `${which} not complete${cause === undefined ? "" : ` (${cause})`}`,
    ...remedy,
  });
}

/** What to do, and why if that is not plain. A refusal comes first. */
function remedyFor(
  incomplete: readonly IncompleteList[],
  mayBeUnsorted: boolean,
): Pick<FailureParts, "remedy" | "remedyCode"> & { cause?: string } {
  for (const { error } of incomplete) {
    const answer = answerOf(error);
    if (answer.kind !== "denied") continue;
    return {
      cause: answer.cause,
      remedy: DENIAL_REMEDY[answer.code] ?? "ask the person who runs the relay",
    };
  }
  if (!incomplete.some(({ error }) => error instanceof Stopped)) {
    const [first] = incomplete;
    return {
      ...first && { cause: answerOf(first.error).cause },
      remedy: "run again",
    };
  }
  return mayBeUnsorted
    ? { remedyCode: "list_in_parts" }
    : { remedy: "take one folder at a time, such as 'photos/'" };
}
