// @ts-check
/// <reference lib="dom" />
/**
 * A link in a browser. It is in the fragment of the URL, which no browser sends
 * and no server logs. Showing the link costs no use; the button does.
 */

import { byId, problemIn, ROOT } from "./dom.js";
import { formatBytes } from "./formats.js";

const field = /** @type {HTMLTextAreaElement} */ (byId("link"));
const form = /** @type {HTMLFormElement} */ (byId("open"));
const button = /** @type {HTMLButtonElement} */ (byId("press"));

// A second press within this time is part of a double click.
const DOUBLE_CLICK_MS = 1_000;

/** The link in the URL, and the size that its sender added. */
function linkInAddress() {
  const [, text = "", size] = /^#(.*?)(?:(?:,|%2C)size(?:=|%3D)(\d+))?$/is.exec(
    location.hash,
  ) ?? [];
  const statedSize = size === undefined ? undefined : Number(size);
  try {
    const link = text.includes("/") ? text : decodeURIComponent(text);
    return { link, statedSize };
  } catch {
    return { link: text, statedSize };
  }
}

/** @param {string} words */
function showProblem(words) {
  const problem = byId("problem");
  problem.hidden = words === "";
  problem.textContent = words;
}

async function showLink() {
  const { link, statedSize } = linkInAddress();
  showProblem("");
  byId("file").hidden = true;
  if (link === "") return;
  field.value = link;
  byId("paste").hidden = true;
  button.disabled = true;
  byId("status").textContent = "Looking at the link …";
  try {
    const answer = await fetch(new URL("api/link/look", ROOT), {
      ...{ method: "POST", body: JSON.stringify({ link }) },
      headers: { "Content-Type": "application/json" },
    });
    if (!answer.ok) throw new Error(await problemIn(answer));
    const { name, size = statedSize } = await answer.json();
    byId("file").hidden = false;
    byId("file-name").textContent = name;
    byId("file-size").textContent = size === undefined ? "" : formatBytes(size);
    document.title = `${name} · relay-p2p`;
    button.disabled = false;
    button.focus();
  } catch (error) {
    showProblem(
      error instanceof TypeError
        ? "The gateway cannot be reached."
        : error instanceof Error
        ? error.message
        : String(error),
    );
  }
  byId("status").textContent = "";
}

let pressedAt = -Infinity;

form.addEventListener("submit", (event) => {
  const { timeStamp } = event;
  const isDoubleClick = timeStamp - pressedAt < DOUBLE_CLICK_MS;
  pressedAt = timeStamp;
  if (isDoubleClick) return event.preventDefault();
  byId("status").textContent =
    "The download begins. If it stops, its progress and reason are in your browser's downloads.";
});
addEventListener("hashchange", showLink);
document.documentElement.classList.add("scripted");
showLink();
