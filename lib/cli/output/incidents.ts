/**
 * Puts incidents with strangers into words.
 *
 * @module
 */

import { describeCause } from "../../base/errors.ts";
import type { IncidentEvent } from "../../guard/incidents.ts";
import { show } from "../../base/text.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Prints one incident to stderr. A node knows the address of a client in a
 * tunnel only from the relay, so the address too may be a stranger's text.
 */
export function printIncident(event: IncidentEvent, terminal: Terminal): void {
  switch (event.event) {
    case "refused":
      terminal.note(
        `refused ${show(event.from)}: ${event.reason}${timesOf(event)}`,
      );
      break;
    case "connection_failed":
      terminal.note(
        `connection of ${show(event.from)} failed: ` +
          describeCause(event.error),
      );
      break;
    case "accept_stalled":
      terminal.note(
        `cannot accept connections: ${event.why}${timesOf(event)}`,
      );
      break;
    default:
      event satisfies never;
  }
}

function timesOf({ count }: { count: number }): string {
  return count === 1 ? "" : `, ${count} times`;
}
