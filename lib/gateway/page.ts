/**
 * The page of the gateway: HTML that is readable without script, and the files
 * that it loads. Pure.
 *
 * @module
 */

import type { PageEntry, PageModel } from "./page_model.ts";

/** The page for `model`, as HTML. */
export function renderPage(model: PageModel): string {
  const title = model.folder === "" ? "Files" : model.folder;
  const rows = model.error === undefined
    ? model.entries.map(rowOf).join("\n")
    : "";
  const next = model.next === undefined
    ? ""
    : `<p><a rel="next" href="${escapeHtml(model.next)}">more</a></p>`;
  const message = model.error === undefined
    ? ""
    : `<p>${escapeHtml(model.error.message)}</p>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<h1>${escapeHtml(title)}</h1>
${message}<table>
${rows}
</table>
${next}</html>
`;
}

function rowOf({ name, href, isFolder, size, modifiedMs, files }: PageEntry) {
  const shown = escapeHtml(isFolder ? `${name}/` : name);
  const time = modifiedMs === undefined
    ? ""
    : new Date(modifiedMs).toISOString();
  return `<tr><td><a href="${escapeHtml(href)}">${shown}</a>` +
    `<td>${isFolder ? `${files} files` : size}<td>${time}`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** A file that the page loads, by its path below `page/`. */
export function pageAsset(
  _path: string,
): { type: string; body: string } | undefined {
  return undefined;
}
