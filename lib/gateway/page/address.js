// @ts-check
/// <reference lib="dom" />
/** Views of the list as URLs, and back. */

import { ROOT } from "./dom.js";
import { fileUrl } from "./formats.js";

/**
 * @typedef {import("./finder.js").Wanted} Wanted
 * @typedef {import("./finder.js").Column} Column
 */

/** @type {readonly string[]} */
const COLUMNS = /** @type {Column[]} */ (["name", "size", "date", "nodes"]);
const FOLDER = new URL("files/", ROOT).pathname;

/**
 * The view that a URL stands for.
 * @param {URL | Location} address
 * @returns {Wanted}
 */
export function parseView({ pathname, search }) {
  const terms = new URLSearchParams(search);
  const [column = "", direction] = (terms.get("sort") ?? "").split("-");
  const mark = terms.get("mark") ?? "";
  let folder = "";
  try {
    if (pathname.startsWith(FOLDER)) {
      folder = decodeURIComponent(pathname.slice(FOLDER.length));
    }
  } catch {
    folder = ""; // not one of our URLs
  }
  return {
    folder,
    query: terms.get("q") ?? "",
    column: COLUMNS.includes(column) ? /** @type {Column} */ (column) : "",
    descending: direction === "down",
    mark: mark === "only" || mark === "differs" ? mark : "",
    node: terms.get("node") ?? "",
  };
}

/**
 * The URL of a view.
 * @param {Wanted} wanted
 */
export function viewUrl({ folder, query, column, descending, mark, node }) {
  const terms = new URLSearchParams();
  if (query !== "") terms.set("q", query);
  if (column !== "") terms.set("sort", column + (descending ? "-down" : ""));
  if (mark !== "") terms.set("mark", mark);
  if (node !== "") terms.set("node", node);
  const url = folder === "" ? new URL(ROOT) : new URL(fileUrl(folder, ROOT));
  url.search = terms.toString();
  return url.href;
}

/**
 * The URL of a folder, sorted as usual.
 * @param {string} folder
 * @param {string} [node] the id of a node, to show only its files
 */
export function folderUrl(folder, node = "") {
  const rest = { query: "", column: "", descending: false, mark: "" };
  return viewUrl(/** @type {Wanted} */ ({ folder, node, ...rest }));
}
