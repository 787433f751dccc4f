/**
 * The options of a relay that is one of several instances.
 *
 * @module
 */

import type { OptionTable } from "./option_spec.ts";
import * as values from "./values.ts";

/** Their rows in the table of options. */
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
