/**
 * Serves the page of the gateway over lists, nodes and transfers that a test
 * makes up: what the page does with 100,000 names, or with a transfer that
 * fails, does not need a network of peers.
 */

import { PAGE_POLICY, pageAsset, renderPage } from "../../lib/gateway/page.ts";
import type { PageModel, PageNode } from "../../lib/gateway/page_model.ts";

/** A file, as `/api/files` lists it. */
export type ApiFile = [
  name: string,
  size: number,
  modifiedMs: number,
  nodes: number[],
  flags: number,
];

/** What a host serves; a test may change it while it runs. */
export interface HostState {
  files: ApiFile[];
  nodes: PageNode[];
  transfers: () => { nowMs: number; transfers: unknown[] };
  /** Contents of files by name; others fail. */
  contents: Map<string, { type: string; bytes: Uint8Array<ArrayBuffer> }>;
  /** Answers to POST by path. */
  posts: Map<string, (body: Record<string, unknown>) => Response>;
}

/** A host of the page. */
export interface PageHost extends AsyncDisposable {
  readonly url: string;
  readonly state: HostState;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
}

/** Starts a host on loopback. */
export function startPageHost(given: Partial<HostState> = {}): PageHost {
  const state: HostState = {
    files: [],
    nodes: [],
    transfers: () => ({ nowMs: Date.now(), transfers: [] }),
    contents: new Map(),
    posts: new Map(),
    ...given,
  };
  const asked: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      asked.push(`${request.method} ${pathname}${search}`);
      const answer = await answerTo(request, pathname, state);
      answer.headers.set("x-content-type-options", "nosniff");
      return answer;
    },
  );
  return {
    ...{ state, asked, url: `http://127.0.0.1:${server.addr.port}/` },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function answerTo(
  request: Request,
  pathname: string,
  state: HostState,
): Promise<Response> {
  const { files, nodes } = state;
  if (request.method === "POST") {
    const type = request.headers.get("content-type") ?? "";
    const body = type.startsWith("application/json")
      ? await request.json()
      : Object.fromEntries(new URLSearchParams(await request.text()));
    const post = state.posts.get(pathname);
    return post?.(body) ?? new Response("no such page\n", { status: 404 });
  }
  if (pathname.startsWith("/page/")) {
    const asset = pageAsset(pathname.slice("/page/".length));
    if (asset === undefined) return new Response(null, { status: 404 });
    return new Response(asset.body, {
      headers: { "content-type": asset.type },
    });
  }
  if (pathname === "/api/files") {
    const list = {
      ...{ v: 1, complete: true, ageMs: 0 },
      nodes: nodes.map(({ id, name }) => ({ id, name })),
    };
    const head = JSON.stringify(list).slice(0, -1);
    const rows = files.map((row) => JSON.stringify(row)).join(",\n");
    return new Response(`${head},"files":[\n${rows}\n]}\n`, {
      headers: {
        "content-type": "application/json",
        etag: `"${files.length}"`,
      },
    });
  }
  if (pathname === "/api/qr") {
    return Response.json({ v: 1, size: 3, rows: ["101", "010", "110"] });
  }
  if (pathname === "/api/nodes") return Response.json({ v: 1, nodes });
  if (pathname === "/api/transfers") {
    return Response.json({ v: 1, ...state.transfers() });
  }
  if (pathname === "/link") {
    return html(renderPage({ ...modelOf(state, ""), kind: "link" }));
  }
  if (pathname === "/" || /^\/files\/(.*\/)?$/.test(pathname)) {
    const folder = decodeURIComponent(pathname.replace(/^\/(files\/)?/, ""));
    return html(renderPage(modelOf(state, folder)));
  }
  return contentOf(request, decodeURIComponent(pathname.slice(7)), state);
}

function html(text: string): Response {
  return new Response(text, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": PAGE_POLICY,
    },
  });
}

/** One file, whole or a range of it. */
function contentOf(
  request: Request,
  name: string,
  { contents }: HostState,
): Response {
  const content = contents.get(name);
  if (content === undefined) {
    const words = `Cannot fetch ${name}: no node has it\n`;
    return new Response(words, { status: 404 });
  }
  const { bytes, type } = content;
  const headers = new Headers({
    "content-type": type,
    "accept-ranges": "bytes",
  });
  if (new URL(request.url).searchParams.has("download")) {
    const base = name.slice(name.lastIndexOf("/") + 1);
    headers.set("content-disposition", `attachment; filename="${base}"`);
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(
    request.headers.get("range") ?? "",
  ) ?? [];
  if (from === undefined) return new Response(bytes, { headers });
  const last = Math.min(bytes.length - 1, to ? Number(to) : bytes.length - 1);
  headers.set("content-range", `bytes ${from}-${last}/${bytes.length}`);
  const part = bytes.slice(Number(from), last + 1);
  return new Response(part, { status: 206, headers });
}

/** The page without script, of one folder. */
function modelOf({ files, nodes }: HostState, folder: string): PageModel {
  const below = files.filter(([name]) => name.startsWith(folder));
  const entries = below
    .filter(([name]) => !name.slice(folder.length).includes("/"))
    .slice(0, 500)
    .map(([whole, size, modifiedMs, on, flags]) => {
      const name = whole.slice(folder.length);
      return {
        ...{ name, size, modifiedMs, isFolder: false, files: 1 },
        href: `${folder === "" ? "files/" : ""}${encodeURIComponent(name)}`,
        nodes: on.map((node) => nodes[node]?.id ?? ""),
        differs: flags === 2,
      };
    });
  const depth = folder.split("/").length;
  return {
    kind: "files",
    base: folder === "" ? "" : "../".repeat(depth),
    ...{ folder, entries, nodes, greeting: "", complete: true, ageMs: 0 },
    ...{ fileCount: below.length, entryCount: entries.length },
  };
}
