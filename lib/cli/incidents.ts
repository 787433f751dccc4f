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
    case "refused": {
      const times = event.count === 1 ? "" : `, ${event.count} times`;
      terminal.note(`refused ${event.from}: ${event.reason}${times}`);
      break;
    }
    case "connection_failed":
      terminal.note(
        `connection of ${event.from} failed: ${describeCause(event.error)}`,
      );
      break;
    case "accept_stalled":
      terminal.note(`cannot accept connections: ${event.why}`);
      break;
    default:
      event satisfies never;
  }
}
