/**
 * The page of the gateway as HTML: all of it can be read without script, in a
 * text browser too. With script, `page/app.js` takes the list over. Pure.
 *
 * @module
 */

import { type Markup, markup } from "../base/html.ts";
import { LIMITS } from "../base/limits.ts";
import { counted } from "../base/text.ts";
import { formatBytes } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { PageEntry, PageModel, PageNode } from "./page_model.ts";
import { SYMBOLS } from "./page_symbols.ts";

export { PAGE_ASSETS, type PageAsset, pageAsset } from "./page_assets.ts";

/** What a browser may do on a page: load its own files, and nothing else. */
export const PAGE_POLICY = "default-src 'none'; script-src 'self'; " +
  "worker-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; " +
  "connect-src 'self'; form-action 'self'; base-uri 'none'; " +
  "frame-ancestors 'none'";

/** The page for a model, complete. */
export function renderPage(model: PageModel): string {
  const render = {
    files: filesOf,
    error: errorOf,
    login: loginOf,
    link: linkOf,
  };
  return render[model.kind](model).text;
}

function filesOf(model: PageModel): Markup {
  const { base, folder, nodes, error, problem } = model;
  const title = folder === "" ? "All files" : folder;
  return markup`${headOf(title, { base, script: "app.js" })}
<body>
${SYMBOLS}
<a class="skip" href="#files">Skip to the files</a>
<header class="top">
${brandOf(base)}
<form id="search" class="search" role="search">
${iconOf("search")}<label class="unseen" for="q">Search files by name</label>
<input id="q" name="q" type="search" placeholder="Search all files" autocomplete="off" autocapitalize="off" spellcheck="false"><kbd aria-hidden="true">/</kbd>
</form>
<nav class="tabs" aria-label="Views"><a href="#files" aria-current="page">${
    tabOf("Files")
  }</a><a href="#nodes">${
    tabOf("Nodes")
  }</a><a class="scripted" href="#transfers">${
    tabOf("Transfers")
  }<span id="transfer-count" class="badge" hidden></span></a></nav>
</header>
<main>
<h1 class="unseen">Files of all machines</h1>
<section id="files" aria-label="Files">
<div class="bar">
<nav aria-label="Folder"><ol id="path" class="path">${pathOf(model)}</ol></nav>
<div class="facts"><span id="summary" role="status">${
    summaryOf(model)
  }</span><span id="age"></span>${MARKS}</div>
</div>
${alertOf(error?.message ?? problem ?? "", "problem")}
${tableOf(model)}
<p id="none" class="none" hidden>${
    iconOf("search")
  } <span id="none-words">Nothing to show.</span></p>
</section>
<section id="nodes" class="view" aria-labelledby="nodes-title">
<h2 id="nodes-title">Nodes</h2>
<p id="node-summary" role="status">${counted(nodes.length, "node")}</p>
<ul id="node-list" class="items">${nodes.map(nodeOf)}</ul>
</section>
<section id="transfers" class="view scripted" aria-labelledby="transfers-title">
<h2 id="transfers-title">Transfers</h2>
<p id="transfer-summary"></p>
<div class="now"><h3 class="unseen">All transfers together</h3><p id="rate" class="figure"></p><div id="rate-plot"></div><p class="axis"><span id="rate-from"></span><span>now</span></p></div>
<ul id="transfer-list" class="items"></ul>
</section>
</main>
<footer class="foot"><span>relay-p2p ${VERSION}: everything is verified before it is sent.</span><span class="scripted keys">Keys: / searches, arrows move, Enter opens, Backspace goes up, Esc closes.</span></footer>
<dialog id="preview" aria-labelledby="preview-name"></dialog>
</body>
</html>
`;
}

const MARKS =
  markup`<button type="button" class="filter" id="from-node" hidden></button><button type="button" class="filter" id="mark-only" aria-pressed="false" title="files that only one node has" hidden>only</button><button type="button" class="filter" id="mark-differs" aria-pressed="false" title="names under which nodes have different contents" hidden>differs</button>`;

/** A word that leaves room for its bold form. */
function tabOf(words: string): Markup {
  return markup`<span class="tab" data-words="${words}">${words}</span>`;
}

/** The page that opens a link, for a person without a token. */
function linkOf({ base, error, id = "" }: PageModel): Markup {
  return markup`${headOf("A file for you", { base, script: "link.js" })}
<body>
${SYMBOLS}
<main class="alone">
<p class="brand">relay-<b>p2p</b></p>
${alertOf(error?.message ?? "", "problem")}
<p id="status" role="status"></p>
<form id="open" action="${base}api/link/open" method="post">
<input type="hidden" name="page" value="${id}">
<div id="file" hidden><h1 id="file-name"></h1><p id="file-size" class="size"></p></div>
<div id="paste"><h1>Paste the link</h1><label class="small" for="link">The link that you were given begins with p2p://</label><textarea id="link" name="link" required autocomplete="off" spellcheck="false"></textarea></div>
<button id="press" class="main">${iconOf("download")}Download</button>
</form>
<p class="small">The file comes from the machine of the person who sent you the link, and is verified on its way. Opening this page does not use up the link; the button does.</p>
<noscript><p class="small">Without script this page cannot read the link in its own address: paste it above.</p></noscript>
</main>
</body>
</html>
`;
}

/** Asks for the token. */
function loginOf({ base, error }: PageModel): Markup {
  return markup`${headOf("Token", { base })}
<body>
<main class="alone">
<p class="brand">relay-<b>p2p</b></p>
<h1>This gateway asks for a token</h1>
${alertOf(error?.message ?? "", "problem")}
<form action="${base}login" method="post">
<label class="small" for="token">The token in the file that the gateway was started with</label>
<input class="field" id="token" name="token" type="password" required autocomplete="current-password" autofocus>
<button class="main">Open</button>
</form>
</main>
</body>
</html>
`;
}

/** What went wrong, in the words of the terminal. */
function errorOf({ base, error }: PageModel): Markup {
  const { message = "Something went wrong", tried = [] } = error ?? {};
  const [what, ...rest] = message.split("\n");
  return markup`${headOf(what!, { base })}
<body>
<main class="alone">
<p class="brand"><a href="${base === "" ? "./" : base}">relay-<b>p2p</b></a></p>
<div class="alert" role="alert"><h1>${what}</h1>${
    rest.filter((line) => line !== "").map((line) => markup`<p>${line}</p>`)
  }</div>
${
    tried.length === 0
      ? ""
      : markup`<ul class="tried">${
        tried.map((line) => markup`<li>${line}</li>`)
      }</ul>`
  }
<p><a class="button" href="${base === "" ? "./" : base}">All files</a></p>
</main>
</body>
</html>
`;
}

function headOf(
  title: string,
  { base, script }: { base: string; script?: string },
): Markup {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · relay-p2p</title>
<link rel="icon" href="${base}page/icon.svg">
<link rel="stylesheet" href="${base}page/page.css">
${
    script === undefined
      ? ""
      : markup`<script type="module" src="${base}page/${script}"></script>`
  }
</head>`;
}

function brandOf(base: string): Markup {
  return markup`<a class="brand" href="${
    base === "" ? "./" : base
  }">relay-<b>p2p</b></a>`;
}

function iconOf(name: string): Markup {
  return markup`<svg class="icon" aria-hidden="true"><use href="#i-${name}"/></svg>`;
}

function alertOf(words: string, id: string): Markup {
  const hidden = words === "" ? markup` hidden` : markup``;
  return markup`<p id="${id}" class="alert" role="alert"${hidden}>${words}</p>`;
}

/** The folders from the root to this one, as links. */
function pathOf({ base, folder }: PageModel): Markup[] {
  const names = folder.split("/").filter((part) => part !== "");
  const parts = names.map((name, index) => ({
    name,
    href: "../".repeat(names.length - index - 1) || "./",
  }));
  const all = [
    { name: "All files", href: base === "" ? "./" : base },
    ...parts,
  ];
  return all.map(({ name, href }, index) => {
    const here = index === all.length - 1 ? markup` aria-current="page"` : "";
    return markup`<li><a href="${href}"${here}>${name}</a></li>`;
  });
}

function summaryOf({ fileCount, complete, error }: PageModel): string {
  if (error !== undefined) return "";
  const words = counted(fileCount, "file");
  return complete
    ? words
    : `${words}; some nodes have not listed all of their files`;
}

// The end tags that HTML does not need are left out: there may be many rows.
function tableOf({ entries, next, nodes }: PageModel): Markup {
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  return markup`<table id="plain"><thead><tr><th scope="col">Name<th scope="col">Size<th scope="col">Modified<th scope="col">On</tr></thead><tbody>
${entries.map((entry) => rowOf(entry, names))}</tbody></table>
${
    next === undefined
      ? ""
      : markup`<p id="more"><a class="button" rel="next" href="${next}">More files</a></p>`
  }`;
}

function rowOf(entry: PageEntry, names: ReadonlyMap<string, string>): Markup {
  const { name, href, isFolder, files, size = 0, modifiedMs = 0 } = entry;
  if (isFolder) {
    return markup`<tr><td><a href="${href}">${name}/</a><td><td><td>${
      counted(files, "file")
    }
`;
  }
  const { nodes, differs } = entry;
  const on = nodes.map((id) => names.get(id) ?? id.slice(0, 8)).join(", ");
  return markup`<tr><td><a href="${href}">${name}</a>${
    markOf({ differs, isOnly: nodes.length === 1 && names.size > 1 })
  }<td title="${counted(size, "byte")}">${formatBytes(size)}<td>${
    timeOf(modifiedMs)
  }<td>${on}
`;
}

function timeOf(ms: number): Markup {
  if (!(Math.abs(ms) <= LIMITS.dateLastMs)) return markup`-`;
  const time = new Date(ms).toISOString();
  const shown = time.slice(0, -8).replace("T", " ");
  return markup`<time datetime="${time}">${shown}</time>`;
}

function markOf(
  { differs, isOnly }: { differs: boolean; isOnly: boolean },
): Markup | undefined {
  if (!differs && !isOnly) return undefined;
  const mark = differs ? "differs" : "only";
  return markup` <span class="mark ${mark}">${mark}</span>`;
}

const WAYS = {
  direct: "direct",
  tunnel: "through the relay",
  none: "not reached",
};

function nodeOf({ name, path, files, host, port, error }: PageNode): Markup {
  const words = `${WAYS[path]}, ${counted(files, "file")}, ${host}:${port}`;
  return markup`<li><h3>${name}</h3><p>${words}</p>${
    error === undefined ? "" : markup`<p class="alert">${error}</p>`
  }</li>`;
}
