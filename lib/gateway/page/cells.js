// @ts-check
/// <reference lib="dom" />
/** The cells of a row of the list. */

import { folderUrl } from "./address.js";
import { h, icon, ROOT } from "./dom.js";
import {
  counted,
  fileUrl,
  formatBytes,
  formatCount,
  formatDate,
  isoDate,
  kindOf,
} from "./formats.js";
import { matchSpans } from "./finder.js";

/**
 * @typedef {import("./finder.js").Row} Row
 * @typedef {{ terms: readonly string[], folder: string, node: string }} View the search and the folder
 */

/** A row to copy: that is faster than creating each element. */
const TEMPLATE = h(
  "div",
  { class: "row", role: "row" },
  h(
    "div",
    { class: "name", role: "cell" },
    icon(""),
    h("span", { class: "words" }, h("a", { tabindex: -1 })),
    h("span", { class: "mark", hidden: true }),
  ),
  h("div", { class: "size", role: "cell" }),
  h("div", { class: "date", role: "cell" }, h("time")),
  h("div", { class: "on", role: "cell" }),
);

/** An empty row. */
export function blankRow() {
  return /** @type {HTMLElement} */ (TEMPLATE.cloneNode(true));
}

/**
 * Fills a row, also one that was in use: changing elements is faster than
 * creating them.
 * @param {HTMLElement} element
 * @param {Row} row
 * @param {View} view
 */
export function fillRow(element, row, view) {
  const [nameCell, size, date, on] =
    /** @type {[HTMLElement, HTMLElement, HTMLElement, HTMLElement]} */ ([
      ...element.children,
    ]);
  fillName(nameCell, row, view);
  size.title = `${formatCount(row.size)} bytes`;
  setText(size, formatBytes(row.size));
  const time = /** @type {HTMLTimeElement} */ (date.firstElementChild);
  time.dateTime = isoDate(row.modifiedMs);
  setText(time, formatDate(row.modifiedMs));
  const names = row.nodes.join(", ");
  on.title = names;
  const holders = row.nodes.length > 2 ? `${row.nodes.length} nodes` : names;
  setText(on, row.isFolder ? counted(row.files, "file") : holders);
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.firstChild === null) element.append(text);
  else if (element.firstChild.nodeValue !== text) {
    element.firstChild.nodeValue = text;
  }
}

const MARKS = {
  "": "",
  only: "only one node has this file",
  differs: "nodes have different contents under this name",
};

/**
 * @param {HTMLElement} cell
 * @param {Row} row
 * @param {View} view
 */
function fillName(cell, { name, isFolder, mark }, { terms, folder, node }) {
  const [symbol, words, chip] = cell.children;
  const use = symbol?.firstElementChild;
  use?.setAttribute("href", `#i-${isFolder ? "folder" : kindOf(name)}`);
  words?.setAttribute("title", name);
  const link = /** @type {HTMLAnchorElement} */ (words?.firstElementChild);
  link.href = isFolder ? folderUrl(name, node) : fileUrl(name, ROOT);
  link.replaceChildren(
    ...marked(name.slice(terms.length > 0 ? 0 : folder.length), terms),
  );
  if (!(chip instanceof HTMLElement)) return;
  chip.hidden = mark === "";
  if (mark === "") return;
  chip.className = `mark ${mark}`;
  chip.title = MARKS[mark];
  setText(chip, mark);
}

/**
 * A name with its folder less prominent and the search terms marked.
 * @param {string} name
 * @param {readonly string[]} terms
 */
export function marked(name, terms) {
  const folderEnd = name.lastIndexOf("/", name.length - 2) + 1;
  const spansFound = matchSpans(name, terms);
  /** @type {HTMLElement[]} */
  const parts = [];
  /** @type {[number, number, string][]} */
  const spans = [[0, folderEnd, "in"], [folderEnd, name.length, "base"]];
  for (const [start, end, kind] of spans) {
    if (start === end) continue;
    const part = h("span", { class: kind });
    let at = start;
    for (const [from, to] of spansFound) {
      const [left, right] = [Math.max(from, start), Math.min(to, end)];
      if (left >= right) continue;
      part.append(name.slice(at, left), h("mark", {}, name.slice(left, right)));
      at = right;
    }
    part.append(name.slice(at, end));
    parts.push(part);
  }
  return parts;
}
