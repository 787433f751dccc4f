/** What a `get` says of where the bytes came from. */

import { assertEquals } from "@std/assert";
import { Saved } from "../../../lib/cli/commands/saved.ts";
import type { Terminal } from "../../../lib/cli/output/terminal.ts";
import type { Delivery } from "../../../lib/client/deliveries.ts";
import type { ClientEvent } from "../../../lib/client/events.ts";
import type { ListedNode } from "../../../lib/client/nodes.ts";

/** So many bytes, from a node or another client. */
function delivery(
  name: string,
  bytes: number,
  isHolder: boolean,
): Delivery<ListedNode> {
  const node = { id: name.padEnd(52, "a"), name, number: 1 } as ListedNode;
  return { node, isHolder, bytes, paths: { direct: bytes, tunnel: 0 } };
}

/** The lines about one file of 64 MB. */
function linesAbout(
  from: readonly Delivery<ListedNode>[],
  { isVerbose = false } = {},
): string[] {
  const lines: string[] = [];
  const terminal = {
    note: (line: string) => lines.push(line),
  } as unknown as Terminal;
  const saved = new Saved(terminal, { isVerbose });
  const received = {
    ...{ event: "file_received", name: "disk.img", path: "disk.img" } as const,
    ...{ bytes: 64e6, content: "0".repeat(64), from, holders: 1 },
  } satisfies ClientEvent;
  saved.note(received);
  saved.summarize();
  return lines.map((line) =>
    line.replace(/ in \S+ s \(.*?\/s\)/, " in TIME (RATE)")
  );
}

const SEED = delivery("alpha", 3e6, false);
const OTHERS = Array.from(
  { length: 6 },
  (_, n) => delivery(`client ${n}`, n === 0 ? 11e6 : 10e6, true),
);

Deno.test("Saved shows how much came from other machines, and how much from the seed", () => {
  assertEquals(linesAbout([SEED, ...OTHERS]), [
    "saved disk.img, 64000000 bytes, from alpha, 6 machines",
    "1 file, 64.0 MB in TIME (RATE), from 6 machines 61.0 MB, from the seed 3.0 MB",
  ]);
});

Deno.test("Saved names other machines with --verbose, with the bytes from each", () => {
  const [first] = linesAbout([SEED, ...OTHERS.slice(0, 2)], {
    isVerbose: true,
  });
  assertEquals(
    first,
    "saved disk.img, 64000000 bytes, from alpha, " +
      "client 0 (11.0 MB), client 1 (10.0 MB)",
  );
});

Deno.test("Saved counts the seeds if there are several, and none if other clients sent everything", () => {
  const two = [SEED, delivery("beta", 1e6, false), OTHERS[1]!];
  assertEquals(
    linesAbout(two)[1],
    "1 file, 64.0 MB, 14.0 MB of it received, in TIME (RATE), " +
      "from 1 machine 10.0 MB, from 2 seeds 4.0 MB",
  );
  assertEquals(
    linesAbout(OTHERS)[1],
    "1 file, 64.0 MB, 61.0 MB of it received, in TIME (RATE), from 6 machines 61.0 MB",
  );
});

Deno.test("Saved counts nodes as usual if no other machine sent anything", () => {
  assertEquals(
    linesAbout([delivery("alpha", 60e6, false), delivery("beta", 4e6, false)]),
    [
      "saved disk.img, 64000000 bytes, from alpha, beta",
      "1 file, 64.0 MB in TIME (RATE), from 2 nodes",
    ],
  );
});
