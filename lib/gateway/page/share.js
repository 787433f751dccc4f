// @ts-check
/// <reference lib="dom" />
/** URLs to share: to copy, or as a QR code. */

import { h, problemIn, ROOT, svg } from "./dom.js";

/** The margin that scanners need. */
const QUIET_ZONE = 4;

/**
 * Shows the address of a file, to copy and as a QR code.
 * @param {string} url
 * @param {{ place: HTMLElement, signal: AbortSignal }} options
 */
export async function showAddress(url, { place, signal }) {
  place.replaceChildren(copyField("Address", url));
  const query = new URL("api/qr", ROOT);
  query.searchParams.set("text", url);
  try {
    const answer = await fetch(query, { signal });
    if (!answer.ok) throw new Error(await problemIn(answer));
    place.append(drawQr(await answer.json(), "QR code of the address"));
  } catch (error) {
    if (signal.aborted) return;
    const words = error instanceof Error ? error.message : String(error);
    place.append(h("pre", { class: "alert", role: "alert" }, words));
  }
}

/**
 * A text with a button that copies it.
 * @param {string} label
 * @param {string} text
 */
function copyField(label, text) {
  const input = /** @type {HTMLInputElement} */ (h("input", {
    ...{ type: "text", readonly: true, value: text, spellcheck: "false" },
  }));
  input.addEventListener("focus", () => input.select());
  const button = h("button", { type: "button" }, "Copy");
  button.setAttribute("aria-label", `Copy: ${label}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      input.focus(); // not allowed; the text is selected, so Ctrl-C copies it
      button.textContent = "Press Ctrl-C";
    }
  });
  return h(
    "div",
    { class: "copy" },
    h("label", {}, h("span", {}, label), input),
    button,
  );
}

/**
 * @param {{ size: number, rows: string[] }} qr rows of 0 and 1
 * @param {string} label
 */
function drawQr(qr, label) {
  const { size, rows } = qr;
  const path = rows.map((row, y) =>
    [...row.matchAll(/1+/g)].map(({ 0: run, index }) =>
      `M${index + QUIET_ZONE} ${y + QUIET_ZONE}h${run.length}v1h-${run.length}z`
    ).join("")
  ).join("");
  const side = size + 2 * QUIET_ZONE;
  return svg(
    "svg",
    {
      ...{ class: "qr", viewBox: `0 0 ${side} ${side}`, role: "img" },
      ...{ "aria-label": label, "shape-rendering": "crispEdges" },
    },
    svg("rect", { width: side, height: side, fill: "#fff" }),
    svg("path", { d: path, fill: "#000" }),
  );
}
