/**
 * Failures to find a file, with what each node said.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { NodeAnswer } from "../client/events.ts";
import type { PageNode } from "./page_model.ts";

/** A node, and why it did not list its files. */
export type NodeStatus = Pick<PageNode, "id" | "name" | "error">;

/** A failure, and what each node said about it. */
export class TriedFailure extends Failure {
  /** A line for each node, escaped. */
  readonly tried: readonly string[];
  /** Whether a node that might have the file could not be asked. */
  readonly isUnsure: boolean;

  constructor(
    { kind, parts }: Failure,
    { answers, nodes }: {
      /** The answers about the name, by node id. */
      readonly answers: ReadonlyMap<string, NodeAnswer>;
      /** All nodes that are listed. */
      readonly nodes: readonly NodeStatus[];
    },
  ) {
    super(kind, parts);
    const lines: string[] = [];
    let isUnsure = false;
    for (const { id, name, error } of nodes) {
      const answer = answers.get(id);
      // A node that did not list its files may have it.
      const cause = answer === undefined ? error : causeOf(answer);
      if (cause === undefined) continue;
      lines.push(`${show(name)}: ${cause}`);
      isUnsure ||= answer?.kind !== "not_found" && answer?.kind !== "found";
    }
    this.tried = lines;
    this.isUnsure = isUnsure;
  }
}

function causeOf(answer: NodeAnswer): string {
  switch (answer.kind) {
    case "not_found":
      return "file not found";
    case "found":
      return "it has the file";
    default:
      return answer.cause;
  }
}
