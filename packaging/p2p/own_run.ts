/**
 * What a command of `p2p` is given.
 *
 * @module
 */

import type { RoleContext } from "../../lib/cli/roles/role.ts";
import type { Places } from "./places.ts";

/** A command that was typed. */
export interface OwnRun {
  readonly context: RoleContext;
  /** The words after the command. */
  readonly words: readonly string[];
  readonly places: Places;
}
