import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame, FRAME_HEADER_BYTES } from "../../lib/protocol/frame.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  decodeMessage,
  encodeMessage,
  encodeNodes,
  type Message,
  type MessageKind,
  type UnknownMessage,
} from "../../lib/protocol/messages.ts";
import {
  anyJsonMessage,
  anyMessage,
  KINDS,
  messageOf,
  signedRecord,
  textUpTo,
} from "./_messages.ts";
import { anyText, holds } from "./_runs.ts";

/** The number of each kind, as its frame has it. */
const TYPE_OF = new Map(
  KINDS.map((kind) => {
    const [sample] = fc.sample(messageOf(kind), { numRuns: 1, seed: 1 });
    return [kind, encodeMessage(sample!)[0]!];
  }),
);
const KIND_OF = new Map([...TYPE_OF].map(([kind, type]) => [type, kind]));

/** What is in a frame; `undefined` where it was refused as it must be. */
function decode(
  type: number,
  body: Uint8Array,
): Message | UnknownMessage | undefined {
  try {
    return decodeMessage({ type, body }, KINDS);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    assertEquals(error.code, "bad_message", error.message);
    return undefined;
  }
}

function bodyOf(message: Message): Uint8Array {
  return encodeMessage(message).subarray(FRAME_HEADER_BYTES);
}

/** The fields that each kind is declared to have. */
const FIELDS_OF = new Map(KINDS.map((kind) => {
  const samples = fc.sample(messageOf(kind), { numRuns: 50, seed: 1 });
  return [kind as string, new Set(samples.flatMap(Object.keys))];
}));

/**
 * Fields that may be before 1970. Where they are used, they are held to what a
 * file or a clock can have.
 */
const TIMES = new Set(["modifiedMs", "time"]);

/** What every message that passed must be, from any sender. */
function assertSound(found: Message | UnknownMessage, type: number): void {
  assertEquals(found.kind, KIND_OF.get(type) ?? "unknown");
  if (found.kind === "unknown") return;
  for (const [field, value] of Object.entries(found)) {
    const isDeclared = FIELDS_OF.get(found.kind)!.has(field);
    if (!isDeclared || typeof value !== "number") continue;
    const isCount = TIMES.has(field) || value >= 0;
    assert(
      Number.isSafeInteger(value) && isCount,
      `${field} of ${found.kind}: ${value}`,
    );
  }
  if (found.kind === "files") {
    for (const { size } of found.files) assert(Number.isSafeInteger(size));
  }
  const frame = encodeMessage(found);
  assertEquals(frame[0], type);
  const again = decode(type, frame.subarray(FRAME_HEADER_BYTES));
  assertEquals(again, found, "whatever passed passes again, unchanged");
}

for (const kind of KINDS) {
  holds(
    `decodeMessage gives back every ${kind} that encodeMessage was given`,
    [messageOf(kind)],
    (message) => {
      const frame = encodeMessage(message);
      const view = new DataView(frame.buffer);
      assertEquals(view.getUint32(1), frame.length - FRAME_HEADER_BYTES);
      assertEquals(decode(frame[0]!, bodyOf(message)), message);
    },
    { runs: 200 },
  );

  holds(
    `decodeMessage takes a changed ${kind} as one that is sound, or refuses it`,
    [messageOf(kind), fc.array(fc.nat(), { minLength: 1, maxLength: 6 })],
    (message, places) => {
      const body = bodyOf(message).slice();
      for (const place of places) {
        const at = (place >> 3) % body.length;
        body[at] = body[at]! ^ (1 << (place & 7));
      }
      const found = decode(TYPE_OF.get(kind)!, body);
      if (found !== undefined) assertSound(found, TYPE_OF.get(kind)!);
    },
    { runs: 300 },
  );
}

holds(
  "decodeMessage refuses or understands any bytes under any number",
  [fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 200 })],
  (type, body) => {
    const found = decode(type, body);
    if (found !== undefined) assertSound(found, type);
  },
);

holds(
  "decodeMessage refuses or understands any JSON under any number",
  [fc.constantFrom(...TYPE_OF.values()), fc.json({ maxDepth: 4 })],
  (type, json) => {
    const found = decode(type, new TextEncoder().encode(json));
    if (found !== undefined) assertSound(found, type);
  },
);

holds(
  "decodeMessage refuses or understands a message with other fields and values",
  [
    anyJsonMessage,
    fc.dictionary(
      fc.oneof(
        anyText,
        fc.constantFrom(
          ...["kind", "__proto__", "constructor", "request", "size", "nodes"],
          ...["first", "count", "protocol", "files", "version", "modifiedMs"],
        ),
      ),
      fc.oneof(
        fc.jsonValue({ maxDepth: 2 }),
        fc.constantFrom(-1, 0.5, 1e308, 2 ** 53, 2 ** 32, "12", null),
      ),
      { maxKeys: 4 },
    ),
  ],
  (message, others) => {
    const { kind, ...body } = message;
    const type = TYPE_OF.get(kind)!;
    const text = JSON.stringify({ ...body, ...others });
    const found = decode(type, new TextEncoder().encode(text));
    assertEquals(({} as { admin?: unknown }).admin, undefined);
    if (found !== undefined) assertSound(found, type);
  },
);

for (const number of ["1e400", "-1", "0.5", "9007199254740993", "1e-400"]) {
  holds(
    `decodeMessage lets no ${number} through where a count belongs`,
    [anyJsonMessage, fc.nat()],
    (message, which) => {
      const { kind, ...body } = message;
      const counts = Object.entries(body).filter(([field, value]) =>
        typeof value === "number" && !TIMES.has(field)
      );
      const [field] = counts[which % counts.length] ?? [];
      if (field === undefined) return; // it has no number
      const rest = JSON.stringify({ ...body, [field]: undefined });
      const comma = rest === "{}" ? "" : ",";
      const text = rest.replace(/}$/, `${comma}"${field}":${number}}`);
      const found = decode(TYPE_OF.get(kind)!, new TextEncoder().encode(text));
      // What JSON itself reads as zero is a zero.
      if (number === "1e-400" && found !== undefined) {
        assertEquals((found as unknown as Record<string, number>)[field], 0);
      } else assertEquals(found, undefined);
    },
    { runs: 100 },
  );
}

holds(
  "decodeMessage accepts each direction's messages, and refuses all others",
  [anyMessage, fc.subarray([...KINDS])],
  (message, allowed: MessageKind[]) => {
    const type = TYPE_OF.get(message.kind)!;
    const attempt = () =>
      decodeMessage({ type, body: bodyOf(message) }, allowed);
    if (allowed.includes(message.kind)) {
      assertEquals(attempt().kind, message.kind);
      return;
    }
    const error = assertThrows(attempt, ProtocolError);
    assertEquals(error.code, "wrong_phase");
  },
);

holds(
  "decodeMessage refuses what nests too deep, whatever is in its strings",
  [
    fc.integer({ min: 1, max: 40 }),
    fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
    anyText,
  ],
  (depth, lists, text) => {
    const quoted = JSON.stringify(text.toWellFormed() + '[{"');
    let json = quoted;
    for (const list of lists.slice(0, depth - 1)) {
      json = list ? `[${quoted},${json}]` : `{${quoted}:${json}}`;
    }
    const body = new TextEncoder().encode(`{"extra":${json}}`);
    const found = decode(TYPE_OF.get("withdrawn")!, body);
    assertEquals(found !== undefined, depth <= LIMITS.jsonDepth, json);
  },
);

holds(
  "decodeMessage refuses a body that is cut, or has something behind it",
  [anyJsonMessage, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 })],
  (message, cut, tail) => {
    const type = TYPE_OF.get(message.kind)!;
    const body = bodyOf(message);
    assertEquals(decode(type, body.subarray(0, cut % body.length)), undefined);
    if (/^[\t\n\r ]*$/.test(new TextDecoder().decode(tail))) return;
    const longer = new Uint8Array([...body, ...tail]);
    assertEquals(decode(type, longer), undefined);
  },
);

holds(
  "decodeMessage takes pieces that are cut between two hashes for those that are left, and no others",
  [messageOf("pieces"), fc.nat()],
  (message, cut) => {
    const type = TYPE_OF.get("pieces")!;
    const whole = bodyOf(message);
    const body = whole.subarray(0, cut % whole.length);
    const found = decode(type, body);
    const isBetween = body.length > 4 && body.length % 32 === 4;
    assertEquals(found !== undefined, isBetween);
    if (found !== undefined) assertSound(found, type);
  },
);

holds(
  "encodeNodes writes what encodeMessage writes, whatever the entries are",
  [
    fc.nat(),
    fc.array(signedRecord, { maxLength: 5 }),
    fc.option(textUpTo(128), { nil: undefined }),
  ],
  (count, nodes, cursor) => {
    const more = cursor === undefined ? {} : { cursor };
    const entries = nodes.map((node) => JSON.stringify(node));
    assertEquals(
      encodeNodes({ count, entries, ...more }),
      encodeMessage({ kind: "nodes", count, nodes, ...more }),
    );
  },
  { runs: 200 },
);

holds(
  "decodeMessage takes a number that it does not know for unknown, unread",
  [fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 50 })],
  (type, bytes) => {
    if (KIND_OF.has(type)) return;
    const body = encodeFrame(type, bytes).subarray(FRAME_HEADER_BYTES);
    assertEquals(decode(type, body), { kind: "unknown", type });
  },
  { runs: 100 },
);
