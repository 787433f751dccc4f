/**
 * Formats a fetch of a file that `send` shares. Pure.
 *
 * @module
 */

import type { ReceiverProgress } from "../../node/receivers.ts";
import { formatSent } from "./fetches.ts";

/** A line about a complete fetch, and how many are left. */
export function formatFetched(
  { name, to, total, ms }: ReceiverProgress,
  left: number,
): string {
  const sent = formatSent({ name, to, bytes: total, ms });
  return `${sent}, ${leftInWords(left)}`;
}

function leftInWords(left: number): string {
  if (left === 0) return "the last fetch";
  return `${left} ${left === 1 ? "fetch" : "fetches"} left`;
}
