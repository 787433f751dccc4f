/**
 * The addresses for links: a page, a look, and the download. They need no
 * token. Only a POST with the link in its body spends a use: programs that show
 * previews of addresses send GET.
 *
 * @module
 */

import { toBase64Url } from "../access/keys.ts";
import { type HttpAnswer, plainAnswer } from "../http/answer.ts";
import type { WebRequest } from "../http/web_types.ts";
import { answerWithFile } from "./files.ts";
import type { Gateway } from "./gateway.ts";
import { jsonAnswer } from "./json.ts";
import { EMPTY_PAGE, errorPage, formAnswer } from "./pages.ts";
import { renderPage } from "./page.ts";

/** The answer, if the path is one of those for links. */
export async function answerToLink(
  request: WebRequest,
  gateway: Gateway,
): Promise<HttpAnswer | undefined> {
  const { method, path } = request;
  const isRead = method === "GET" || method === "HEAD";
  switch (path) {
    case "/link":
      return isRead ? linkPage() : notAllowed("GET, HEAD");
    case "/api/link/look":
      return method === "POST"
        ? await look(request, gateway)
        : notAllowed("POST");
    case "/api/link/open":
      return method === "POST"
        ? await open(request, gateway)
        : notAllowed("POST");
    default:
      return undefined;
  }
}

function linkPage(): HttpAnswer {
  const id = toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
  return formAnswer(200, renderPage({ ...EMPTY_PAGE, kind: "link", id }));
}

function notAllowed(methods: string): HttpAnswer {
  return plainAnswer(405, undefined, [["Allow", methods]]);
}

/**
 * Name and size. The size comes from the gateway's list. Strangers see it only if
 * they could list the file themselves, because anyone can write a link.
 */
async function look(
  request: WebRequest,
  { links, lists, login }: Gateway,
): Promise<HttpAnswer> {
  const text = linkInJson(request);
  if (text === undefined) return plainAnswer(400, "there is no link in it");
  const verdict = await links.look(text, request);
  if (verdict.kind === "refused") return refusal(request, verdict);
  const { name, content } = verdict.link;
  const mayList = links.listsForAll || login.proofOf(request) === "right";
  if (!mayList) return jsonAnswer({ name });
  const { files } = await lists.latest();
  const size = files.find(name)?.offers
    .find((offer) => offer.content === content)?.size;
  return jsonAnswer({ name, size });
}

/** The file, to be saved. */
async function open(
  request: WebRequest,
  { links, transfers }: Gateway,
): Promise<HttpAnswer> {
  const form = new URLSearchParams(new TextDecoder().decode(request.body));
  const text = linkIn(form.get("link") ?? "");
  if (text === "") return plainAnswer(400, "there is no link in the form");
  const { remote, signal } = request;
  const page = form.get("page") ?? undefined;
  const verdict = await links.open(text, { remote, signal, page });
  if (verdict.kind === "refused") return refusal(request, verdict);
  // All of it, as an attachment: a use is a whole file.
  const whole = {
    ...{ ...request, signal: verdict.signal },
    ...{ headers: new Map(), query: "download" },
  };
  const answer = await answerWithFile(whole, verdict.file, {
    transfers,
    keeping: "never",
    whole: verdict.delivered,
  });
  return {
    ...answer,
    fields: answer.fields?.filter(([name]) => name !== "Accept-Ranges") ?? [],
    closes: true, // its connection to the relay ends with it
  };
}

function refusal(
  request: WebRequest,
  { status, why: message }: { status: number; why: string },
): HttpAnswer {
  const fields = [["Retry-After", "60"]] as const;
  return errorPage(request, { status, message, fields });
}

function linkInJson({ body }: WebRequest): string | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== "object" || value === null) return undefined;
    return "link" in value && typeof value.link === "string"
      ? linkIn(value.link)
      : undefined;
  } catch {
    return undefined; // not JSON
  }
}

/**
 * The link in a text that a person copied: the link alone, or the whole address
 * of the page with the link and a size in it.
 */
function linkIn(text: string): string {
  return text.trim().replace(/^https?:[^#]*#/i, "").replace(/,size=\d+$/, "");
}
