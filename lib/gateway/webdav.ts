/**
 * The files as WebDAV, read-only: class 1 of RFC 4918, for `PROPFIND` of depth 0
 * and 1. Enough to list, to copy from and to mount.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { Field, HttpAnswer } from "../http/answer.ts";
import { plainAnswer } from "../http/answer.ts";
import { typeOf } from "../http/content_types.ts";
import { httpDate } from "../http/dates.ts";
import type { WebRequest } from "../http/web_types.ts";
import { encodeSegment, type FileIndex } from "./file_index.ts";
import type { Gateway } from "./gateway.ts";
import type { SnapshotToSend } from "./list_readers.ts";

/** The header fields that say what WebDAV supports here. */
const DAV_FIELDS: readonly Field[] = [
  ["Allow", "OPTIONS, GET, HEAD, PROPFIND"],
  ["DAV", "1"],
  ["MS-Author-Via", "DAV"],
];

/** The answer to `OPTIONS`. */
export function davOptions(): HttpAnswer {
  return { status: 200, fields: DAV_FIELDS, body: "" };
}

/** The answer to a method that would change something. */
export function davRefusal(): HttpAnswer {
  return plainAnswer(405, "these files are read-only", DAV_FIELDS);
}

/**
 * The answer to `PROPFIND` of a name below the root; a folder's may end in `/`.
 *
 * @throws {Failure} of kind `not_found` if there is nothing of that name.
 */
export async function propfind(
  name: string,
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const depth = request.headers.get("depth") ?? "infinity";
  if (depth !== "0" && depth !== "1") {
    return plainAnswer(403, "ask for one folder at a time: Depth: 0 or 1");
  }
  const toSend = await gateway.lists.toSend({ isWhole: true });
  const { files } = toSend.snapshot;
  const bare = name.replace(/\/$/, "");
  const file = name === bare ? files.find(name) : undefined;
  if (file !== undefined) {
    return multistatus(() => [responseOf(pathOf(bare), file)], toSend);
  }
  const folder = bare === "" ? "" : `${bare}/`;
  if (folder !== "" && !files.hasFolder(folder)) {
    throw new Failure("not_found", {
      what: "Cannot find file",
      where: show(bare),
      why: "no active node has a file or folder of that name",
    });
  }
  return multistatus(() => responsesIn(folder, files, depth), toSend);
}

function* responsesIn(
  folder: string,
  files: FileIndex,
  depth: "0" | "1",
): Generator<string> {
  yield folderResponse(pathOf(folder));
  if (depth === "0") return;
  for (const entry of files.entriesIn(folder)) {
    const path = pathOf(folder) + encodeSegment(entry.name);
    if (entry.isFolder) yield folderResponse(`${path}/`);
    else {
      const { name, size = 0, modifiedMs = 0 } = entry;
      yield responseOf(path, { name, size, modifiedMs });
    }
  }
}

/** The address of a name. */
function pathOf(name: string): string {
  return `/dav/${name.split("/").map(encodeSegment).join("/")}`;
}

function folderResponse(path: string): string {
  return response(path, "<D:resourcetype><D:collection/></D:resourcetype>");
}

function responseOf(
  path: string,
  { name, size, modifiedMs, content }: {
    readonly name: string;
    readonly size: number;
    readonly modifiedMs: number;
    readonly content?: string;
  },
): string {
  const etag = content === undefined
    ? ""
    : `<D:getetag>"${content}"</D:getetag>`;
  const date = httpDate(modifiedMs);
  const written = date === undefined
    ? ""
    : `<D:getlastmodified>${date}</D:getlastmodified>`;
  return response(
    path,
    `<D:resourcetype/><D:getcontentlength>${size}</D:getcontentlength>` +
      `${written}<D:getcontenttype>${typeOf(name)}</D:getcontenttype>${etag}`,
  );
}

/** Addresses are percent-encoded; remaining markup characters are escaped. */
function response(path: string, properties: string): string {
  const href = path.replaceAll("&", "&amp;").replaceAll("'", "&apos;");
  return `<D:response><D:href>${href}</D:href><D:propstat><D:prop>` +
    `${properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status>` +
    "</D:propstat></D:response>\n";
}

function multistatus(
  responses: () => Iterable<string>,
  { snapshot, readers }: SnapshotToSend,
): HttpAnswer {
  const texts = function* () {
    yield '<?xml version="1.0" encoding="utf-8"?>\n' +
      '<D:multistatus xmlns:D="DAV:">\n';
    yield* responses();
    yield "</D:multistatus>\n";
  };
  return {
    status: 207,
    fields: [
      ["Content-Type", "application/xml; charset=utf-8"],
      ...DAV_FIELDS,
    ],
    body: readers.bodyOf(snapshot, texts),
  };
}
