// @ts-check
/// <reference lib="webworker" />
/**
 * Holds the list of files beside the page, so that no work on 100,000 names
 * stops it. The page asks for views and for some rows of them.
 */

import { Finder } from "./finder.js";

/**
 * @typedef {import("./finder.js").Wanted} Wanted
 * @typedef {import("./finder.js").Row} Row
 * @typedef {{ kind: "view", id: number, wanted: Wanted } | { kind: "rows", id: number, from: number, to: number } | { kind: "refresh" }} Ask
 * @typedef {{ kind: "view", id: number, count: number, files: number, folders: number, bytes: number, marks: { only: number, differs: number }, rows: Row[] }} ViewTold
 * @typedef {{ kind: "rows", id: number, from: number, rows: Row[] }} RowsTold
 * @typedef {{ kind: "list", complete: boolean, files: number, nodes: number, ageMs: number, problem: string }} ListTold
 */

const FIRST_ROWS = 100;
const AGAIN_MS = 5_000;
const REFRESH_MS = 30_000;
/** Where the age of a list stands in it. */
const HEAD = 1_000;
const FILES = new URL("../api/files", import.meta.url);

const finder = new Finder();
/** @type {{ id: number, view: import("./finder.js").View } | undefined} */
let shown;
/** @type {{ id: number, wanted: Wanted } | undefined} */
let asked;
let isLoaded = false;
/** The list as it came, without its age. */
let listed = "";
let complete = true;
let nodes = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {ViewTold | RowsTold | ListTold} told */
function tell(told) {
  postMessage(told);
}

const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const paused = [];
port1.onmessage = () => paused.shift()?.();

/**
 * Lets messages in that have come meanwhile. A timer would wait four
 * milliseconds each time.
 */
function pause() {
  /** @type {Promise<void>} */
  const over = new Promise((resolve) => void paused.push(resolve));
  port2.postMessage(undefined);
  return over;
}

async function show() {
  if (asked === undefined || !isLoaded) return;
  const { id, wanted } = asked;
  const steps = finder.view(wanted);
  let step = steps.next();
  while (!step.done) {
    await pause();
    if (asked.id !== id) return; // somebody has typed on
    step = steps.next();
  }
  const view = step.value;
  shown = { id, view };
  const { count, files, folders, bytes, marks } = view;
  const rows = view.rows(0, FIRST_ROWS);
  tell({ kind: "view", id, count, files, folders, bytes, marks, rows });
}

async function refresh() {
  clearTimeout(timer);
  let next = REFRESH_MS;
  try {
    const answer = await fetch(FILES, { cache: "no-cache" });
    if (!answer.ok) throw new Error(await answer.text());
    const text = await answer.text();
    const [age = "", ageMs] = /"ageMs":(\d+)/.exec(text.slice(0, HEAD)) ?? [];
    const now = text.replace(age, "");
    // A list that stayed as it was is not sorted again: people may be typing.
    const isNew = now !== listed;
    if (isNew) {
      /** @type {import("./finder.js").FileList} */
      const list = JSON.parse(text);
      finder.load(list);
      [listed, complete, nodes] = [now, list.complete, list.nodes.length];
    }
    isLoaded = true;
    tell({
      ...{ kind: "list", complete, ageMs: Number(ageMs) },
      ...{ files: finder.count, nodes, problem: "" },
    });
    if (isNew) await show();
  } catch (error) {
    const problem = error instanceof Error ? error.message.trim() : "";
    const files = finder.count;
    next = AGAIN_MS;
    tell({ kind: "list", complete: true, ageMs: 0, files, nodes: 0, problem });
  }
  timer = setTimeout(refresh, next);
}

/** @param {MessageEvent<Ask>} event */
onmessage = ({ data }) => {
  if (data.kind === "refresh") return void refresh();
  if (data.kind === "view") {
    asked = data;
    return void show();
  }
  if (shown?.id !== data.id) return; // of a view that is gone
  const { id, from, to } = data;
  tell({ kind: "rows", id, from, rows: shown.view.rows(from, to) });
};

refresh();
