/**
 * The options that name relays in place of the word RELAY.
 *
 * @module
 */

import type { ClientCommand, OptionTable } from "./option_spec.ts";
import * as values from "./values.ts";

const PEERS = ["node", "client"] as const;

/** Their rows in the table of options; `commands` are those that ask a relay. */
export function relayRows(commands: readonly ClientCommand[]) {
  return {
    relay: {
      roles: PEERS,
      commands,
      value: "ADDRESS",
      isRepeated: true,
      parse: values.relays,
      help: "use this relay (or 'ADDRESS TOKEN_FILE'); repeatable",
    },
    relays: {
      roles: PEERS,
      commands,
      value: "FILE",
      names: "file",
      help: "use the relays in this file, one a line",
    },
  } as const satisfies OptionTable;
}
