/**
 * The lists of the gateway as JSON, for the page's script and for programs.
 *
 * @module
 */

import { createSha256 } from "../base/hash.ts";
import { escapeJson } from "../base/text.ts";
import type { BodyStream, Field, HttpAnswer } from "../http/answer.ts";
import { isListed } from "../http/ranges.ts";
import type { RequestHead } from "../http/request.ts";
import type { Snapshot } from "./file_index.ts";
import type { Transfers } from "./transfers.ts";

/** Flags of a file: only one node has it, nodes have different contents. */
const FILE_FLAG = { only: 1, differs: 2 } as const;

const encoder = new TextEncoder();
// Parts of this many characters are written at once.
const PART_LENGTH = 64 * 1024;

function fieldsOf(type: string): Field[] {
  return [
    ["Content-Type", type],
    ["X-Content-Type-Options", "nosniff"],
    ["Cache-Control", "no-store"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
  ];
}

/** A value as JSON. */
export function jsonAnswer(value: unknown): HttpAnswer {
  const body = `${escapeJson(JSON.stringify(value))}\n`;
  return { status: 200, fields: fieldsOf("application/json"), body };
}

/** Texts, sent in large parts. */
function inParts(texts: () => Iterable<string>): BodyStream {
  return {
    *parts() {
      let part = "";
      for (const text of texts()) {
        part += text;
        if (part.length < PART_LENGTH) continue;
        yield encoder.encode(part);
        part = "";
      }
      yield encoder.encode(part);
    },
  };
}

/** Entity tags of lists, which take a moment for many files. */
const TAGS = new WeakMap<Snapshot, string>();

/** The entity tag of a list: two lists with the same files and nodes have one. */
function tagOf(snapshot: Snapshot, rows: () => Iterable<string>): string {
  const known = TAGS.get(snapshot);
  if (known !== undefined) return known;
  const hash = createSha256();
  for (const row of rows()) hash.update(encoder.encode(row));
  const tag = `W/"${hash.digest("hex").slice(0, 32)}"`;
  TAGS.set(snapshot, tag);
  return tag;
}

/**
 * `/api/files`: a row for each file, in the order of names. Not again for a
 * client that has the same list.
 */
export function filesAsJson(
  { headers }: Pick<RequestHead, "headers">,
  snapshot: Snapshot,
): HttpAnswer {
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
  const etag = tagOf(snapshot, function* () {
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
  return { status: 200, fields, body: inParts(texts) };
}

/** `/?json`: a line for each file, as `ls` prints them. */
export function listAsEvents({ files }: Snapshot): HttpAnswer {
  const texts = function* () {
    let count = 0;
    let bytes = 0;
    for (const { offers, ...file } of files) {
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
  return { status: 200, fields, body: inParts(texts) };
}

/** `/?simple`: the names of all files, a line each. */
export function listAsNames({ files }: Snapshot): HttpAnswer {
  const texts = function* () {
    for (const { name } of files.briefs()) yield `${name}\n`;
  };
  const fields = fieldsOf("text/plain; charset=utf-8");
  return { status: 200, fields, body: inParts(texts) };
}

/** `/api/nodes`. */
export function nodesAsJson({ nodes }: Snapshot): HttpAnswer {
  return jsonAnswer({ v: 1, nodes });
}

/** `/api/transfers`. */
export function transfersAsJson(transfers: Transfers): HttpAnswer {
  return jsonAnswer({ v: 1, nowMs: Date.now(), transfers: transfers.list() });
}
