/**
 * The events of `--json`, one schema each: the only description there is of what
 * the scripts print. `docs/EVENTS.md` and `docs/events.schema.json` are written
 * from here, and a test holds what the scripts print to it.
 *
 * @module
 */

import { type TObject, Type } from "@sinclair/typebox";
import { FETCHING } from "./cli/events/_fetching.ts";
import { type EventName, type EventSpec, object } from "./cli/events/_parts.ts";
import { PROGRAMS } from "./cli/events/_programs.ts";
import { REACHING } from "./cli/events/_reaching.ts";
import { SERVING } from "./cli/events/_serving.ts";

export type { EventName, EventSpec };

/** All events, by name, in the order of the document. */
export const EVENTS: Readonly<Record<EventName, EventSpec>> = {
  ...SERVING,
  ...REACHING,
  ...FETCHING,
  ...PROGRAMS,
};

/** The schema of one event, nothing but its fields allowed. */
export function schemaOf(event: EventName): TObject {
  const { says, fields } = EVENTS[event];
  return object(
    { v: Type.Literal(1), event: Type.Literal(event), ...fields },
    says,
  );
}
