// @ts-check
/// <reference lib="dom" />
/** The sections for nodes and for transfers. */

import { folderUrl } from "./address.js";
import { marked } from "./cells.js";
import { byId, h, icon, ReusedItems, ROOT, svg } from "./dom.js";
import { counted, formatAgo, formatBytes, kindOf } from "./formats.js";
import { Rates } from "./rates.js";

/**
 * @typedef {{ id: string, name: string, host: string, port: number, path: "direct" | "tunnel" | "none", files: number, lastSeenMs: number, error?: string }} NodeInfo
 * @typedef {{ id: number, name: string, size: number, first: number, last: number, sent: number, nodes: string[], state: "running" | "paused" | "done" | "failed" | "cancelled", error?: string }} TransferInfo
 */

const SHOWN_MS = 1_000;
const HIDDEN_MS = 5_000;
const NODES_MS = 5_000;
const PATH_LABELS = {
  direct: "direct",
  tunnel: "through the relay",
  none: "not reached",
};
const STATE_LABELS = {
  running: "running",
  paused: "paused: the reader waits",
  done: "done",
  failed: "failed",
  cancelled: "stopped by the reader",
};

export class Activity {
  #section = "";
  #open;
  #nodes = new ReusedItems(byId("node-list"));
  #transfers = new ReusedItems(byId("transfer-list"));
  #rates = new Rates();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #nodesTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #transfersTimer;

  /** @param {{ open: (node: string) => void }} options `open` shows the files of a node */
  constructor({ open }) {
    this.#open = open;
  }

  /**
   * Keeps a section up to date while it is shown.
   * @param {string} section
   */
  watch(section) {
    if (section === this.#section) return; // called for each key, with no change
    this.#section = section;
    this.#pollTransfers();
    this.#pollNodes();
  }

  async #pollTransfers() {
    clearTimeout(this.#transfersTimer);
    if (!document.hidden) await this.#drawTransfers();
    const isShown = this.#section === "transfers";
    clearTimeout(this.#transfersTimer);
    this.#transfersTimer = setTimeout(
      () => this.#pollTransfers(),
      isShown ? SHOWN_MS : HIDDEN_MS,
    );
  }

  async #pollNodes() {
    clearTimeout(this.#nodesTimer);
    const isShown = this.#section === "nodes";
    if (isShown && !document.hidden) await this.#drawNodes();
    clearTimeout(this.#nodesTimer);
    if (isShown) {
      this.#nodesTimer = setTimeout(() => this.#pollNodes(), NODES_MS);
    }
  }

  async #drawNodes() {
    try {
      const answer = await fetch(new URL("api/nodes", ROOT));
      if (!answer.ok) throw new Error(await answer.text());
      /** @type {{ nodes: NodeInfo[], nowMs?: number }} */
      const { nodes, nowMs = Date.now() } = await answer.json();
      byId("node-summary").textContent = nodes.length === 0
        ? "No node is listed yet. A node appears here as soon as it has started."
        : counted(nodes.length, "node");
      this.#nodes.show(nodes.map((node) => ({
        key: JSON.stringify([node, lastSeen(node, nowMs)]),
        make: () => nodeItem(node, { nowMs, open: this.#open }),
      })));
    } catch (error) {
      byId("node-summary").textContent = `Cannot list nodes: ${
        messageOf(error)
      }`;
    }
  }

  async #drawTransfers() {
    try {
      const answer = await fetch(new URL("api/transfers", ROOT));
      if (!answer.ok) throw new Error(await answer.text());
      /** @type {{ nowMs: number, transfers: TransferInfo[] }} */
      const { nowMs, transfers } = await answer.json();
      this.#rates.add(nowMs, transfers);
      const running = transfers.filter(({ state }) => state === "running");
      const badge = byId("transfer-count");
      badge.hidden = running.length === 0;
      badge.textContent = String(running.length);
      if (this.#section !== "transfers") return;
      byId("rate").textContent = `${formatBytes(this.#rates.now())}/s`;
      byId("rate-from").textContent = formatAgo(this.#rates.spanMs);
      byId("rate-plot").replaceChildren(this.#plot());
      byId("transfer-summary").textContent = transfers.length === 0
        ? "Nothing was fetched yet."
        : `${running.length} running, ${transfers.length} in all`;
      this.#transfers.show(
        runningFirst(transfers).map((transfer) => {
          const rate = this.#rates.of(transfer.id);
          return {
            key: JSON.stringify([transfer, rate]),
            make: () => transferItem(transfer, rate),
          };
        }),
      );
    } catch (error) {
      byId("transfer-summary").textContent = `Cannot list transfers: ${
        messageOf(error)
      }`;
    }
  }

  #plot() {
    const { points, most } = this.#rates.total();
    return plot(
      points,
      most,
      `Bytes a second over the last minutes: now ${
        formatBytes(this.#rates.now())
      }, at most ${formatBytes(most)}`,
    );
  }
}

/**
 * Running transfers first, then the others, each group newest first.
 * @param {readonly TransferInfo[]} transfers
 */
function runningFirst(transfers) {
  /** @param {TransferInfo} transfer */
  const rank = ({ state }) => state === "running" || state === "paused" ? 0 : 1;
  return transfers.toReversed().sort((a, b) => rank(a) - rank(b));
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error && !(error instanceof TypeError)
    ? error.message.trim()
    : "the gateway cannot be reached";
}

/**
 * When a node was last seen, in words.
 * @param {NodeInfo} node
 * @param {number} nowMs
 */
function lastSeen({ lastSeenMs }, nowMs) {
  return lastSeenMs === 0
    ? "never seen"
    : `seen ${formatAgo(nowMs - lastSeenMs)}`;
}

/**
 * @param {NodeInfo} node
 * @param {{ nowMs: number, open: (node: string) => void }} options
 */
function nodeItem(node, { nowMs, open }) {
  const { id, name, host, port, path, files, error } = node;
  const isDirect = path === "direct";
  const link = h(
    "a",
    { href: folderUrl("", id), title: `Show the files of ${name}` },
    name,
  );
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab
    event.preventDefault();
    open(id);
  });
  const item = h(
    "li",
    { class: error === undefined ? "" : "failed" },
    h("h3", {}, link, h("code", { title: id }, id.slice(0, 8))),
    h(
      "p",
      {},
      h(
        "span",
        { class: "way" },
        icon(isDirect ? "direct" : path === "none" ? "close" : "tunnel"),
        PATH_LABELS[path],
      ),
      h("span", {}, counted(files, "file")),
      h(
        "span",
        {},
        lastSeen(node, nowMs),
      ),
      h(
        "span",
        { class: "address" },
        host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
      ),
    ),
  );
  if (error !== undefined) item.append(h("p", { class: "alert" }, error));
  return item;
}

/**
 * @param {TransferInfo} transfer
 * @param {{ points: [number, number][], most: number, now: number }} rate
 */
function transferItem(transfer, { points, most, now }) {
  const { name, size, first, last, sent, nodes, state, error } = transfer;
  const wanted = last - first + 1;
  const part = wanted === size || size === 0
    ? ""
    : `, bytes ${formatBytes(first)} to ${formatBytes(last)}`;
  const words = state === "running"
    ? `${formatBytes(now)}/s`
    : STATE_LABELS[state] ?? state;
  const bar = h("progress", {
    ...{ max: Math.max(1, wanted), value: sent },
    "aria-label": `sent of ${name}`,
  });
  const item = h(
    "li",
    { class: state },
    h(
      "h3",
      {},
      icon(kindOf(name)),
      h("span", { class: "words", title: name }, ...marked(name, [])),
    ),
    most === 0 ? undefined : plot(points, most, `Bytes a second of ${name}`),
    bar,
    h(
      "p",
      {},
      h("b", {}, words),
      h("span", {}, `${formatBytes(sent)} of ${formatBytes(wanted)}${part}`),
      nodes.length > 0 ? h("span", {}, `from ${nodes.join(", ")}`) : undefined,
    ),
  );
  if (error !== undefined) item.append(h("p", { class: "alert" }, error));
  return item;
}

const WIDTH = 600;
const HEIGHT = 100;

/**
 * @param {readonly [number, number][]} points of time from 0 to 1, and value
 * @param {number} most
 * @param {string} label
 */
function plot(points, most, label) {
  const line = points.map(([x, value], index) =>
    `${index === 0 ? "M" : "L"}${(x * WIDTH).toFixed(1)} ${
      (HEIGHT * (1 - (most === 0 ? 0 : value / most))).toFixed(1)
    }`
  ).join("");
  const [from] = points.at(0) ?? [1];
  const [to] = points.at(-1) ?? [1];
  const area = line === ""
    ? ""
    : `${line}L${(to * WIDTH).toFixed(1)} ${HEIGHT}L${
      (from * WIDTH).toFixed(1)
    } ${HEIGHT}Z`;
  return svg(
    "svg",
    {
      ...{ class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
      ...{ preserveAspectRatio: "none", "aria-label": label },
    },
    svg("path", { class: "area", d: area }),
    svg("path", { class: "line", d: line }),
  );
}
