/** Formats running and finished fetches of a node. Pure.
 *
 * @module
 */

import { counted, show } from "../../base/text.ts";
import type { FetchTotals, RunningFetch } from "../../node/fetch_types.ts";
import { formatBytes, formatSeconds } from "../../base/units.ts";
import { cutEnd, cutStart, widthOf } from "./width.ts";

/** Options of {@linkcode formatRunning}. */
export interface FormatRunningOptions {
  readonly columns: number;
  /** The most lines. */
  readonly lines: number;
}

/** One line for each fetch; a last line sums up those that do not fit. */
export function formatRunning(
  running: readonly RunningFetch[],
  { columns, lines }: FormatRunningOptions,
): string[] {
  const isCut = running.length > lines;
  const shown = running.slice(0, isCut ? lines - 1 : lines);
  const rows = shown.map((fetch) => formatOne(fetch, columns));
  if (!isCut) return rows;
  const others = running.slice(shown.length);
  const rate = others.reduce(
    (sum, { bytesPerSecond }) => sum + bytesPerSecond,
    0,
  );
  const more = `and ${others.length} more, ${formatBytes(rate)}/s`;
  return [...rows, cutEnd(more, columns)];
}

const LEAST_NAME_COLUMNS = 8;

/** `report.pdf to 192.0.2.7, 12.0 MB/s, 40 %`, with a shorter name if it must. */
function formatOne(fetch: RunningFetch, columns: number): string {
  const { name, files, bytes, size, bytesPerSecond } = fetch;
  const what = name === undefined ? counted(files, "file") : show(name);
  const to = ` to ${show(fetch.to)}`;
  const rate = bytesPerSecond === 0
    ? ", waiting"
    : `, ${formatBytes(bytesPerSecond)}/s`;
  const part = size === undefined || size === 0
    ? ""
    : `, ${percentOf(bytes, size)} %`;
  for (const rest of [`${to}${rate}${part}`, `${to}${part}`, part]) {
    const room = columns - widthOf(rest);
    if (room >= Math.min(LEAST_NAME_COLUMNS, widthOf(what))) {
      return cutStart(what, room) + rest;
    }
  }
  return cutEnd(what, columns);
}

/** At most 99 before the end: some bytes may be sent twice. */
function percentOf(bytes: number, size: number): number {
  return Math.min(99, Math.floor(100 * bytes / size));
}

/** A finished fetch of one file, or of several together. */
export interface SentFiles {
  /** Address of the client; nothing if there were several. */
  readonly to?: string;
  readonly clients?: number;
  /** The file, if it was one. */
  readonly name?: string;
  readonly files?: number;
  readonly bytes: number;
  readonly ms: number;
  /** Bytes of the file, if only part of it was sent. */
  readonly size?: number;
}

// A rate over a shorter time means nothing.
const RATED_MS = 50;

/** `sent report.pdf to 192.0.2.7: 100 MB in 5.00 s (20.0 MB/s)`. */
export function formatSent(sent: SentFiles): string {
  const { to, clients = 1, name, files = 1, bytes, ms, size } = sent;
  const what = name === undefined ? counted(files, "file") : show(name);
  const part = size === undefined ? "" : `${percentOf(bytes, size)} % of `;
  const whom = to === undefined ? counted(clients, "client") : show(to);
  const rate = ms >= RATED_MS
    ? ` (${formatBytes(bytes / (ms / 1_000))}/s)`
    : "";
  return `sent ${part}${what} to ${whom}: ${formatBytes(bytes)} in ` +
    `${formatMs(ms)}${rate}`;
}

function formatMs(ms: number): string {
  if (ms >= 100_000) return formatSeconds(ms / 1_000);
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** Totals of a node from its start to its end. */
export interface NodeSummary extends FetchTotals {
  readonly bytes: number;
  readonly seconds: number;
  /** How often something was refused. */
  readonly refused: readonly { reason: string; count: number }[];
}

/** One line with these totals. */
export function formatSummary(summary: NodeSummary): string {
  const { files, clients, isMore, bytes, seconds, refused } = summary;
  const whom = `${isMore ? "over " : ""}${counted(clients, "client")}`;
  const what = files === 0
    ? "nothing was fetched"
    : `sent ${counted(files, "file")}, ${formatBytes(bytes)}, to ${whom}`;
  const all = refused.reduce((sum, { count }) => sum + count, 0);
  const why = refused.map(({ reason, count }) => `${count} ${reason}`)
    .join(", ");
  const refusals = all === 0 ? "" : `; refused ${all}: ${why}`;
  return `${what}, in ${formatSeconds(seconds)}${refusals}`;
}
