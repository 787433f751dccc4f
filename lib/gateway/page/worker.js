// @ts-check
/// <reference lib="webworker" />
/**
 * Keeps the list of files in a worker, so that work on 100,000 names does not
 * block the page. The page requests views, and rows of a view.
 */

import { Finder } from "./finder.js";
import { readList } from "./list_text.js";

/**
 * @typedef {import("./finder.js").Wanted} Wanted
 * @typedef {import("./finder.js").Row} Row
 * @typedef {{ kind: "view", id: number, wanted: Wanted } | { kind: "rows", id: number, from: number, to: number } | { kind: "refresh" }} Request
 * @typedef {{ kind: "view", id: number, count: number, files: number, folders: number, bytes: number, marks: { only: number, differs: number }, on: string, rows: Row[] }} ViewMessage
 * @typedef {{ kind: "rows", id: number, from: number, rows: Row[] }} RowsMessage
 * @typedef {{ kind: "list", complete: boolean, files: number, nodes: number, ageMs: number, problem: string }} ListMessage
 */

const FIRST_ROWS = 60;
const RETRY_MS = 5_000;
const REFRESH_MS = 30_000;
/** The age of a list is within its first characters. */
const HEAD_LENGTH = 1_000;
/**
 * A view that is computed and not shown, so that V8 compiles the code of a
 * search before the first real one.
 * @type {Wanted}
 */
const WARM_UP_VIEW = {
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
/** Counts views and loads, so that a view that is out of date stops. */
let generation = 0;
let isLoaded = false;
let isRefreshing = false;
/** The list as it arrived, without its age. */
let listed = "";
let complete = true;
/** Why the list could not be refreshed; empty if it was. */
let refreshProblem = "";
let nodes = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {ViewMessage | RowsMessage | ListMessage} message */
function send(message) {
  postMessage(message);
}

const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const paused = [];
port1.onmessage = () => paused.shift()?.();

/**
 * Handles the messages that have arrived. A timer would wait at least four
 * milliseconds.
 */
function pause() {
  /** @type {Promise<void>} */
  const resumed = new Promise((resolve) => void paused.push(resolve));
  port2.postMessage(undefined);
  return resumed;
}

/**
 * Runs a generator to its end, and handles messages between its steps.
 * @template T
 * @param {Generator<void, T>} steps
 * @param {() => boolean} [isWanted] called after each pause
 * @returns {Promise<T | undefined>} undefined if it stopped being wanted
 */
async function runSteps(steps, isWanted = () => true) {
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    await pause();
    if (!isWanted()) return undefined;
  }
}

async function show() {
  if (asked === undefined || !isLoaded) return;
  const { id, wanted } = asked;
  const current = ++generation;
  const view = await runSteps(
    finder.view(wanted),
    () => current === generation,
  );
  if (view === undefined) return; // a newer query or list has replaced it
  shown = { id, view };
  const { count, files, folders, bytes, marks, on } = view;
  const rows = view.rows(0, FIRST_ROWS);
  send({ kind: "view", id, count, files, folders, bytes, marks, on, rows });
}

/** @param {string} text */
async function load(text) {
  const list = await runSteps(readList(text));
  if (list === undefined) return;
  await runSteps(finder.load(list));
  generation++; // views of the previous list are out of date
  [complete, nodes] = [list.complete, list.nodes.length];
  refreshProblem = list.problem ?? "";
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
    const [age = "", ageMs] =
      /"ageMs":(\d+)/.exec(text.slice(0, HEAD_LENGTH)) ?? [];
    const now = text.replace(age, "");
    // An unchanged list is not sorted again: that would slow down typing.
    const isNew = now !== listed;
    if (isNew) await load(text);
    listed = now;
    isLoaded = true;
    send({
      ...{ kind: "list", complete, ageMs: Number(ageMs) },
      ...{ files: finder.count, nodes, problem: refreshProblem },
    });
    if (isNew) {
      await show();
      await runSteps(finder.view(WARM_UP_VIEW));
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message.trim() : "";
    const files = finder.count;
    next = RETRY_MS;
    send({ kind: "list", complete: true, ageMs: 0, files, nodes: 0, problem });
  }
  isRefreshing = false;
  timer = setTimeout(refresh, next);
}

/** @param {MessageEvent<Request>} event */
onmessage = ({ data }) => {
  if (data.kind === "refresh") return void refresh();
  if (data.kind === "view") {
    asked = data;
    return void show();
  }
  if (shown?.id !== data.id) return; // rows of a view that was replaced
  const { id, from, to } = data;
  send({ kind: "rows", id, from, rows: shown.view.rows(from, to) });
};

refresh();
