// @ts-check
/// <reference lib="dom" />
/**
 * The page with script: the list of files, the search, and switching between
 * views. Each view has the same URL as in the page without script.
 */

import { Activity } from "./activity.js";
import { folderUrl, parseView, viewUrl } from "./address.js";
import { blankRow, fillRow } from "./cells.js";
import { byId, h, icon } from "./dom.js";
import { counted, formatAgo, formatBytes, formatCount } from "./formats.js";
import { termsOf } from "./finder.js";
import { RowList } from "./list.js";
import { Preview } from "./preview.js";

/**
 * @typedef {import("./finder.js").Row} Row
 * @typedef {import("./finder.js").Wanted} Wanted
 * @typedef {import("./worker.js").ViewMessage} ViewMessage
 * @typedef {import("./worker.js").ListMessage} ListMessage
 */

/** Key and title of each column, and whether it sorts the largest first. */
const COLUMNS = /** @type {const} */ ([
  ["name", "Name", false],
  ["size", "Size", true],
  ["date", "Modified", true],
  ["nodes", "On", true],
]);
const search = /** @type {HTMLInputElement} */ (byId("q"));
const summary = byId("summary");
const problem = byId("problem");
const worker = new Worker(new URL("worker.js", import.meta.url), {
  type: "module",
});

/** @type {Wanted} */
let wanted = parseView(location);
let lastRequest = 0;
let requestedAt = 0;
/** The id of the last view that the worker sent. */
let lastAnswer = 0;
/** Whether to open the first row once it has arrived. */
let opensFirst = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let addressTimer;
/** @type {ListMessage | undefined} */
let listState;
/** @type {ViewMessage | undefined} */
let view;

const body = h("div", { class: "rows", role: "rowgroup" });
const head = h("div", { class: "heads", role: "row", "aria-rowindex": 1 });
const table = h(
  "div",
  { class: "list", role: "table", "aria-label": "Files" },
  h("div", { role: "rowgroup", class: "headgroup" }, head),
  body,
);

const list = new RowList({
  body,
  blank: blankRow,
  fill: (element, row) => fillRow(element, row, { ...wanted, terms: terms() }),
  style: () => JSON.stringify([terms(), wanted.folder, wanted.node]),
  ask: (from, to) =>
    worker.postMessage({ kind: "rows", id: lastRequest, from, to }),
  open: (row, index) => open(row, index),
  leave: () => search.focus(),
});

const preview = new Preview({
  step: (index, by) => neighbour(index, by),
  closed: (index) => list.goTo(index),
});

/**
 * Shows another view.
 * @param {Partial<Wanted>} change
 * @param {{ isNew?: boolean }} [options] whether it becomes an entry of the browser's history
 */
function go(change, { isNew = true } = {}) {
  wanted = { ...wanted, ...change };
  clearTimeout(addressTimer);
  if (isNew) {
    history.pushState(null, "", viewUrl(wanted));
    showSection();
  } else {
    showFiles();
    // Browsers limit how often a page may change its URL, and typing is faster.
    const write = () => history.replaceState(null, "", viewUrl(wanted));
    addressTimer = setTimeout(write, 250);
  }
  list.reset();
  scrollTo({ top: 0 });
  ask();
}

function ask() {
  requestedAt = performance.now();
  opensFirst = false;
  worker.postMessage({ kind: "view", id: ++lastRequest, wanted });
  drawPath();
  drawHeads();
}

/**
 * @param {Row} row
 * @param {number} index
 */
function open(row, index) {
  if (row.isFolder) return go({ folder: row.name, query: "", mark: "" });
  preview.show(row, index);
}

/** Opens the first row if Enter was pressed and the view has arrived. */
function openFirst() {
  if (!opensFirst || lastAnswer !== lastRequest) return;
  opensFirst = false;
  const row = list.row(0);
  if (row !== undefined) open(row, 0);
}

/**
 * The next or the previous file in the list.
 * @param {number} index
 * @param {1 | -1} by
 */
function neighbour(index, by) {
  for (let at = index + by; at >= 0 && at < list.count; at += by) {
    const row = list.row(at);
    if (row === undefined) return undefined; // it was requested
    if (!row.isFolder) return { row, index: at };
  }
  return undefined;
}

/** The terms of the last query: every row needs them. */
let cachedTerms = { query: "", terms: termsOf("") };

function terms() {
  const { query } = wanted;
  if (cachedTerms.query !== query) {
    cachedTerms = { query, terms: termsOf(query) };
  }
  return cachedTerms.terms;
}

/** What the path and the heads were last drawn from, to draw only changes. */
const drawn = { path: "?", heads: "?" };

function drawPath() {
  const names = wanted.folder.split("/").filter((part) => part !== "");
  const here = names.at(-1) ?? "All files";
  document.title = `${wanted.query === "" ? here : wanted.query} · relay-p2p`;
  const path = JSON.stringify([wanted.folder, wanted.node]);
  if (drawn.path === path) return;
  drawn.path = path;
  const parts = [{ name: "All files", folder: "" }];
  names.forEach((name, index) =>
    parts.push({ name, folder: names.slice(0, index + 1).join("/") + "/" })
  );
  byId("path").replaceChildren(...parts.map(({ name, folder }, index) => {
    const isCurrent = index === parts.length - 1;
    const link = h("a", {
      href: folderUrl(folder, wanted.node),
      "aria-current": isCurrent ? "page" : undefined,
    }, name);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go({ folder, query: "", mark: "" });
    });
    return h("li", {}, link);
  }));
  search.placeholder = names.length === 0
    ? "Search all files"
    : `Search in ${here}`;
}

function drawHeads() {
  const { column: by, descending, query } = wanted;
  const heads = JSON.stringify([by, descending, termsOf(query).length > 0]);
  if (drawn.heads === heads) return;
  drawn.heads = heads;
  head.replaceChildren(...COLUMNS.map(([column, title, isLargeFirst]) => {
    const isCurrent = wanted.column === column ||
      (column === "name" && wanted.column === "" && terms().length === 0);
    const direction = wanted.descending ? "descending" : "ascending";
    const button = h("button", { type: "button" }, title);
    if (isCurrent) button.append(icon(wanted.descending ? "down" : "up"));
    button.addEventListener("click", () => {
      const descending = isCurrent ? !wanted.descending : isLargeFirst;
      go({ column, descending }, { isNew: false });
      const buttons = head.querySelectorAll("button");
      buttons[COLUMNS.findIndex(([name]) => name === column)]?.focus();
    });
    return h("div", {
      class: column === "nodes" ? "on" : column,
      role: "columnheader",
      "aria-sort": isCurrent ? direction : undefined,
    }, button);
  }));
}

function drawSummary() {
  if (view === undefined) return;
  const { files, bytes, marks, on } = view;
  const found = [wanted.query, wanted.mark, wanted.node].some((word) => word);
  const all = listState === undefined ? files : listState.files;
  const words = files === 0 && (wanted.query !== "" || wanted.mark !== "")
    ? "no file has such a name"
    : files === 0
    ? "no files here"
    : found
    ? `${formatCount(files)} of ${counted(all, "file")}, ${formatBytes(bytes)}`
    : `${counted(files, "file")}, ${formatBytes(bytes)}`;
  const missing = listState?.complete === false
    ? "; some nodes have not listed all of their files"
    : "";
  summary.textContent = words + missing;
  const from = byId("from-node");
  from.hidden = wanted.node === "";
  from.replaceChildren(
    h("span", { class: "words" }, `on ${on}`),
    icon("close"),
  );
  from.title = `Show the files of all nodes, not of ${on} alone`;
  for (const mark of /** @type {const} */ (["only", "differs"])) {
    const button = byId(`mark-${mark}`);
    const count = marks[mark];
    button.hidden = count === 0 && wanted.mark !== mark;
    button.setAttribute("aria-pressed", String(wanted.mark === mark));
    button.replaceChildren(mark, h("b", {}, formatCount(count)));
  }
}

/** @param {ListMessage} list */
function drawListState(list) {
  problem.hidden = list.problem === "";
  problem.textContent = list.problem === ""
    ? ""
    : list.ageMs > 0
    ? `Listed ${formatAgo(list.ageMs)}, and not since: ${list.problem}`
    : `Cannot list files: ${list.problem}`;
  byId("age").textContent = list.problem === ""
    ? `listed ${formatAgo(list.ageMs)}`
    : "";
  drawSummary();
}

worker.addEventListener("message", ({ data }) => {
  if (data.kind === "rows") {
    if (data.id === lastRequest) list.add(data.from, data.rows);
    return;
  }
  if (data.kind === "list") {
    listState = data;
    return drawListState(data);
  }
  if (data.id !== lastRequest) return; // a newer query is on its way
  view = data;
  const plain = document.getElementById("plain");
  plain?.replaceWith(table);
  document.getElementById("more")?.remove();
  list.show(data.count, data.rows);
  table.setAttribute("aria-rowcount", String(data.count + 1));
  byId("none").hidden = data.count > 0;
  byId("none-words").textContent = listState?.files === 0
    ? "No node shares a file yet. Files appear here as soon as a node shares some."
    : "Nothing to show.";
  drawSummary();
  // For tests and debugging: how long the worker took.
  table.dataset["ms"] = (performance.now() - requestedAt).toFixed(1);
  table.dataset["view"] = wanted.query;
  lastAnswer = data.id;
  openFirst();
});

// --- keys and tabs -----------------------------------------------------------

search.addEventListener("input", () => {
  const startsSearch = wanted.query === "";
  const column = search.value === "" ? "" : wanted.column;
  go({ query: search.value, column }, { isNew: startsSearch });
});
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  opensFirst = wanted.query !== "";
  openFirst();
});
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    list.goTo(0);
  } else if (event.key === "Escape" && search.value !== "") {
    event.preventDefault();
    search.value = "";
    go({ query: "" });
  }
});
addEventListener("keydown", (event) => {
  const isPlain = !event.altKey && !event.ctrlKey && !event.metaKey;
  const isTyping = event.target instanceof HTMLInputElement;
  if (!isPlain || isTyping || preview.isOpen) return;
  if (event.key === "/") {
    event.preventDefault();
    showFiles();
    search.focus();
    search.select();
  } else if (event.key === "Backspace" && wanted.folder !== "") {
    event.preventDefault();
    const parent = wanted.folder.replace(/[^/]+\/$/, "");
    go({ folder: parent, query: "", mark: "" });
  }
});
for (const mark of /** @type {const} */ (["only", "differs"])) {
  byId(`mark-${mark}`).addEventListener("click", () => {
    go({ mark: wanted.mark === mark ? "" : mark }, { isNew: false });
  });
}

byId("from-node").addEventListener("click", () => {
  go({ node: "" });
  search.focus();
});

const SECTIONS = ["files", "nodes", "transfers"];
const activity = new Activity({
  open: (node) => {
    search.value = "";
    go({ folder: "", query: "", mark: "", node });
    list.goTo(0);
  },
});

/** Shows the section in the URL's fragment. */
function showSection() {
  const named = location.hash.slice(1);
  const shown = SECTIONS.includes(named) ? named : "files";
  for (const id of SECTIONS) {
    byId(id).hidden = id !== shown;
    const tab = document.querySelector(`nav.tabs a[href$="#${id}"]`);
    if (id === shown) tab?.setAttribute("aria-current", "page");
    else tab?.removeAttribute("aria-current");
  }
  activity.watch(shown);
}

function showFiles() {
  if (location.hash !== "") {
    history.replaceState(null, "", location.href.split("#")[0]);
  }
  showSection();
}

for (const id of SECTIONS) {
  const tab = document.querySelector(`nav.tabs a[href$="#${id}"]`);
  tab?.addEventListener("click", (event) => {
    event.preventDefault();
    const { pathname, search } = location;
    history.pushState(null, "", `${pathname}${search}#${id}`);
    showSection();
    scrollTo({ top: 0 });
  });
}
addEventListener("hashchange", showSection);
addEventListener("popstate", () => {
  wanted = parseView(location);
  search.value = wanted.query;
  showSection();
  ask();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) worker.postMessage({ kind: "refresh" });
});

document.documentElement.classList.add("scripted");
showSection();
ask();
