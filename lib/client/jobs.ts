/**
 * What is to be saved: for each name the content that was chosen, from whom, and
 * where to.
 *
 * @module
 */

import type { ContentGroup } from "../choice.ts";
import type { Placed } from "./places.ts";

/** One file to be saved. */
export interface Job extends Placed {
  /** The content that was chosen. */
  readonly group: ContentGroup;
  /** Whether votes alone chose it: it replaces nothing. */
  readonly isVoted: boolean;
  /** What to ask each node for, by its id: a content id or a version. */
  readonly sources: Map<string, string>;
}
