import { assertEquals } from "@std/assert";
import {
  EVENTS_START,
  eventsSchema,
  eventsText,
  REFERENCE,
} from "../_reference.ts";

/** Text without what a formatter may change. */
function plain(text: string): string {
  return text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ").trim();
}

const REMEDY = "run deno task reference";

for (const [header, rows] of Object.entries(REFERENCE.tables)) {
  Deno.test(`docs/REFERENCE.md has the table "${header}" as the program has it`, async () => {
    const lines = (await Deno.readTextFile(REFERENCE.path)).split("\n");
    const at = lines.findIndex((line) => line.startsWith(header));
    const after = lines.slice(at + 2);
    const end = after.findIndex((line) => !line.startsWith("|"));
    assertEquals(after.slice(0, end).map(plain), rows.map(plain), REMEDY);
  });
}

Deno.test("docs/EVENTS.md describes every event as its schema does", async () => {
  const document = await Deno.readTextFile("docs/EVENTS.md");
  const [, events = ""] = document.split(EVENTS_START);
  assertEquals(plain(events), plain(eventsText()), REMEDY);
});

Deno.test("docs/events.schema.json is the schema of the events", async () => {
  const text = await Deno.readTextFile("docs/events.schema.json");
  assertEquals(JSON.parse(text), JSON.parse(eventsSchema()), REMEDY);
});
