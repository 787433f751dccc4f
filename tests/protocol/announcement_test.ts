/**
 * Datagrams of the local network.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  ANNOUNCE_GROUP,
  ANNOUNCE_PORT,
  type Announcement,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
} from "../../lib/protocol/announcement.ts";
import { seededRandom } from "../_random.ts";

const TOKEN = Uint8Array.from({ length: 16 }, (_, at) => at);
const ANNOUNCEMENT: Announcement = {
  id: "a".repeat(52),
  port: 1_700,
  host: "nas.local",
  name: "nas",
  isPrivate: true,
};

/** The bytes that docs/PROTOCOL.md promises. */
async function golden(): Promise<Record<string, string>> {
  const text = await Deno.readTextFile("docs/PROTOCOL.md");
  const block = /```announcement\n([^`]+)```/.exec(text)?.[1] ?? "";
  return Object.fromEntries(
    [...block.matchAll(/^(\w+)\n((?:[0-9a-f]+\n)+)/gm)].map((
      [, kind = "", hex = ""],
    ) => [kind, hex.replaceAll("\n", "")]),
  );
}

Deno.test("Query and answer have the golden bytes, both ways", async () => {
  const { query = "", answer = "" } = await golden();
  const bytes = encodeQuery(TOKEN);
  assertEquals(bytes.subarray(0, query.length / 2).toHex(), query);
  assert(bytes.subarray(query.length / 2).every((byte) => byte === 0));
  assertEquals(bytes.length, 512);
  assertEquals(decodeQuery(bytes), TOKEN);
  assertEquals(encodeAnswer(TOKEN, ANNOUNCEMENT).toHex(), answer);
  assertEquals(
    decodeAnswer(Uint8Array.fromHex(answer), TOKEN),
    ANNOUNCEMENT,
  );
  const text = await Deno.readTextFile("docs/PROTOCOL.md");
  assert(text.includes(`${ANNOUNCE_GROUP}`), "the group");
  assert(text.includes(`port ${ANNOUNCE_PORT}`), "the port");
});

Deno.test("A query of 511 or 513 bytes is ignored, so no answer is longer than its query", () => {
  const query = encodeQuery(TOKEN);
  assertEquals(LIMITS.announceBytes, 512);
  assertEquals(decodeQuery(query.subarray(0, 511)), undefined);
  assertEquals(decodeQuery(new Uint8Array([...query, 0])), undefined);
  const longest = {
    ...ANNOUNCEMENT,
    host: "h".repeat(63),
    name: "\u{1f4be}".repeat(LIMITS.displayNameCount),
  };
  assert(encodeAnswer(TOKEN, longest).length <= query.length);
  assertThrows(
    () => encodeAnswer(TOKEN, { ...longest, host: "h.".repeat(126) + "h" }),
    RangeError,
    "wanted at most 512 bytes",
  );
  assertEquals(
    decodeAnswer(new Uint8Array(513), TOKEN),
    undefined,
  );
});

Deno.test("An answer counts only with the token of the query, and with fields that a relay can have", () => {
  const good = encodeAnswer(TOKEN, ANNOUNCEMENT);
  assertEquals(decodeAnswer(good, TOKEN.toReversed()), undefined);
  const head = good.subarray(0, 27);
  const decode = (body: unknown) =>
    decodeAnswer(
      new Uint8Array([
        ...head,
        ...new TextEncoder().encode(JSON.stringify(body)),
      ]),
      TOKEN,
    );
  const { isPrivate, ...rest } = ANNOUNCEMENT;
  const fields = { ...rest, private: isPrivate };
  assertEquals(decode(fields), ANNOUNCEMENT);
  const wrong: unknown[] = [
    null,
    [],
    "relay",
    { ...fields, id: "a" },
    { ...fields, id: undefined },
    { ...fields, port: 0 },
    { ...fields, port: 65_536 },
    { ...fields, port: 1.5 },
    { ...fields, port: "1700" },
    { ...fields, name: 7 },
    { ...fields, name: "n".repeat(LIMITS.displayNameCount + 1) },
    { ...fields, private: "no" },
    { ...fields, host: "two words" },
    { ...fields, host: 7 },
  ];
  for (const body of wrong) {
    assertEquals(decode(body), undefined, JSON.stringify(body));
  }
});

Deno.test("No cut or changed datagram makes the decoder throw", () => {
  const random = seededRandom(15);
  const query = encodeQuery(TOKEN);
  const answer = encodeAnswer(TOKEN, ANNOUNCEMENT);
  for (let length = 0; length < answer.length; length++) {
    assertEquals(decodeAnswer(answer.subarray(0, length), TOKEN), undefined);
    assertEquals(decodeQuery(query.subarray(0, length)), undefined);
  }
  for (let tries = 0; tries < 5_000; tries++) {
    const bytes = answer.slice();
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const found = decodeAnswer(bytes, TOKEN);
    if (found === undefined) continue;
    assert(found.port >= 1 && found.port <= 65_535);
    assertEquals(found.id.length, 52);
  }
});
