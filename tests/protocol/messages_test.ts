import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { PIECES_FRAME_TYPE, writeDataHeader } from "../../lib/protocol/bulk.ts";
import { FRAME_HEADER_BYTES } from "../../lib/protocol/frame.ts";
import {
  decodeMessage,
  DIRECTION,
  encodeMessage,
  encodeNodes,
  type Message,
  type MessageKind,
  type UnknownMessage,
} from "../../lib/protocol/messages.ts";
import { mutate, randomBytes, seededRandom } from "../_random.ts";

interface Golden {
  kind: string;
  body: Record<string, unknown>;
  frame: Uint8Array;
}

/** The golden bytes that docs/PROTOCOL.md promises. */
function readGolden(): Golden[] {
  const document = Deno.readTextFileSync(
    new URL("../../docs/PROTOCOL.md", import.meta.url),
  );
  const block = /```golden\n([^`]+)```/.exec(document)?.[1] ?? "";
  const lines = block.trimEnd().split("\n");
  return lines.flatMap((line, index) => {
    if (index % 2 === 1) return [];
    const [kind = ""] = line.split(" ");
    const body = JSON.parse(line.slice(kind.length + 1));
    if (kind === "pieces") body.hashes = Uint8Array.fromHex(body.hashes);
    return [{
      kind,
      body,
      frame: Uint8Array.fromHex(lines[index + 1]!.trim()),
    }];
  });
}

const GOLDEN = readGolden();
const CONTROL = GOLDEN.filter(({ kind }) => kind !== "data");
const KINDS = [...new Set(CONTROL.map(({ kind }) => kind))] as MessageKind[];

function decode(frame: Uint8Array): Message | UnknownMessage {
  return decodeMessage({ type: frame[0]!, body: frame.subarray(5) }, KINDS);
}

for (const [index, { kind, body, frame }] of CONTROL.entries()) {
  Deno.test(`Golden bytes ${index}: ${kind}, both ways`, () => {
    const message = { kind, ...body } as Message;
    assertEquals(encodeMessage(message).toHex(), frame.toHex());
    assertEquals(decode(frame), message);
  });
}

Deno.test("Golden bytes: a data frame", () => {
  const { body, frame } = GOLDEN.find(({ kind }) => kind === "data")!;
  const bytes = Uint8Array.fromHex(body["bytes"] as string);
  const found = new Uint8Array(9 + bytes.length);
  const request = body["request"] as number;
  writeDataHeader(found, 0, { request, length: bytes.length });
  found.set(bytes, 9);
  assertEquals(found.toHex(), frame.toHex());
});

Deno.test("Golden bytes name every message of every direction", () => {
  const travelling = new Set<string>(Object.values(DIRECTION).flat());
  travelling.add("hello");
  assertEquals(new Set<string>(KINDS), travelling);
});

Deno.test("encodeNodes writes what encodeMessage writes", () => {
  for (const { kind, body, frame } of CONTROL) {
    if (kind !== "nodes") continue;
    const page = body as {
      count: number;
      nodes: unknown[];
      cursor?: string;
      grants?: string[];
      index?: { key: string; unindexed: number };
    };
    const entries = page.nodes.map((node) => JSON.stringify(node));
    const cursor = page.cursor === undefined ? {} : { cursor: page.cursor };
    const grants = page.grants === undefined ? {} : { grants: page.grants };
    const index = page.index === undefined ? {} : { index: page.index };
    const { count } = page;
    const rest = { ...cursor, ...grants, ...index };
    const found = encodeNodes({ count, entries, ...rest });
    assertEquals(found.toHex(), frame.toHex());
  }
});

function frameOf(type: number, text: string): Uint8Array {
  const body = new TextEncoder().encode(text);
  return new Uint8Array([type, 0, 0, 0, 0, ...body]);
}

const FOUND = 0x41;
const GOOD_FOUND = {
  request: 1,
  size: 17,
  modifiedMs: 1,
  version: "v".repeat(32),
};

Deno.test("decodeMessage accepts the message from which the next cases are made", () => {
  const message = decode(frameOf(FOUND, JSON.stringify(GOOD_FOUND)));
  assertEquals(message, { kind: "found", ...GOOD_FOUND });
});

for (
  const size of [
    "-1",
    "0.5",
    "1e400",
    "9007199254740993",
    '"17"',
    "null",
    "[]",
    "true",
    undefined,
  ]
) {
  Deno.test(`decodeMessage refuses the size ${size}, and names the field`, () => {
    const { size: _, ...rest } = GOOD_FOUND;
    const field = size === undefined ? "" : `,"size":${size}`;
    const text = JSON.stringify(rest).replace("}", field + "}");
    const error = assertThrows(
      () => decode(frameOf(FOUND, text)),
      ProtocolError,
      "Cannot decode found: size must be a whole number from 0 to 9007199254740991, found ",
    );
    assertEquals(error.code, "bad_message");
  });
}

const DIGEST = "0123456789abcdef".repeat(4);

for (
  const [kind, field, good, bad] of [
    ["found", "version", GOOD_FOUND, { version: "v".repeat(33) }],
    ["found", "content", GOOD_FOUND, { content: DIGEST.toUpperCase() }],
    ["found", "sha256", GOOD_FOUND, { sha256: DIGEST.slice(1) }],
    [
      "read",
      "count",
      { request: 1, of: DIGEST, first: 0, count: 1 },
      { count: 0 },
    ],
    [
      "read",
      "first",
      { request: 1, of: DIGEST, first: 65_535, count: 65_536 },
      { first: 65_536 },
    ],
    [
      "read",
      "of",
      { request: 1, of: "v".repeat(32), first: 0, count: 1 },
      { of: "v".repeat(65) },
    ],
    ["holding", "of", { request: 1, of: DIGEST }, { of: "v".repeat(32) }],
    [
      "has",
      "bitmap",
      { request: 1, bitmap: "A".repeat(10_924) },
      { bitmap: "A".repeat(10_925) },
    ],
    [
      "gained",
      "runs",
      { request: 1, runs: [[65_535, 65_536]] },
      { runs: [[0, 0]] },
    ],
    ["describe", "of", { request: 1, of: DIGEST }, { of: "v".repeat(31) }],
    [
      "manifest",
      "size",
      { request: 1, size: 0, content: DIGEST, sha256: DIGEST },
      { size: 2 ** 53 },
    ],
    [
      "browse",
      "prefix",
      { request: 1, prefix: "a".repeat(1_024) },
      { prefix: "a".repeat(1_025) },
    ],
    [
      "files",
      "files",
      { request: 1, files: [], more: true },
      { files: Array(1_001).fill(null) },
    ],
    [
      "files",
      "files",
      { request: 1, files: [], more: true },
      {
        files: [{
          name: "a",
          size: -1,
          modifiedMs: 0,
          version: "v".repeat(32),
        }],
      },
    ],
  ] as const
) {
  Deno.test(`decodeMessage takes a good ${kind}, and none with the ${field} ${JSON.stringify(bad).slice(0, 40)}`, () => {
    const message = { kind, ...good } as Message;
    assertEquals(decode(encodeMessage(message)), message);
    const error = assertThrows(
      () => decode(encodeMessage({ ...message, ...bad } as Message)),
      ProtocolError,
      `Cannot decode ${kind}: ${field}`,
    );
    assertEquals(error.code, "bad_message");
  });
}

for (
  const [what, body] of [
    ["nothing", ""],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["a number", "1"],
    ["null", "null"],
    ["two values", "{}{}"],
    ["a byte order mark", "\ufeff{}"],
  ] as const
) {
  Deno.test(`decodeMessage refuses ${what} for a body`, () => {
    const error = assertThrows(
      () => decode(frameOf(FOUND, body)),
      ProtocolError,
    );
    assertEquals(error.code, "bad_message");
  });
}

for (
  const [what, bytes] of [
    ["0xff", [0xff]],
    ["an overlong form", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["half a character", [0xe2, 0x98]],
  ] as const
) {
  Deno.test(`decodeMessage refuses ${what} inside a text`, () => {
    const head = new TextEncoder().encode('{"request":1,"name":"');
    const tail = new TextEncoder().encode('"}');
    const frame = new Uint8Array([
      0x40,
      0,
      0,
      0,
      0,
      ...head,
      ...bytes,
      ...tail,
    ]);
    const error = assertThrows(() => decode(frame), ProtocolError);
    assertEquals(error.code, "bad_message");
  });
}

for (
  const [what, text] of [
    ["64 KiB of brackets", "[".repeat(65_536)],
    ["65 levels", '{"a":'.repeat(65) + "1" + "}".repeat(65)],
    [
      "17 levels beside good fields",
      `{"request":1,"name":"a","x":${"[".repeat(16)}${"]".repeat(16)}}`,
    ],
  ] as const
) {
  Deno.test(`decodeMessage refuses ${what} by its depth`, () => {
    assertThrows(
      () => decode(frameOf(0x40, text)),
      ProtocolError,
      "nested deeper than 16",
    );
  });
}

for (const length of [0, 3, 4, 5, 35, 37, 67, 99]) {
  Deno.test(`decodeMessage refuses pieces of ${length} bytes: they hold no hash, or a part of one`, () => {
    const body = new Uint8Array(length);
    const error = assertThrows(
      () => decodeMessage({ type: PIECES_FRAME_TYPE, body }, ["pieces"]),
      ProtocolError,
      "Cannot decode pieces: hashes must be a multiple of 32 bytes",
    );
    assertEquals(error.code, "bad_message");
  });
}

Deno.test("decodeMessage accepts up to a full frame of hashes of pieces, unchanged", () => {
  for (const count of [1, 2, 2_047]) {
    const hashes = randomBytes(32 * count, seededRandom(count));
    const request = 0xffff_ffff - count;
    const message = { kind: "pieces", request, hashes } as const;
    assertEquals(decode(encodeMessage(message)), message);
  }
});

Deno.test("decodeMessage accepts batchFileCount files in one request, and no more", () => {
  const request = (count: number) => {
    const of = Array.from({ length: count }, () => "0".repeat(32));
    return encodeMessage({ kind: "readMany", request: 1, of });
  };
  const most = decode(request(LIMITS.batchFileCount));
  assertEquals(most.kind === "readMany" && most.of.length, 48);
  for (const count of [0, LIMITS.batchFileCount + 1]) {
    assertThrows(() => decode(request(count)), ProtocolError);
  }
});

Deno.test("decodeMessage accepts gainedRunCount runs of gained pieces, and no more", () => {
  const message = (count: number) => {
    const runs = Array.from({ length: count }, (_, at): [number, number] => [
      2 * at,
      1,
    ]);
    return encodeMessage({ kind: "gained", request: 1, runs });
  };
  const most = decode(message(LIMITS.gainedRunCount));
  assertEquals(most.kind === "gained" && most.runs.at(-1), [126, 1]);
  assert(message(LIMITS.gainedRunCount).length < 1_024);
  assertThrows(() => decode(message(LIMITS.gainedRunCount + 1)), ProtocolError);
});

Deno.test("decodeMessage does not count brackets inside texts as depth", () => {
  const name = '["\\\\' + "[{".repeat(40);
  const text = JSON.stringify({ request: 1, name });
  assertEquals(decode(frameOf(0x40, text)), { kind: "find", request: 1, name });
});

for (
  const [what, text, isTaken] of [
    ["a half of a character", String.raw`"\ud83d"`, false],
    ["the other half", String.raw`"a\uDE00"`, false],
    ["the halves in the wrong order", String.raw`"\ude00\ud83d"`, false],
    ["a half beside a whole one", String.raw`"\ud83d\ude00\ud83d"`, false],
    ["both halves", String.raw`"\ud83d\uDE00"`, true],
    ["an escaped backslash", String.raw`"\\ud83d"`, true],
  ] as const
) {
  Deno.test(`decodeMessage ${isTaken ? "takes" : "refuses"} ${what} as an escape`, () => {
    for (
      const json of [
        `{"request":1,"name":${text}}`,
        `{"request":1,"name":"a","more":[{"in":${text}}]}`,
        `{"request":1,"name":"a",${text}:1}`,
      ]
    ) {
      const body = new TextEncoder().encode(json);
      const decode = () => decodeMessage({ type: 0x40, body }, ["find"]);
      if (isTaken) assertEquals(decode().kind, "find");
      else assertThrows(decode, ProtocolError, "half a character");
    }
  });
}

Deno.test("encodeMessage sends no half of a character, wherever a text was cut", () => {
  const text = "cut \u{1f600}".slice(0, -1);
  const frame = encodeMessage({ kind: "refused", code: "x", text });
  const body = frame.subarray(FRAME_HEADER_BYTES);
  const found = decodeMessage({ type: frame[0]!, body }, ["refused"]);
  assertEquals(found, { kind: "refused", code: "x", text: "cut \ufffd" });
});

for (const time of ["1e300", "-1e300", "9007199254740992", "0.5", '"1"']) {
  Deno.test(`decodeMessage refuses the time ${time}, and names the field`, () => {
    const json = `{"request":1,"size":1,"modifiedMs":${time},"version":"${
      "v".repeat(32)
    }"}`;
    const body = new TextEncoder().encode(json);
    const decode = () => decodeMessage({ type: 0x41, body }, ["found"]);
    assertThrows(decode, ProtocolError, "modifiedMs");
  });
}

Deno.test("decodeMessage ignores unknown fields, even hostile ones", () => {
  const text = '{"request":1,"name":"a","__proto__":{"admin":true},' +
    '"constructor":{"x":1},"kind":"hello","name":"b"}';
  const message = decode(frameOf(0x40, text));
  assertEquals(message.kind, "find");
  assertEquals((message as { name?: string }).name, "b");
  assertEquals(({} as { admin?: boolean }).admin, undefined);
});

Deno.test("decodeMessage reports an unknown number as unknown", () => {
  assertEquals(decode(frameOf(0xee, "anything")), {
    kind: "unknown",
    type: 0xee,
  });
});

Deno.test("decodeMessage refuses a message that must not travel in this direction", () => {
  const frame = encodeMessage({ kind: "list" });
  const error = assertThrows(
    () =>
      decodeMessage(
        { type: frame[0]!, body: frame.subarray(5) },
        DIRECTION.nodeToRelay,
      ),
    ProtocolError,
    "Cannot accept list: wanted one of register, withdraw",
  );
  assertEquals(error.code, "wrong_phase");
});

Deno.test("decodeMessage throws ProtocolError or nothing on mutated frames", () => {
  const random = seededRandom(8);
  for (const { frame } of CONTROL) {
    for (let round = 0; round < 500; round++) {
      const bytes = new Uint8Array([
        frame[0]!,
        0,
        0,
        0,
        0,
        ...mutate(frame.subarray(5), random),
      ]);
      try {
        const message = decode(bytes);
        // Whatever passed can be sent again.
        if (message.kind !== "unknown") encodeMessage(message);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }
  }
});

Deno.test("decodeMessage refuses or survives a body cut at any byte", () => {
  for (const { kind, frame } of CONTROL) {
    for (let length = 5; length < frame.length; length++) {
      if (kind === "pieces" && length === 5 + 4 + 32) continue; // one of two
      assertThrows(() => decode(frame.subarray(0, length)), ProtocolError);
    }
  }
});
