/**
 * The lists of the gateway as JSON, for the page's script and for programs.
 *
 * @module
 */

import { createSha256 } from "../base/hash.ts";
import { escapeJson } from "../base/text.ts";
import type { Field, HttpAnswer } from "../http/answer.ts";
import { isListed } from "../http/ranges.ts";
import type { RequestHead } from "../http/request.ts";
import type { Snapshot } from "./file_index.ts";
import { inParts, type SnapshotToSend } from "./list_readers.ts";
import type { Transfers } from "./transfers.ts";

/** Flags of a file: only one node has it, nodes have different contents. */
const FILE_FLAG = { only: 1, differs: 2 } as const;

function fieldsOf(type: string): Field[] {
  return [
    ["Content-Type", type],
    ["Cache-Control", "no-store"],
  ];
}

/** A value as JSON. */
export function jsonAnswer(value: unknown): HttpAnswer {
  const body = `${escapeJson(JSON.stringify(value))}\n`;
  return { status: 200, fields: fieldsOf("application/json"), body };
}

/** Entity tags of lists, which take a moment for many files. */
const TAGS = new WeakMap<Snapshot, Promise<string>>();

/** The entity tag of a list: two lists with the same files and nodes have one. */
function tagOf(
  snapshot: Snapshot,
  rows: () => Iterable<string>,
): Promise<string> {
  const known = TAGS.get(snapshot) ?? hashed(rows());
  TAGS.set(snapshot, known);
  return known;
}

async function hashed(rows: Iterable<string>): Promise<string> {
  const hash = createSha256();
  for await (const part of inParts(rows)) hash.update(part);
  return `W/"${hash.digest("hex").slice(0, 32)}"`;
}

/**
 * `/api/files`: a row for each file, in the order of names. Not again for a
 * client that has the same list.
 */
export async function filesAsJson(
  { headers }: Pick<RequestHead, "headers">,
  { snapshot, readers }: SnapshotToSend,
): Promise<HttpAnswer> {
  const { files, nodes, complete, at, problem } = snapshot;
  const indexes = new Map(nodes.map(({ id }, index) => [id, index]));
  const head = {
    v: 1,
    complete,
    ageMs: Math.round(performance.now() - at),
    ...problem === undefined ? {} : { problem },
    nodes: nodes.map(({ id, name }) => ({ id, name })),
  };
  const rows = function* () {
    let comma = "\n";
    for (const { name, size, modifiedMs, nodes, differs } of files.briefs()) {
      const at = nodes.map((id) => indexes.get(id) ?? -1);
      const flags = (nodes.length === 1 ? FILE_FLAG.only : 0) |
        (differs ? FILE_FLAG.differs : 0);
      const row = JSON.stringify([name, size, modifiedMs, at, flags]);
      yield comma + escapeJson(row);
      comma = ",\n";
    }
  };
  const etag = await tagOf(snapshot, function* () {
    yield JSON.stringify({ ...head, ageMs: 0 });
    yield* rows();
  });
  const fields: Field[] = [...fieldsOf("application/json"), ["ETag", etag]];
  const known = headers.get("if-none-match");
  if (known !== undefined && isListed(known, etag)) {
    return { status: 304, fields };
  }
  const texts = function* () {
    yield `${escapeJson(JSON.stringify(head)).slice(0, -1)},"files":[`;
    yield* rows();
    yield "\n]}\n";
  };
  return { status: 200, fields, body: readers.bodyOf(snapshot, texts) };
}

/** `/?json`: a line for each file, as `ls` prints them. */
export function listAsEvents(
  { snapshot, readers }: SnapshotToSend,
): HttpAnswer {
  const texts = function* () {
    let count = 0;
    let bytes = 0;
    for (const { offers, ...file } of snapshot.files) {
      count++;
      bytes += file.size;
      const nodes = offers.map(({ node }) => node);
      const event = { event: "file", ...file, nodes };
      yield `${escapeJson(JSON.stringify(event))}\n`;
    }
    if (count > 0) {
      const event = { event: "files_listed", files: count, bytes };
      yield `${JSON.stringify(event)}\n`;
    }
  };
  const fields = fieldsOf("application/x-ndjson");
  return { status: 200, fields, body: readers.bodyOf(snapshot, texts) };
}

/** `/?simple`: the names of all files, a line each. */
export function listAsNames(
  { snapshot, readers }: SnapshotToSend,
): HttpAnswer {
  const texts = function* () {
    for (const { name } of snapshot.files.briefs()) yield `${name}\n`;
  };
  const fields = fieldsOf("text/plain; charset=utf-8");
  return { status: 200, fields, body: readers.bodyOf(snapshot, texts) };
}

/** `/api/nodes`. */
export function nodesAsJson({ nodes }: Snapshot): HttpAnswer {
  return jsonAnswer({ v: 1, nodes });
}

/** `/api/transfers`. */
export function transfersAsJson(transfers: Transfers): HttpAnswer {
  return jsonAnswer({ v: 1, nowMs: Date.now(), transfers: transfers.list() });
}
