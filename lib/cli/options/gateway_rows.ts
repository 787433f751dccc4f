/**
 * The options of a gateway.
 *
 * @module
 */

import type { OptionTable } from "./option_spec.ts";
import * as values from "./values.ts";

/** Their rows in the table of options. */
export const GATEWAY_ROWS = {
  cert: {
    roles: ["client"],
    commands: ["gateway"],
    value: "FILE",
    names: "file",
    help: "certificate of the gateway (PEM), for https",
  },
  key: {
    roles: ["client"],
    commands: ["gateway"],
    value: "FILE",
    names: "file",
    help: "private key of that certificate (PEM)",
  },
  "gateway-token-file": {
    roles: ["client"],
    commands: ["gateway"],
    value: "FILE",
    names: "file",
    help: "what browsers and players must show; any text",
  },
  "gateway-host": {
    roles: ["client"],
    commands: ["gateway"],
    value: "NAME",
    isRepeated: true,
    parse: values.lines,
    help: "name that leads to the gateway; repeat it for others",
  },
  "gateway-plaintext": {
    roles: ["client"],
    commands: ["gateway"],
    help: "let other machines connect in the clear",
  },
} as const satisfies OptionTable;
