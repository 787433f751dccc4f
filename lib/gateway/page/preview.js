// @ts-check
/// <reference lib="dom" />
/**
 * One file: its picture, sound, film or text, its properties, a download and a
 * link to share.
 */

import { byId, h, icon, problemIn, ROOT } from "./dom.js";
import {
  fileUrl,
  formatBytes,
  formatCount,
  formatDate,
  kindOf,
} from "./formats.js";
import { showAddress } from "./share.js";

/** @typedef {import("./finder.js").Row} Row */

/** How much of a text is shown. */
const TEXT_BYTES = 65_536;

export class Preview {
  #dialog = /** @type {HTMLDialogElement} */ (byId("preview"));
  #parts;
  #index = 0;
  #isShown = false;
  #stop = new AbortController();

  /**
   * @param {object} parts
   * @param {(index: number, by: 1 | -1) => { row: Row, index: number } | undefined} parts.step
   * @param {(index: number) => void} parts.closed
   */
  constructor(parts) {
    this.#parts = parts;
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#close();
    });
    this.#dialog.addEventListener("close", () => {
      // The event may come after the next file was opened.
      if (!this.#dialog.open) this.#close();
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#close();
    });
    this.#dialog.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Whether a file is shown. */
  get isOpen() {
    return this.#dialog.open;
  }

  /**
   * @param {Row} row
   * @param {number} index
   */
  show(row, index) {
    this.#empty();
    this.#index = index;
    const { name } = row;
    const slash = name.lastIndexOf("/") + 1;
    const close = h("button", { type: "button", class: "quiet" });
    close.append(icon("close"), h("span", { class: "unseen" }, "Close"));
    close.addEventListener("click", () => this.#close());
    const url = fileUrl(name, ROOT);
    const download = h("a", {
      ...{ class: "button main", href: `${url}?download`, download: true },
    });
    download.append(icon("download"), "Download");
    const place = h("div", { class: "stage" });
    const shared = h("div", { class: "shared", hidden: true });
    const share = h("button", { type: "button", "aria-expanded": "false" });
    share.append(icon("link"), "Link");
    share.addEventListener("click", () => {
      shared.hidden = !shared.hidden;
      share.setAttribute("aria-expanded", String(!shared.hidden));
      if (!shared.hidden && shared.childElementCount === 0) {
        showAddress(url, { place: shared, signal: this.#stop.signal });
      }
    });
    this.#dialog.replaceChildren(
      h(
        "header",
        {},
        h(
          "h2",
          { id: "preview-name", title: name },
          slash > 0 ? h("span", { class: "in" }, name.slice(0, slash)) : "",
          h("span", { class: "base" }, name.slice(slash)),
        ),
        this.#stepButton(-1, "Previous file", "left"),
        this.#stepButton(1, "Next file", "right"),
        close,
      ),
      place,
      h(
        "footer",
        {},
        properties(row),
        h("div", { class: "actions" }, share, download),
        shared,
      ),
    );
    this.#isShown = true;
    if (!this.#dialog.open) this.#dialog.showModal();
    download.focus();
    this.#fill(place, name, url);
  }

  /**
   * @param {1 | -1} by
   * @param {string} words
   * @param {string} symbol
   */
  #stepButton(by, words, symbol) {
    const button = h("button", { type: "button", class: "quiet step" });
    button.append(icon(symbol), h("span", { class: "unseen" }, words));
    button.addEventListener("click", () => this.#step(by));
    return button;
  }

  /** @param {1 | -1} by */
  #step(by) {
    const next = this.#parts.step(this.#index, by);
    if (next !== undefined) this.show(next.row, next.index);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { target, key } = event;
    const isPlaying = target instanceof HTMLMediaElement;
    const isTyping = target instanceof HTMLInputElement ||
      target instanceof HTMLPreElement;
    if (isPlaying || isTyping) return; // its own keys
    if (key === "ArrowLeft") this.#step(-1);
    if (key === "ArrowRight") this.#step(1);
  }

  /**
   * Closes at once. The browser's event comes later; moving the focus then would
   * disturb somebody who types.
   */
  #close() {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#dialog.close();
    this.#empty();
    this.#parts.closed(this.#index);
  }

  /** Aborts requests, so that no hidden film is fetched. */
  #empty() {
    this.#stop.abort();
    this.#stop = new AbortController();
    for (const media of this.#dialog.querySelectorAll("video, audio")) {
      if (!(media instanceof HTMLMediaElement)) continue;
      media.pause();
      media.removeAttribute("src");
      media.load();
    }
    for (const picture of this.#dialog.querySelectorAll("img")) {
      picture.removeAttribute("src");
    }
    this.#dialog.replaceChildren();
  }

  /**
   * @param {HTMLElement} place
   * @param {string} name
   * @param {string} url
   */
  #fill(place, name, url) {
    const kind = kindOf(name);
    const { signal } = this.#stop;
    const base = name.slice(name.lastIndexOf("/") + 1);
    if (kind === "text") return void showText(place, url, signal);
    if (kind === "file") {
      place.append(
        h(
          "p",
          { class: "calm" },
          icon("file"),
          "There is no preview of this kind of file.",
        ),
      );
      return;
    }
    const element = kind === "picture"
      ? h("img", { src: url, alt: base })
      : h(kind === "film" ? "video" : "audio", {
        ...{ src: url, controls: true, preload: "metadata", playsinline: true },
        "aria-label": base,
      });
    element.addEventListener("error", async () => {
      if (signal.aborted) return;
      const why = await failureOf(url, signal);
      if (signal.aborted) return;
      place.replaceChildren(alertBox(
        why ??
          "This browser cannot show it. Download it, and open it with another program.",
      ));
    });
    place.classList.add(kind);
    place.append(element);
  }
}

/** @param {Row} row */
function properties({ size, modifiedMs, nodes, mark }) {
  const entries = [
    [
      "Size",
      `${formatBytes(size)}${
        size < 1000 ? "" : ` (${formatCount(size)} bytes)`
      }`,
    ],
    ["Modified", formatDate(modifiedMs)],
    ["On", nodes.join(", ")],
  ];
  if (mark === "only") entries.push(["Note", "only this node has the file"]);
  if (mark === "differs") {
    entries.push(["Note", "nodes have different contents under this name"]);
  }
  return h(
    "dl",
    {},
    ...entries.map(([term, words]) =>
      h("div", {}, h("dt", {}, term), h("dd", {}, words))
    ),
  );
}

/** @param {string} words */
function alertBox(words) {
  return h("pre", { class: "alert", role: "alert" }, words);
}

/**
 * @param {HTMLElement} place
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function showText(place, url, signal) {
  place.classList.add("text");
  try {
    const answer = await fetch(url, {
      ...{ signal, cache: "no-cache" },
      headers: { Range: `bytes=0-${TEXT_BYTES - 1}` },
    });
    if (!answer.ok) {
      const words = answer.status === 416
        ? "The file is empty."
        : await problemIn(answer);
      return place.replaceChildren(alertBox(words));
    }
    const bytes = await firstBytes(answer);
    const text = new TextDecoder().decode(bytes);
    place.replaceChildren(
      h("pre", { tabindex: 0, "aria-label": "Text" }, text),
    );
    const [, whole] = /\/(\d+)$/.exec(
      answer.headers.get("content-range") ?? "",
    ) ?? [];
    if (Number(whole) > TEXT_BYTES) {
      place.append(
        h(
          "p",
          { class: "more" },
          `The first ${formatBytes(TEXT_BYTES)} of ${
            formatBytes(Number(whole))
          }.`,
        ),
      );
    }
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(alertBox(String(error)));
  }
}

/**
 * Reads the start of an answer, and cancels the rest.
 * @param {Response} answer
 */
async function firstBytes(answer) {
  const bytes = new Uint8Array(TEXT_BYTES);
  let length = 0;
  const reader = answer.body?.getReader();
  while (reader !== undefined && length < TEXT_BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    const part = value.subarray(0, TEXT_BYTES - length);
    bytes.set(part, length);
    length += part.length;
  }
  await reader?.cancel();
  return bytes.subarray(0, length);
}

/**
 * Why a file cannot be fetched; undefined if the browser alone refuses it.
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function failureOf(url, signal) {
  try {
    const answer = await fetch(url, {
      signal,
      headers: { Range: "bytes=0-0" },
    });
    if (!answer.ok) return await problemIn(answer);
    await answer.body?.cancel();
    return undefined;
  } catch {
    return "The gateway cannot be reached.";
  }
}
