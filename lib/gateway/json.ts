/**
 * The lists of the gateway as JSON, for the page's script and for programs.
 *
 * @module
 */

import { escapeJson } from "../base/text.ts";
import type { BodyStream, Field, HttpAnswer } from "../http/answer.ts";
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

/** `/api/files`: a row for each file, in the order of names. */
export function filesAsJson(snapshot: Snapshot): HttpAnswer {
  const { files, nodes, complete, at } = snapshot;
  const indexes = new Map(nodes.map(({ id }, index) => [id, index]));
  const head = {
    v: 1,
    complete,
    ageMs: Math.round(performance.now() - at),
    nodes: nodes.map(({ id, name }) => ({ id, name })),
  };
  const texts = function* () {
    yield `${escapeJson(JSON.stringify(head)).slice(0, -1)},"files":[`;
    let comma = "\n";
    for (const { name, size, modifiedMs, nodes, differs } of files.briefs()) {
      const at = nodes.map((id) => indexes.get(id) ?? -1);
      const flags = (nodes.length === 1 ? FILE_FLAG.only : 0) |
        (differs ? FILE_FLAG.differs : 0);
      const row = JSON.stringify([name, size, modifiedMs, at, flags]);
      yield comma + escapeJson(row);
      comma = ",\n";
    }
    yield "\n]}\n";
  };
  const fields = fieldsOf("application/json");
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

/** `/api/nodes`. */
export function nodesAsJson({ nodes }: Snapshot): HttpAnswer {
  return jsonAnswer({ v: 1, nodes });
}

/** `/api/transfers`. */
export function transfersAsJson(transfers: Transfers): HttpAnswer {
  return jsonAnswer({ v: 1, nowMs: Date.now(), transfers: transfers.list() });
}
