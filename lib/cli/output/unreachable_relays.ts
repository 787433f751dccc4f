/**
 * Reports that no relay answers, and which known nodes the client dials
 * instead.
 *
 * @module
 */

import { counted } from "../../base/text.ts";
import type { ClientEvent } from "../../client/events.ts";

/** The line for the event. */
export function formatUnreachableRelays(
  { nodes, ended, seconds }: ClientEvent & { event: "relays_away" },
): string {
  const ago = agoInWords(seconds);
  if (nodes === 0) {
    return `no relay answers: the grants for ${known(ended)} ${ago} have ended`;
  }
  const more = ended === 0
    ? ""
    : `; the grants for ${ended} more of them have ended`;
  return `no relay answers: dialling ${known(nodes)} ${ago}${more}`;
}

function known(nodes: number): string {
  return `the ${counted(nodes, "node")} known`;
}

/** A length of time in its largest unit, rounded down. */
function agoInWords(seconds: number): string {
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
  }
  return `${seconds} s ago`;
}

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60]] as const;
