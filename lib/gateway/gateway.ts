/**
 * What the routes of a gateway share.
 *
 * @module
 */

import type { Guard } from "./guard.ts";
import type { FileSource } from "./file_source.ts";
import type { LinkGate } from "./link_gate.ts";
import type { Login } from "./login.ts";
import type { Lists } from "./lists.ts";
import type { Transfers } from "./transfers.ts";

/** The parts of a running gateway. */
export interface Gateway extends Guard {
  readonly lists: Lists;
  readonly source: FileSource;
  readonly transfers: Transfers;
  readonly login: Login;
  /** Opens links. */
  readonly links: LinkGate;
  /** Entries on a page of a folder. */
  readonly pageEntryCount: number;
}
