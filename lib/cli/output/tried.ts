/**
 * Explains a failed fetch: for each node, how far it got and why it failed.
 *
 * @module
 */

import type { ClientEvent, NodeAnswer } from "../../client/events.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import type { NodeTried, Stage } from "./cli_events.ts";
import { namesOn, type NodeNames } from "./node_names.ts";
import { formatBytes } from "../../base/units.ts";
import { formatRows } from "./tables.ts";
import type { Terminal } from "./terminal.ts";
import { worded } from "./remedies.ts";

const NOT_WHOLE = "could not deliver the whole file";
// A failure of the disk is not the fault of a node.
const OF_NODES: ReadonlySet<string> = new Set([
  "not_found",
  "undelivered",
  "corrupt",
]);
// If there are more rows, only their number is printed.
const MOST_ROWS = 40;
// If more files failed, the others are only counted.
const MOST_FILES = 20;

/** The facts about a node, for one file. */
interface TriedNode {
  readonly node: ListedNode;
  readonly startedAt: number;
  address: string;
  path: string | undefined;
  stage: Stage;
  cause: string;
  endedAt: number;
}

/** Collects these facts from the events of a fetch. */
export class Tried {
  readonly #now: () => number;
  #listedAt: number;
  /** Attempts by file, and by node id. */
  readonly #attempts = new Map<string, Map<string, TriedNode>>();
  /** The last trouble of each node, for any file. */
  readonly #trouble = new Map<
    string,
    { node: ListedNode; stage: Stage; cause: string; at: number }
  >();
  readonly #failed: NodeTried[] = [];
  #failedFiles = 0;
  /** Seconds since the relay started, if that was a moment ago. */
  #uptime: number | undefined;

  /** `now` is in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#listedAt = now();
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    switch (event.event) {
      case "nodes_listed":
        this.#listedAt = this.#now();
        this.#uptime = event.uptime;
        return;
      case "node_answered":
        return this.#answered(event);
      case "node_trouble": {
        const { node, kind, cause } = event;
        const stage = event.stage ?? (kind === "lied" ? "verify" : "transfer");
        this.#trouble.set(node.id, { node, stage, cause, at: this.#now() });
        return;
      }
      case "found_as":
      case "found_several":
      case "file_received":
        this.#attempts.delete(event.name);
        return;
      case "file_failed":
        return this.#fail(event);
    }
  }

  /** The failure with another remedy if nodes may still be returning. */
  explained<Cause>(error: Cause): Cause | Failure {
    const isEarly = error instanceof Failure && error.kind === "not_found" &&
      this.#uptime !== undefined;
    return isEarly
      ? new Failure(error.kind, {
        ...worded(error).parts,
        remedy:
          `the relay started ${this.#uptime} s ago, and some nodes may not ` +
          "have registered again yet: try again in half a minute",
        cause: error,
      })
      : error;
  }

  #answered(event: ClientEvent & { event: "node_answered" }): void {
    const { node, name, address, path, answer, ms } = event;
    const ofFile = this.#attempts.get(name) ?? new Map<string, TriedNode>();
    this.#attempts.set(name, ofFile);
    const now = this.#now();
    const before = ofFile.get(node.id);
    const hadIt = before?.stage === "transfer";
    ofFile.set(node.id, {
      node,
      startedAt: before?.startedAt ?? now - ms,
      address,
      path: path ?? before?.path,
      stage: stageOf(answer, hadIt),
      cause: causeOf(answer),
      endedAt: now,
    });
  }

  #fail(event: ClientEvent & { event: "file_failed" }): void {
    const { name, from, error } = event;
    if (!(error instanceof Failure) || !OF_NODES.has(error.kind)) return;
    const attempts = this.#attempts.get(name) ?? new Map<string, TriedNode>();
    this.#attempts.delete(name);
    if (++this.#failedFiles > MOST_FILES) return;
    const bytesOf = new Map(from.map(({ node, bytes }) => [node.id, bytes]));
    // For a pattern, no node was asked for the name itself.
    const isPattern = attempts.size === 0;
    for (const { node } of from) this.#add(attempts, node);
    for (const [id, { node, stage, cause, at }] of this.#trouble) {
      if (!attempts.has(id) && !isPattern) continue;
      this.#add(attempts, node);
      const attempt = attempts.get(id)!;
      if (attempt.stage !== "transfer") continue;
      attempt.stage = stage;
      attempt.cause = cause;
      attempt.endedAt = at;
    }
    for (const attempt of attempts.values()) {
      // All bytes arrived, but not the wanted content.
      const isWrong = error.kind === "corrupt" && bytesOf.has(attempt.node.id);
      if (!isWrong || attempt.cause !== NOT_WHOLE) continue;
      attempt.stage = "verify";
      attempt.cause = error.parts.why;
    }
    for (const attempt of [...attempts.values()].sort(byNumber)) {
      const { node, address, path, stage, cause } = attempt;
      this.#failed.push({
        event: "node_tried",
        name,
        node: { number: node.number, id: node.id, name: node.name },
        address,
        ...(path === undefined ? {} : { path }),
        stage,
        cause,
        bytes: bytesOf.get(node.id) ?? 0,
        ms: Math.round(attempt.endedAt - attempt.startedAt),
      });
    }
  }

  #add(attempts: Map<string, TriedNode>, node: ListedNode): void {
    if (attempts.has(node.id)) return;
    const [endpoint] = node.addresses;
    attempts.set(node.id, {
      node,
      startedAt: this.#listedAt,
      address: endpoint === undefined ? "" : formatEndpoint(endpoint),
      path: undefined,
      stage: "transfer",
      cause: NOT_WHOLE,
      endedAt: this.#now(),
    });
  }

  /**
   * Prints all failed files, once. With `isPrinted`, each answer was printed as
   * it arrived, so the rows are omitted.
   */
  print(terminal: Terminal, { isPrinted = false } = {}): void {
    const rows = this.#failed.splice(0);
    for (const row of rows) terminal.event(row);
    const isNew = rows.some(({ stage }) =>
      stage === "transfer" || stage === "verify"
    );
    if (rows.length === 0 || (isPrinted && !isNew)) return;
    const files = new Set(rows.map(({ name }) => name)).size;
    terminal.note(files === 1 ? "tried:" : "tried, by file:");
    const printed = rows.slice(0, MOST_ROWS);
    const names = namesOn(terminal);
    for (const line of formatTried(printed, { names, withFile: files > 1 })) {
      terminal.note(`  ${line}`);
    }
    if (rows.length > MOST_ROWS) {
      terminal.note(`  and ${rows.length - MOST_ROWS} more`);
    }
  }
}

function byNumber(a: TriedNode, b: TriedNode): number {
  return a.node.number - b.node.number;
}

/** How far a node with this answer got; `hadIt` says that it has the file. */
function stageOf(answer: NodeAnswer, hadIt: boolean): Stage {
  switch (answer.kind) {
    case "unreachable":
      return answer.stage;
    case "not_found":
    case "denied":
      return "ask";
    case "failed":
      return hadIt ? "transfer" : "ask";
    case "corrupt":
      return "verify";
    case "found":
      return "transfer";
  }
}

function causeOf(answer: NodeAnswer): string {
  switch (answer.kind) {
    case "found":
      return NOT_WHOLE;
    case "not_found":
      return "file not found";
    default:
      return answer.cause;
  }
}

/** A row for each node. */
function formatTried(
  rows: readonly NodeTried[],
  { names, withFile }: { names: NodeNames; withFile: boolean },
): string[] {
  return formatRows(rows.map(({ name, node, address, path, ...row }) => [
    ...(withFile ? [show(name)] : []),
    String(node.number),
    show(names.of(node)),
    show(address),
    path ?? "-",
    row.stage,
    row.cause,
    formatBytes(row.bytes),
    `${(row.ms / 1000).toFixed(2)} s`,
  ]));
}

const TRIED = new WeakMap<Terminal, Tried>();

/** Collects what was tried, and prints to `terminal`. */
export function triedOn(terminal: Terminal): Tried {
  const tried = TRIED.get(terminal) ?? new Tried();
  TRIED.set(terminal, tried);
  return tried;
}
