// @ts-check
/// <reference lib="dom" />
/**
 * A link in a browser. It stands in the fragment of the address, which no
 * browser sends and no server logs. To look at it spends no use; the button
 * does.
 */

import { byId, problemIn, ROOT } from "./dom.js";
import { formatBytes } from "./formats.js";

const field = /** @type {HTMLTextAreaElement} */ (byId("link"));
const form = /** @type {HTMLFormElement} */ (byId("open"));
const button = /** @type {HTMLButtonElement} */ (byId("press"));

// A second press within this belongs to the first, as of a double click.
const DOUBLE_MS = 1_000;

/** The link in the address, and the size that its sender put behind it. */
function linkInAddress() {
  const [, text = "", size] = /^#(.*?)(?:(?:,|%2C)size(?:=|%3D)(\d+))?$/is.exec(
    location.hash,
  ) ?? [];
  const said = size === undefined ? undefined : Number(size);
  try {
    const link = text.includes("/") ? text : decodeURIComponent(text);
    return { link, said };
  } catch {
    return { link: text, said };
  }
}

/** @param {string} words */
function complain(words) {
  const problem = byId("problem");
  problem.hidden = words === "";
  problem.textContent = words;
}

async function look() {
  const { link, said } = linkInAddress();
  complain("");
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
    const { name, size = said } = await answer.json();
    byId("file").hidden = false;
    byId("file-name").textContent = name;
    byId("file-size").textContent = size === undefined ? "" : formatBytes(size);
    document.title = `${name} · relay-p2p`;
    button.disabled = false;
    button.focus();
  } catch (error) {
    complain(
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
  const isSecond = timeStamp - pressedAt < DOUBLE_MS;
  pressedAt = timeStamp;
  if (isSecond) return event.preventDefault();
  byId("status").textContent =
    "The download begins. If it stops, its progress and reason are in your browser's downloads.";
});
addEventListener("hashchange", look);
document.documentElement.classList.add("scripted");
look();
