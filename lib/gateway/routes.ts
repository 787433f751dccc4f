/**
 * Which answer belongs to which address.
 *
 * @module
 */

import { safeName } from "../base/names.ts";
import { show } from "../base/text.ts";
import { Failure } from "../base/errors.ts";
import { isContentId } from "../content/manifest.ts";
import { type HttpAnswer, plainAnswer } from "../http/answer.ts";
import { decodePath } from "../http/request.ts";
import type { WebRequest } from "../http/web_server.ts";
import { preflightAnswer, withCors } from "./cors.ts";
import type { Gateway } from "./gateway.ts";
import { httpFailureOf } from "./failures.ts";
import { answerWithFile } from "./files.ts";
import {
  filesAsJson,
  listAsEvents,
  listAsNames,
  nodesAsJson,
  transfersAsJson,
} from "./json.ts";
import { refusalOf } from "./guard.ts";
import { answerToLink } from "./link_routes.ts";
import { logIn, unproved } from "./logging_in.ts";
import { errorPage, folderPage } from "./pages.ts";
import { davOptions, davRefusal, propfind } from "./webdav.ts";
import { pageAsset } from "./page.ts";
import { qrAsJson } from "./qr.ts";

/** The name of the service in the answer to `/healthz`. */
export const GATEWAY_NAME = "relay-p2p gateway";

/** Answers a request. Failures become answers; bugs are thrown. */
export async function answerTo(
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const { origins } = gateway;
  try {
    return withCors(await guarded(request, gateway), request, origins);
  } catch (error) {
    request.signal.throwIfAborted();
    const failure = httpFailureOf(error);
    if (failure === undefined) throw error;
    return withCors(errorPage(request, failure), request, origins);
  }
}

/** First the requests that must be refused, then those that need no token. */
async function guarded(
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const { method, path } = request;
  const refusal = refusalOf(request, gateway);
  if (refusal !== undefined) {
    return { ...plainAnswer(refusal.status, refusal.why), closes: true };
  }
  const preflight = preflightAnswer(request, gateway.origins);
  if (preflight !== undefined) return preflight;
  const isRead = method === "GET" || method === "HEAD";
  if (isRead && path === "/healthz") {
    return plainAnswer(200, "ok", [["Server", GATEWAY_NAME]]);
  }
  if (isRead && path.startsWith("/page/")) return asset(path.slice(6));
  if (method === "POST" && path === "/login") return logIn(request, gateway);
  const byLink = await answerToLink(request, gateway);
  if (byLink !== undefined) return byLink;
  const proof = gateway.login.proofOf(request);
  if (proof !== "right") return unproved(request, proof);
  if (path === "/dav" || path.startsWith("/dav/")) {
    return await dav(path.slice("/dav/".length), request, gateway);
  }
  if (!isRead) {
    return plainAnswer(405, undefined, [["Allow", "GET, HEAD"]]);
  }
  return await routed(request, gateway);
}

async function routed(
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const { path } = request;
  if (path === "/") return await root(request, gateway);
  if (path === "/api/files") {
    return await filesAsJson(request, await gateway.lists.toSend());
  }
  if (path === "/api/nodes") return nodesAsJson(await gateway.lists.latest());
  if (path === "/api/qr") return await qrAsJson(request.query);
  if (path === "/api/transfers") return transfersAsJson(gateway.transfers);
  const [, room, rest = ""] = /^\/([a-z]+)\/(.*)$/.exec(path) ?? [];
  switch (room) {
    case "files":
      return await file(rest, request, gateway);
    case "content":
      return await content(rest, request, gateway);
    default:
      return plainAnswer(404);
  }
}

async function root(
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const query = new URLSearchParams(request.query);
  const { lists } = gateway;
  const isWhole = true;
  if (query.has("json")) return listAsEvents(await lists.toSend({ isWhole }));
  if (query.has("simple")) return listAsNames(await lists.toSend({ isWhole }));
  return await folderPage("", request, gateway);
}

function asset(path: string): HttpAnswer {
  const found = pageAsset(path);
  if (found === undefined) return plainAnswer(404);
  return {
    status: 200,
    fields: [
      ["Content-Type", found.type],
      ["Cache-Control", "no-cache"],
    ],
    body: found.body,
  };
}

async function file(
  path: string,
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  if (path === "" || path.endsWith("/")) {
    const folder = path === "" ? "" : `${nameIn(path.slice(0, -1))}/`;
    return await folderPage(folder, request, gateway);
  }
  const name = nameIn(path);
  const files = (await gateway.lists.soon())?.files;
  if (files?.find(name) === undefined && files?.hasFolder(`${name}/`)) {
    // Links in a folder's page are relative to its slash.
    const query = request.query === "" ? "" : `?${request.query}`;
    const fields = [["Location", `/files/${path}/${query}`]] as const;
    return { status: 301, fields };
  }
  const { transfers, source } = gateway;
  const found = await source.find(name, { signal: request.signal });
  const options = { transfers, keeping: "asked" } as const;
  return await answerWithFile(request, found, options);
}

async function dav(
  path: string,
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const folder = path.endsWith("/") ? "/" : "";
  const name = path === "" ? "" : nameIn(path.replace(/\/$/, "")) + folder;
  switch (request.method) {
    case "OPTIONS":
      return davOptions();
    case "PROPFIND":
      return await propfind(name, request, gateway);
    case "GET":
    case "HEAD":
      return await file(path, request, gateway);
    default:
      return davRefusal();
  }
}

async function content(
  path: string,
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer> {
  const [id = "", ...rest] = path.split("/");
  if (!isContentId(id)) return plainAnswer(404);
  const name = rest.length === 0 ? undefined : nameIn(rest.join("/"));
  const { transfers, source, login } = gateway;
  const { signal } = request;
  const found = await source.findContent(id, { name, signal });
  const keeping = login.isOpen ? "always" : "alwaysOwn";
  return await answerWithFile(request, found, { transfers, keeping });
}

/**
 * The name of a file in a path.
 *
 * @throws {Failure} of kind `usage` if no file can have it.
 */
function nameIn(path: string): string {
  const text = decodePath(path);
  const verdict = text === undefined
    ? { kind: "unsafe", rule: "it is not UTF-8" } as const
    : safeName(text);
  if (verdict.kind === "safe") return verdict.name;
  throw new Failure("usage", {
    what: "Cannot ask for file",
    where: show(text ?? path),
    why: verdict.rule,
  });
}
