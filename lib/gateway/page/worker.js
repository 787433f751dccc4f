// @ts-check
/// <reference lib="webworker" />
/**
 * Holds the list of files beside the page, so that no work on 100,000 names
 * stops it. The page asks for views and for some rows of them.
 */

import { Finder } from "./finder.js";
import { readList } from "./list_text.js";

/**
 * @typedef {import("./finder.js").Wanted} Wanted
 * @typedef {import("./finder.js").Row} Row
 * @typedef {{ kind: "view", id: number, wanted: Wanted } | { kind: "rows", id: number, from: number, to: number } | { kind: "refresh" }} Ask
 * @typedef {{ kind: "view", id: number, count: number, files: number, folders: number, bytes: number, marks: { only: number, differs: number }, on: string, rows: Row[] }} ViewTold
 * @typedef {{ kind: "rows", id: number, from: number, rows: Row[] }} RowsTold
 * @typedef {{ kind: "list", complete: boolean, files: number, nodes: number, ageMs: number, problem: string }} ListTold
 */

const FIRST_ROWS = 60;
const AGAIN_MS = 5_000;
const REFRESH_MS = 30_000;
/** Where the age of a list stands in it. */
const HEAD = 1_000;
/**
 * A search that nobody sees: the first is slow, until its code is compiled.
 * @type {Wanted}
 */
const WARMING = {
  ...{
    query: "e",
    folder: "",
    column: "",
    descending: false,
    mark: "",
    node: "",
  },
};
const FILES = new URL("../api/files", import.meta.url);

const finder = new Finder();
/** @type {{ id: number, view: import("./finder.js").View } | undefined} */
let shown;
/** @type {{ id: number, wanted: Wanted } | undefined} */
let asked;
/** Counts what is shown; only the newest is finished. */
let turns = 0;
let isLoaded = false;
let isRefreshing = false;
/** The list as it arrived, without its age. */
let listed = "";
let complete = true;
/** Why the list is not newer. */
let stale = "";
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
 * Handles messages that have arrived in the meantime. A timer would wait four
 * milliseconds each time.
 */
function pause() {
  /** @type {Promise<void>} */
  const over = new Promise((resolve) => void paused.push(resolve));
  port2.postMessage(undefined);
  return over;
}

/**
 * Goes through steps to their end, and lets messages in between two of them.
 * @template T
 * @param {Generator<void, T>} steps
 * @param {() => boolean} [isWanted] asked after each pause
 * @returns {Promise<T | undefined>} nothing if it is not wanted any more
 */
async function finish(steps, isWanted = () => true) {
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    await pause();
    if (!isWanted()) return undefined;
  }
}

async function show() {
  if (asked === undefined || !isLoaded) return;
  const { id, wanted } = asked;
  const turn = ++turns;
  const view = await finish(finder.view(wanted), () => turn === turns);
  if (view === undefined) return; // somebody has typed on, or the list is new
  shown = { id, view };
  const { count, files, folders, bytes, marks, on } = view;
  const rows = view.rows(0, FIRST_ROWS);
  tell({ kind: "view", id, count, files, folders, bytes, marks, on, rows });
}

/** @param {string} text */
async function load(text) {
  const list = await finish(readList(text));
  if (list === undefined) return;
  await finish(finder.load(list));
  turns++; // a view of the list before is worth nothing now
  [complete, nodes] = [list.complete, list.nodes.length];
  stale = list.problem ?? "";
}

async function refresh() {
  if (isRefreshing) return;
  isRefreshing = true;
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
    if (isNew) await load(text);
    listed = now;
    isLoaded = true;
    tell({
      ...{ kind: "list", complete, ageMs: Number(ageMs) },
      ...{ files: finder.count, nodes, problem: stale },
    });
    if (isNew) {
      await show();
      await finish(finder.view(WARMING));
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message.trim() : "";
    const files = finder.count;
    next = AGAIN_MS;
    tell({ kind: "list", complete: true, ageMs: 0, files, nodes: 0, problem });
  }
  isRefreshing = false;
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
