/**
 * What goes wrong with strangers, in words.
 *
 * @module
 */

import { describeCause } from "../errors.ts";
import type { IncidentEvent } from "../incidents.ts";
import type { Terminal } from "./terminal.ts";

/** Notes one incident on stderr. */
export function tellIncident(event: IncidentEvent, terminal: Terminal): void {
  switch (event.event) {
    case "refused":
      terminal.note(`refused ${event.from}: ${event.reason}${timesOf(event)}`);
      break;
    case "connection_failed":
      terminal.note(
        `connection of ${event.from} failed: ${describeCause(event.error)}`,
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
