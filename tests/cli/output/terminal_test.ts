import { assertEquals } from "@std/assert";
import { formatFiles, formatNodes } from "../../../lib/cli/output/tables.ts";
import { formatEvent, Terminal } from "../../../lib/cli/output/terminal.ts";
import { Failure, ProtocolError } from "../../../lib/base/errors.ts";
import { showLines, showWhole } from "../../../lib/base/text.ts";

Deno.test("formatEvent writes one line of JSON with version and name first", () => {
  const event = { event: "registered", relay: "nas:1700", leaseSeconds: 60 };
  assertEquals(
    formatEvent(event),
    '{"v":1,"event":"registered","relay":"nas:1700","leaseSeconds":60}',
  );
});

Deno.test("formatEvent contains no control characters, and loses nothing", () => {
  const name = "a\x1b[2J\u009b\u202e\u2028\ud800🖥é\n";
  const line = formatEvent({ event: "x", name } as { event: string });
  assertEquals(showWhole(line), line);
  assertEquals(JSON.parse(line).name, name);
});

/** What `write` writes to stdout and stderr. */
function written(write: () => void): string[] {
  const outputs = [Deno.stdout, Deno.stderr];
  const usual = outputs.map(({ writeSync }) => writeSync);
  const texts: string[] = [];
  for (const output of outputs) {
    output.writeSync = (bytes) => {
      texts.push(new TextDecoder().decode(bytes));
      return bytes.length;
    };
  }
  try {
    write();
  } finally {
    outputs.forEach((output, n) => output.writeSync = usual[n]!);
  }
  return texts;
}

Deno.test("Terminal escapes control characters in everything that it prints", () => {
  const evil = "a\x1b]0;title\x07b";
  const shown = "a\\x1b]0;title\\x07b";
  const terminal = new Terminal({ json: false, quiet: false, debug: true });
  const failure = new Failure("local", {
    ...{ what: "Cannot x", why: evil },
    cause: new Error(evil),
  });
  const texts = written(() => {
    terminal.fact(evil);
    terminal.note(evil);
    terminal.error(failure);
  });
  assertEquals(texts.slice(0, 3), [
    `${shown}\n`,
    `${shown}\n`,
    `error: Cannot x: ${shown}\n`,
  ]);
  const stack = texts[3]!;
  assertEquals(stack.includes(`Caused by Error: ${shown}`), true, stack);
  assertEquals(showLines(stack), stack);
});

Deno.test("--debug keeps a stranger's words on one line, without colours", () => {
  const evil = "\x1b[31mred\n    at trusted (file:///x.ts:1:1)\nerror: more";
  const shown =
    "\\x1b[31mred\\x0a    at trusted (file:///x.ts:1:1)\\x0aerror: more";
  const terminal = new Terminal({ json: false, quiet: false, debug: true });
  const cause = new ProtocolError("bad_message", evil, {
    cause: new AggregateError([new Error(evil)], evil),
  });
  const [, stack = ""] = written(() =>
    terminal.error(new Failure("relay", { what: "x", why: "y", cause }))
  );
  const [first, ...lines] = stack.trimEnd().split("\n");
  assertEquals(first, "Failure: x: y");
  assertEquals(
    lines.filter((line) => !/^ {4}at /.test(line)),
    [
      `Caused by ProtocolError (bad_message): ${shown}`,
      `Caused by AggregateError: ${shown}`,
      `Caused by Error: ${shown}`,
    ],
  );
});

Deno.test("formatEvent writes failures by their parts, and bytes as base64", () => {
  const error = new Failure("relay", {
    what: "Cannot x",
    where: "y",
    why: "z",
  });
  const event = { event: "x", error, bytes: Uint8Array.of(1, 2) };
  assertEquals(JSON.parse(formatEvent(event)), {
    v: 1,
    event: "x",
    error: { kind: "relay", what: "Cannot x", where: "y", why: "z" },
    bytes: "AQI=",
  });
});

Deno.test("formatNodes lines columns up, and escapes names", () => {
  const node = (number: number, name: string) => ({
    number,
    name,
    id: `${number} id`,
    addresses: [{ host: "127.0.0.1", port: 1500 }],
    certificate: new Uint8Array(),
    isAttached: number === 2,
    signed: { record: "", certificate: "", signature: "" },
  });
  const nodes = [node(1, "alpha"), node(2, "b\x1b[2J")];
  assertEquals(formatNodes(nodes, { ids: false }), [
    "1  alpha     127.0.0.1:1500",
    "2  b\\x1b[2J  127.0.0.1:1500  tunnel",
  ]);
  assertEquals(formatNodes(nodes, { ids: true })[0]?.endsWith("  1 id"), true);
  assertEquals(formatNodes([], { ids: true }), []);
  const printed = { ...node(3, "c"), index: { fingerprints: 12, seconds: 61 } };
  assertEquals(
    formatNodes([nodes[0]!, printed], { ids: false, indexes: true }),
    [
      "1  alpha  127.0.0.1:1500  no index",
      "3  c      127.0.0.1:1500  12 in index, sent 1:01 ago",
    ],
  );
});

Deno.test("formatFiles lines columns up, marks files that differ or that only one node has, and escapes names", () => {
  const file = (name: string, size: number, nodeCount: number) => ({
    name,
    size,
    nodeCount,
    modifiedMs: 0,
    differs: nodeCount === 12,
    offers: [],
  });
  const files = [file("a", 17, 1), file("b\x1b[2J", 1234, 12)];
  assertEquals([...formatFiles(files)], [
    "  17   1 node   only    a",
    "1234  12 nodes  differ  b\\x1b[2J",
  ]);
  assertEquals([...formatFiles([])], []);
});

Deno.test("formatNodes lines columns up by what a terminal shows, not by characters", () => {
  const node = (number: number, name: string) => ({
    number,
    name,
    id: `${number} id`,
    addresses: [{ host: "127.0.0.1", port: 1500 }],
    certificate: new Uint8Array(),
    isAttached: false,
    signed: { record: "", certificate: "", signature: "" },
  });
  const nodes = ["東京", "nas", "e\u0301te\u0301", "😀"].map((name, at) =>
    node(at + 1, name)
  );
  assertEquals(formatNodes(nodes, { ids: false }), [
    "1  東京  127.0.0.1:1500",
    "2  nas   127.0.0.1:1500",
    "3  e\u0301te\u0301   127.0.0.1:1500",
    "4  😀    127.0.0.1:1500",
  ]);
});

Deno.test("formatFiles makes rows of 300,000 files one by one, each name whole", () => {
  const name = "n".repeat(1_000);
  const file = {
    name,
    size: 5,
    nodeCount: 1,
    modifiedMs: 0,
    differs: false,
    offers: [],
  };
  const rows = formatFiles(Array.from({ length: 300_000 }, () => file));
  assertEquals(rows.next().value, `5  1 node   only    ${name}`);
});
