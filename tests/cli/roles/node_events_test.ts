import { assertEquals } from "@std/assert";
import { FetchLines } from "../../../lib/cli/roles/fetch_lines.ts";
import { printNodeEvent } from "../../../lib/cli/roles/node_events.ts";
import type { Terminal } from "../../../lib/cli/output/terminal.ts";
import type { NodeEvent } from "../../../lib/node/server.ts";
import { Skipped } from "../../../lib/share/skipped.ts";

/** The lines that an event leads to. */
function notesOf(event: NodeEvent): string[] {
  const notes: string[] = [];
  const terminal = {
    event: () => {},
    note: (line: string) => notes.push(line),
    fact: (line: string) => notes.push(line),
    live: () => {},
    showsStatus: false,
  };
  const shown = terminal as unknown as Terminal;
  using fetches = new FetchLines(shown, { isVerbose: false });
  printNodeEvent(event, shown, { fetches });
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
  Deno.test(`A node escapes the address of a client as the relay gives it: ${event.event}`, () => {
    assertEquals(notesOf(event), [note]);
  });
}

for (
  const [files, words] of [[0, "0 files"], [1, "1 file"], [
    2,
    "2 files",
  ]] as const
) {
  Deno.test(`A node prints ${words}`, () => {
    const share = { directory: "s", files };
    const skipped = new Skipped(0).counts;
    const events: NodeEvent[] = [
      { event: "sharing", ...share, skipped },
      { event: "share_gone", ...share, why: "no such file or folder" },
      { event: "share_back", ...share },
      { event: "served", to: "192.0.2.7", files, bytes: 5 },
    ];
    assertEquals(events.flatMap(notesOf), [
      `sharing ${words} from s`,
      `share missing: s, ${words} (no such file or folder); checking every few seconds until it is back`,
      `share back: s, ${words}`,
      `sent ${words}, 5 bytes, to 192.0.2.7`,
    ]);
  });
}
