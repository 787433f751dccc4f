/**
 * The options of those that work together: of clients that give others what they
 * fetch, and of the instances of one relay.
 *
 * @module
 */

import type { OptionTable } from "./option_spec.ts";
import * as values from "./values.ts";

/** The rows of clients in a swarm. */
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

/** The rows of a relay that is one of several instances. */
export const CLUSTER_ROWS = {
  cluster: {
    roles: ["relay"],
    value: "URL",
    help: "be one of several instances that meet in this Redis",
  },
  "cluster-file": {
    roles: ["relay"],
    value: "FILE",
    names: "file",
    help: "read that URL, with its password, from this file",
  },
  "advertise-instance": {
    roles: ["relay"],
    value: "HOST:PORT",
    parse: values.endpoint,
    help: "with --cluster, where this instance alone is dialled",
  },
} satisfies OptionTable;
