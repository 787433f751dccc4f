import { assertEquals } from "@std/assert";
import { tell } from "../../lib/cli/node.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import type { NodeEvent } from "../../lib/node_server.ts";

/** The notes that an event leads to. */
function notesOf(event: NodeEvent): string[] {
  const notes: string[] = [];
  const terminal = {
    event: () => {},
    note: (line: string) => notes.push(line),
  };
  tell(event, terminal as unknown as Terminal);
  return notes;
}

// Of a client in a tunnel the relay says where it comes from: a stranger's words.
const FROM = "\x1b[2J192.0.2.7";
const SHOWN = "\\x1b[2J192.0.2.7";

for (
  const [event, note] of [
    [
      { event: "served", to: FROM, files: 2, bytes: 5 },
      `sent 2 files, 5 bytes, to ${SHOWN}`,
    ],
    [
      { event: "refused", reason: "idle", from: FROM, count: 1 },
      `refused ${SHOWN}: idle`,
    ],
    [
      { event: "connection_failed", from: FROM, error: new Error() },
      `connection of ${SHOWN} failed: Error`,
    ],
  ] as const satisfies [NodeEvent, string][]
) {
  Deno.test(`A node escapes what the relay says of a client's address: ${event.event}`, () => {
    assertEquals(notesOf(event), [note]);
  });
}
