// @ts-check
/// <reference lib="dom" />
/** Links to give away, to copy or as a QR code. */

import { h, problemIn, ROOT, svg } from "./dom.js";

/** The margin that scanners need. */
const QUIET = 4;

/**
 * Asks for a link to a file and shows it, beside the file's address here.
 * @param {string} name
 * @param {string} url
 * @param {{ place: HTMLElement, signal: AbortSignal }} options
 */
export async function makeLink(name, url, { place, signal }) {
  const waiting = h("p", { class: "calm", role: "status" }, "Making a link …");
  place.replaceChildren(waiting);
  try {
    const answer = await fetch(new URL("api/link", ROOT), {
      ...{ method: "POST", signal, body: JSON.stringify({ name }) },
      headers: { "Content-Type": "application/json" },
    });
    if (!answer.ok) throw new Error(await problemIn(answer));
    const { link, web, note, qr } = await answer.json();
    place.replaceChildren(
      copyField("Link", web ?? link),
      ...note ? [h("p", { class: "more" }, note)] : [],
      drawQr(qr, "QR code of the link"),
      copyField("Address here", url),
    );
  } catch (error) {
    if (signal.aborted) return;
    const words = error instanceof Error ? error.message : String(error);
    place.replaceChildren(
      h("pre", { class: "alert", role: "alert" }, words),
      copyField("Address here", url),
    );
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
      input.focus(); // not allowed here: it is selected, for Ctrl-C
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
 * @param {{ size: number, rows: string[] } | undefined} qr rows of 0 and 1
 * @param {string} label
 */
function drawQr(qr, label) {
  if (qr === undefined) return "";
  const { size, rows } = qr;
  const path = rows.map((row, y) =>
    [...row.matchAll(/1+/g)].map(({ 0: run, index }) =>
      `M${index + QUIET} ${y + QUIET}h${run.length}v1h-${run.length}z`
    ).join("")
  ).join("");
  const side = size + 2 * QUIET;
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
