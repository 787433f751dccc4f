/**
 * The options of programs that work together: clients that exchange pieces, the
 * instances of one relay, and a gateway for browsers.
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
    help: "exchange pieces with others that fetch these files",
  },
  "limit-upload": {
    roles: ["client"],
    commands: ["get"],
    value: "RATE",
    parse: values.rate,
    help: "with --swarm, upload limit in bytes per second",
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
    holdsSecret: true,
    help: "be one of several instances that share this Redis",
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
    help: "with --cluster, the address of this one instance",
  },
} satisfies OptionTable;

/** The rows of a gateway, and of links that it opens. */
export const GATEWAY_ROWS = {
  web: {
    roles: ["client"],
    commands: ["link", "send"],
    help: "print an address that opens the link in a browser",
  },
  "gateway-url": {
    roles: ["client"],
    commands: ["link", "send"],
    value: "URL",
    parse: values.gatewayUrl,
    help: "with --web, the gateway's address for other people",
  },
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
    help: "token (any text) that browsers must give",
  },
  "gateway-host": {
    roles: ["client"],
    commands: ["gateway"],
    value: "NAME",
    isRepeated: true,
    parse: values.lines,
    help: "also accept this host name; repeatable",
  },
  "gateway-cors": {
    roles: ["client"],
    commands: ["gateway"],
    value: "ORIGIN",
    isRepeated: true,
    parse: values.lines,
    help: "let scripts of this site read; repeatable",
  },
  "gateway-plaintext": {
    roles: ["client"],
    commands: ["gateway"],
    help: "allow other machines without encryption",
  },
} as const satisfies OptionTable;
