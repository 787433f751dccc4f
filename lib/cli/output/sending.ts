/**
 * Formats who fetches a sent file, and how far that is. Pure.
 *
 * @module
 */

import { show } from "../../base/text.ts";
import type { ReceiverProgress } from "../../node/receivers.ts";
import {
  barPart,
  fixed,
  formatBytes,
  formatPart,
  formatParts,
  namePart,
  percentOf,
} from "./progress.ts";

/** Options of {@linkcode formatSending}. */
export interface FormatSendingOptions {
  readonly columns: number;
  /** How many others fetch something too. */
  readonly others: number;
}

/** One line of at most `columns` about one receiver. */
export function formatSending(
  { name, to, bytes, total, ms }: ReceiverProgress,
  { columns, others }: FormatSendingOptions,
): string {
  const part = total === 0 ? 0 : bytes / total;
  return formatParts([
    namePart(2, show(name)),
    fixed(4, `to ${show(to)}`),
    barPart(5, part),
    fixed(0, percentOf(part)),
    fixed(3, formatPart({ received: bytes, total, isWhole: true }, " of ")),
    fixed(1, rateIn(bytes, ms)),
    fixed(6, others > 0 ? `+${others}` : ""),
  ], columns);
}

/** A line about a complete fetch. */
export function formatFetched(
  { name, to, total, ms }: ReceiverProgress,
  left: number,
): string {
  const rate = rateIn(total, ms);
  const time = `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const average = rate === "" ? "" : ` (${rate})`;
  const size = formatBytes(total);
  return `sent ${show(name)} to ${show(to)}: ${size} in ${time}${average}, ` +
    leftInWords(left);
}

function leftInWords(left: number): string {
  if (left === 0) return "the last fetch";
  return `${left} ${left === 1 ? "fetch" : "fetches"} left`;
}

/** The average rate; empty while it is not known. */
function rateIn(bytes: number, ms: number): string {
  return ms > 0 ? `${formatBytes(bytes / (ms / 1_000))}/s` : "";
}
