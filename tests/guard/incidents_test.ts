import { assertEquals } from "@std/assert";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";

for (const [pauseMs, reported] of [[1e9, 2], [0, 40]] as const) {
  Deno.test(`Incidents report each cause of a stall ${pauseMs > 0 ? "once in a while" : "each time, if allowed"}, and count all`, () => {
    const events: IncidentEvent[] = [];
    const incidents = new Incidents(pauseMs, (event) => events.push(event));
    for (let n = 0; n < 20; n++) {
      incidents.stalled("too many open files in this process");
      incidents.stalled("too many open files on this machine");
    }
    assertEquals(events.length, reported);
    for (const { event } of events) assertEquals(event, "accept_stalled");
    assertEquals(incidents.totals.acceptStalls, 40);
  });
}
