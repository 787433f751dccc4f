/**
 * Pages as answers: a folder, an error.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { type Field, type HttpAnswer, plainAnswer } from "../http/answer.ts";
import type { WebRequest } from "../http/web_server.ts";
import type { HttpFailure } from "./failures.ts";
import type { Snapshot } from "./file_index.ts";
import type { Gateway } from "./gateway.ts";
import { PAGE_POLICY, renderPage } from "./page.ts";
import type { PageModel } from "./page_model.ts";

const PAGE_FIELDS: readonly Field[] = [
  ["Content-Type", "text/html; charset=utf-8"],
  ["Content-Security-Policy", PAGE_POLICY],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cache-Control", "no-cache"],
];

/** A page. */
function htmlAnswer(status: number, body: string): HttpAnswer {
  return { status, fields: PAGE_FIELDS, body };
}

/**
 * A page with a form. A browser sends the origin of a form only if the page
 * allows that, and the gateway accepts no form without an origin.
 */
export function formAnswer(status: number, body: string): HttpAnswer {
  const fields = PAGE_FIELDS.map((
    [name, value],
  ): Field => [name, name === "Referrer-Policy" ? "same-origin" : value]);
  return { status, fields, body };
}

/** The fields of pages without files. */
export const EMPTY_PAGE: PageModel = {
  ...{ kind: "files", base: "", folder: "", entries: [] },
  ...{ fileCount: 0, entryCount: 0, nodes: [], greeting: "" },
  ...{ complete: true, ageMs: 0 },
};

/** The path from a page to `/`. */
function baseOf({ path }: WebRequest): string {
  return "../".repeat(Math.max(0, path.split("/").length - 2));
}

function about(snapshot: Snapshot) {
  const { nodes, greeting, complete, at, problem } = snapshot;
  const ageMs = performance.now() - at;
  return { nodes, greeting, complete, problem, ageMs };
}

/**
 * The page of a folder; the whole share is the folder with an empty name.
 *
 * @throws {Failure} of kind `not_found` if there is no such folder.
 */
export async function folderPage(
  folder: string,
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const snapshot = await gateway.lists.latest();
  const { files } = snapshot;
  if (folder !== "" && !files.hasFolder(folder)) {
    throw new Failure("not_found", {
      what: "Cannot list folder",
      where: show(folder),
      why: "no active node has files in it",
    });
  }
  const { pageEntryCount: most } = gateway;
  const page = pageNumberIn(request);
  const content = await files.folder(folder, { skip: page * most, most });
  const isLast = (page + 1) * most >= content.entryCount;
  const prefix = request.path === "/" ? "files/" : "";
  const model: PageModel = {
    ...EMPTY_PAGE,
    ...about(snapshot),
    base: baseOf(request),
    folder,
    ...content,
    entries: content.entries.map((entry) => ({
      ...entry,
      href: prefix + entry.href,
    })),
    ...isLast ? {} : { next: `?page=${page + 2}` },
  };
  return htmlAnswer(200, renderPage(model));
}

/** The number of the wanted part of a list, from 0. */
function pageNumberIn({ query }: WebRequest): number {
  const text = new URLSearchParams(query).get("page") ?? "1";
  return /^[1-9]\d{0,6}$/.test(text) ? Number(text) - 1 : 0;
}

/** An error: as a page for a browser, as JSON or text for others. */
export function errorPage(
  request: WebRequest,
  { status, message, tried = [], fields }: HttpFailure,
): HttpAnswer {
  const accepts = request.headers.get("accept") ?? "";
  if (accepts.includes("text/html")) {
    const error = { status, message, tried };
    const base = baseOf(request);
    const model: PageModel = { ...EMPTY_PAGE, kind: "error", base, error };
    const answer = htmlAnswer(status, renderPage(model));
    return { ...answer, fields: [...answer.fields ?? [], ...fields] };
  }
  if (accepts.includes("application/json")) {
    return {
      status,
      fields: [["Content-Type", "application/json"], ...fields],
      body: `${JSON.stringify({ v: 1, error: message, tried })}\n`,
    };
  }
  const rows = tried.length === 0 ? [] : ["tried:", ...tried.map(indented)];
  return plainAnswer(status, [message, ...rows].join("\n"), fields);
}

function indented(line: string): string {
  return `  ${line}`;
}
