/** The lists that the tests of the page in a browser share. */

import { type ApiFile, type HostState, startPageHost } from "./_page_host.ts";

const encoder = new TextEncoder();
const TIME = Date.UTC(2026, 8, 1, 12, 30);

/** A node that is well. */
export function node(
  name: string,
  more: Partial<HostState["nodes"][number]> = {},
) {
  return {
    ...{ id: `${name}`.padEnd(52, "q"), name, host: "192.0.2.7", port: 1500 },
    ...{ path: "direct" as const, files: 2, lastSeenMs: Date.now() },
    ...more,
  };
}

export const NODES = [node("nas"), node("laptop", { path: "tunnel" })];

/** A file on both nodes. */
export function file(name: string, more: Partial<ApiFile> = []): ApiFile {
  const [, size = 1_234, time = TIME, nodes = [0, 1], flags = 0] = more;
  return [name, size, time, nodes, flags];
}

export const FILES: ApiFile[] = [
  file("README.md", [, 90]),
  file("film.webm", [, 6_000_000]),
  file("lonely.bin", [, 70_000, TIME, [0], 1]),
  file("music/tone.wav", [, 300_000]),
  file("odd.txt", [, 10, TIME, [0, 1], 2]),
  file("photos/2025/Müller.svg"),
  file("photos/2026/beach.svg"),
  file("photos/2026/missing.png"),
];

const SVG = encoder.encode(
  '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="#4a90a4"/></svg>',
);

const CONTENTS: HostState["contents"] = new Map([
  ["README.md", {
    type: "text/plain",
    bytes: encoder.encode("<b>hello</b>\n"),
  }],
  ["photos/2026/beach.svg", { type: "image/svg+xml", bytes: SVG }],
]);

/** A host of the page over these lists. */
export function host(more: Partial<HostState> = {}) {
  return startPageHost({
    files: FILES,
    nodes: NODES,
    contents: new Map(CONTENTS),
    ...more,
  });
}

export const NAMES = ".row .words";

/** A transfer that runs. */
export function transfer(name: string, more: Record<string, unknown> = {}) {
  return {
    ...{ id: 1, name, size: 1_000_000, first: 0, last: 999_999 },
    ...{ sent: 250_000, nodes: ["nas"], state: "running" },
    ...more,
  };
}

export const LINK_POSTS: HostState["posts"] = new Map([
  [
    "/api/link/look",
    ({ link }) =>
      link === "p2p://nas:1700/x/y/z"
        ? Response.json({ v: 1, name: "photos/beach.svg", size: 4_200_000 })
        : new Response("Cannot use link: it is incomplete or was altered\n", {
          status: 400,
        }),
  ],
  ["/api/link/open", ({ link }) =>
    new Response(`of ${link}`, {
      headers: { "content-disposition": 'attachment; filename="beach.svg"' },
    })],
]);
