/**
 * The options of a client that gives others what it fetches.
 *
 * @module
 */

import type { OptionTable } from "./option_spec.ts";
import * as values from "./values.ts";

/** Their rows in the table of options. */
export const SWARM_ROWS = {
  swarm: {
    roles: ["client"],
    commands: ["get", "doctor"],
    help: "exchange pieces with others that fetch the same",
  },
  "limit-upload": {
    roles: ["client"],
    commands: ["get"],
    value: "RATE",
    parse: values.rate,
    help: "with --swarm, most bytes per second to give",
  },
  linger: {
    roles: ["client"],
    commands: ["get"],
    value: "TIME",
    parse: values.durationOrNone,
    default: "30s at a terminal",
    help: "with --swarm, how long to serve after saving",
  },
} as const satisfies OptionTable;
