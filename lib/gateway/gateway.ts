/**
 * What the routes of a gateway share.
 *
 * @module
 */

import type { FileSource } from "./file_source.ts";
import type { Lists } from "./lists.ts";
import type { Transfers } from "./transfers.ts";

/** The parts of a running gateway. */
export interface Gateway {
  readonly lists: Lists;
  readonly source: FileSource;
  readonly transfers: Transfers;
  /** Entries on a page of a folder. */
  readonly pageEntryCount: number;
}
