import { assertEquals } from "@std/assert";
import { SingleCopies } from "../../../lib/cli/output/single_copies.ts";
import type { Terminal } from "../../../lib/cli/output/terminal.ts";
import { Tried } from "../../../lib/cli/output/tried.ts";
import type { ClientEvent, NodeAnswer } from "../../../lib/client/events.ts";
import type { ListedNode } from "../../../lib/client/nodes.ts";
import { Failure, type FailureKind } from "../../../lib/base/errors.ts";

function node(number: number): ListedNode {
  return {
    number,
    id: `${"abc"[number - 1]}`.repeat(52),
    name: ["alpha", "be\x1bta", "gamma"][number - 1]!,
    addresses: [{ host: "192.0.2.1", port: 1499 + number }],
    certificate: new Uint8Array(),
    isAttached: false,
    signed: { record: "", certificate: "", signature: "" },
  };
}

const NODES = [node(1), node(2), node(3)];

function answered(
  number: number,
  answer: NodeAnswer,
  { name = "f", path }: { name?: string; path?: "direct" } = {},
): ClientEvent {
  const address = `192.0.2.1:${1499 + number}`;
  return {
    event: "node_answered",
    node: NODES[number - 1]!,
    address,
    ...(path === undefined ? {} : { path }),
    name,
    answer,
    ms: 6,
  };
}

function failed(
  kind: FailureKind,
  from: readonly [number, number][] = [],
  name = "f",
): ClientEvent {
  return {
    event: "file_failed",
    name,
    error: new Failure(kind, { what: "Cannot x", why: "y" }),
    from: from.map(([number, bytes]) => ({
      node: NODES[number - 1]!,
      isHolder: false,
      bytes,
      paths: { direct: bytes, tunnel: 0 },
    })),
  };
}

/** What a person and a program see after events, ten milliseconds apart. */
function printedAfter(events: readonly ClientEvent[]) {
  let now = 0;
  const tried = new Tried(() => now += 10);
  for (const event of events) tried.note(event);
  const notes: string[] = [];
  const rows: Record<string, unknown>[] = [];
  const terminal = {
    note: (line: string) => notes.push(line),
    event: (row: Record<string, unknown>) => rows.push(row),
  } as unknown as Terminal;
  tried.print(terminal);
  const again = notes.length;
  tried.print(terminal);
  assertEquals(notes.length, again, "reported once");
  return { notes, rows };
}

const found: NodeAnswer = { kind: "found", size: 100 };

Deno.test("Tried reports for each node how far it got, why, how much came, and how long it took", () => {
  const { notes, rows } = printedAfter([
    { event: "nodes_listed", greeting: "", nodes: NODES },
    answered(3, { kind: "unreachable", stage: "connect", cause: "no answer" }),
    answered(1, { kind: "not_found" }, { path: "direct" }),
    answered(2, found, { path: "direct" }),
    {
      event: "node_trouble",
      node: NODES[1]!,
      kind: "broke_off",
      cause: "the other side closed the connection",
      out: true,
    },
    failed("undelivered", [[2, 2_000_000]]),
  ]);
  assertEquals(notes, [
    "tried:",
    "  1  alpha     192.0.2.1:1500  direct  ask       file not found                        0 bytes  0.01 s",
    "  2  be\\x1bta  192.0.2.1:1501  direct  transfer  the other side closed the connection  2.0 MB   0.02 s",
    "  3  gamma     192.0.2.1:1502  -       connect   no answer                             0 bytes  0.01 s",
  ]);
  assertEquals(rows[1], {
    event: "node_tried",
    name: "f",
    node: { number: 2, id: "b".repeat(52), name: "be\x1bta" },
    address: "192.0.2.1:1501",
    path: "direct",
    stage: "transfer",
    cause: "the other side closed the connection",
    bytes: 2_000_000,
    ms: 16,
  });
});

const STAGES: [what: string, events: ClientEvent[], stage: string][] = [
  [
    "an impostor",
    [answered(1, { kind: "unreachable", stage: "handshake", cause: "x" })],
    "handshake",
  ],
  ["a refusal", [answered(1, { kind: "failed", cause: "x" })], "ask"],
  [
    "one that broke off after it had it",
    [answered(1, found), answered(1, { kind: "failed", cause: "x" })],
    "transfer",
  ],
  [
    "wrong bytes",
    [answered(1, found), answered(1, { kind: "corrupt", cause: "x" })],
    "verify",
  ],
  [
    "wrong bytes for one of several files",
    [answered(1, found), {
      event: "node_trouble",
      node: NODES[0]!,
      kind: "lied",
      cause: "x",
      out: true,
    }],
    "verify",
  ],
  [
    "one that could not be asked for a pattern",
    [{
      event: "node_trouble",
      node: NODES[0]!,
      kind: "broke_off",
      stage: "connect",
      cause: "x",
      out: true,
    }],
    "connect",
  ],
];

for (const [what, events, stage] of STAGES) {
  Deno.test(`Tried puts ${what} at the stage "${stage}"`, () => {
    const { rows } = printedAfter([...events, failed("undelivered")]);
    assertEquals(rows.map(({ stage, cause }) => [stage, cause]), [[
      stage,
      "x",
    ]]);
  });
}

Deno.test("Tried does not report files that arrived, or failures of the disk", () => {
  for (const kind of ["local", "not_allowed"] as const) {
    assertEquals(printedAfter([answered(1, found), failed(kind)]).notes, []);
  }
  const came = printedAfter([answered(1, found), {
    event: "file_received",
    name: "f",
    bytes: 1,
    content: "",
    from: [],
    holders: 1,
  }]);
  assertEquals(came.notes, []);
});

Deno.test("Tried names the files if there are several, in a limited number of rows", () => {
  const events = Array.from({ length: 30 }, (_, index) => [
    answered(1, { kind: "not_found" }, { name: `f${index}` }),
    answered(2, { kind: "not_found" }, { name: `f${index}` }),
    answered(3, { kind: "not_found" }, { name: `f${index}` }),
    failed("not_found", [], `f${index}`),
  ]);
  const { notes, rows } = printedAfter(events.flat());
  assertEquals(notes[0], "tried, by file:");
  assertEquals(notes[1]!.startsWith("  f0   1  alpha "), true, notes[1]);
  assertEquals(notes.length, 1 + 40 + 1);
  assertEquals(notes.at(-1), "  and 20 more");
  assertEquals(rows.length, 60, "of 20 files");
});

function received(name: string, holders: number): ClientEvent {
  return {
    event: "file_received",
    name,
    bytes: 1,
    content: "",
    from: [{
      node: NODES[1]!,
      isHolder: false,
      bytes: 1,
      paths: { direct: 1, tunnel: 0 },
    }],
    holders,
    path: name,
  };
}

/** What is warned of after events. */
function warnings(events: readonly ClientEvent[], isChosen = false): string[] {
  const replicas = new SingleCopies({ isChosen });
  for (const event of events) replicas.note(event);
  const notes: string[] = [];
  replicas.warn(
    { note: (line: string) => notes.push(line) } as unknown as Terminal,
  );
  return notes;
}

const LISTED: ClientEvent = {
  event: "nodes_listed",
  greeting: "",
  nodes: NODES.slice(0, 2),
};

Deno.test("SingleCopies warns of a file that only one of several nodes has", () => {
  const events = [
    LISTED,
    answered(1, { kind: "not_found" }),
    answered(2, found),
    received("f", 1),
  ];
  assertEquals(warnings(events), ["warning: only be\\x1bta has f"]);
  const differ = {
    event: "contents_differ",
    name: "f",
    groups: [],
    taken: true,
  } as const;
  assertEquals(warnings([differ, ...events]), [
    "warning: only be\\x1bta has this content of f",
  ]);
  assertEquals(warnings(events, true), [], "the others were not asked");
  assertEquals(
    warnings([LISTED, received("a", 1), received("b", 1), received("c", 2)]),
    [
      "warning: 2 of 3 files are on one node only",
    ],
  );
});

Deno.test("SingleCopies does not warn if there may be another copy", () => {
  assertEquals(warnings([LISTED, received("f", 2)]), []);
  // The other node has not answered yet.
  assertEquals(warnings([LISTED, answered(2, found), received("f", 1)]), []);
  const alone = { ...LISTED, nodes: [NODES[1]!] } as ClientEvent;
  assertEquals(warnings([alone, answered(2, found), received("f", 1)]), []);
});

Deno.test("Tried explains a missing file if the relay has just restarted", () => {
  const parts = { what: "Cannot find file", why: "nobody has it" };
  const missing = new Failure("not_found", {
    ...parts,
    remedy: "check the name",
  });
  const corrupt = new Failure("corrupt", parts);
  const listed = { event: "nodes_listed", greeting: "", nodes: [] } as const;
  const explain = (uptime?: number) => {
    const tried = new Tried();
    tried.note(uptime === undefined ? listed : { ...listed, uptime });
    return (failure: Failure) => tried.explained(failure).message;
  };
  assertEquals(explain()(missing), missing.message);
  assertEquals(
    explain(3)(missing),
    "Cannot find file: nobody has it; the relay started 3 s ago, and some nodes may not have registered again yet: try again in half a minute",
  );
  assertEquals(explain(3)(corrupt), corrupt.message);
});

Deno.test("Tried reports that a complete file was not the wanted one", () => {
  const events = [
    answered(1, { kind: "found", size: 7 }),
    answered(2, { kind: "found", size: 7 }),
    failed("corrupt", [[1, 7]]),
  ];
  let now = 0;
  const tried = new Tried(() => now += 10);
  for (const event of events) tried.note(event);
  const rows: unknown[] = [];
  tried.print({
    event: (row: { stage: string; cause: string }) =>
      rows.push([row.stage, row.cause]),
    note: () => {},
  } as unknown as Terminal);
  assertEquals(rows, [
    ["verify", "y"],
    ["transfer", "could not deliver the whole file"],
  ]);
});
