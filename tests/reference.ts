/**
 * Writes the parts of the documents that come from the tables of the program.
 * `deno task reference`.
 */

import {
  EVENTS_START,
  eventsSchema,
  eventsText,
  REFERENCE,
} from "./_reference.ts";
import { floorPlan, modulesBelow, PICTURE, SCRIPTS } from "./_rooms.ts";

/** Replaces the rows of the table that begins with `header`. */
function withRows(
  document: string,
  header: string,
  rows: readonly string[],
): string {
  const lines = document.split("\n");
  const at = lines.findIndex((line) => line.startsWith(header));
  if (at < 0) throw new Error(`no table ${header}`);
  let end = at + 2;
  while (lines[end]?.startsWith("|")) end++;
  return [...lines.slice(0, at + 2), ...rows, ...lines.slice(end)].join("\n");
}

let reference = await Deno.readTextFile(REFERENCE.path);
for (const [header, rows] of Object.entries(REFERENCE.tables)) {
  reference = withRows(reference, header, rows);
}
await Deno.writeTextFile(REFERENCE.path, reference);

const events = await Deno.readTextFile("docs/EVENTS.md");
const start = events.indexOf(EVENTS_START);
if (start < 0) throw new Error("no list of events");
await Deno.writeTextFile(
  "docs/EVENTS.md",
  `${events.slice(0, start)}${EVENTS_START}\n${eventsText()}`,
);
await Deno.writeTextFile("docs/events.schema.json", eventsSchema());

const plan = "docs/ARCHITECTURE.md";
const picture = floorPlan([...modulesBelow("lib"), ...SCRIPTS]);
await Deno.writeTextFile(
  plan,
  (await Deno.readTextFile(plan)).replace(PICTURE, () => picture),
);
