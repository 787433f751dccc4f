import { assertEquals } from "@std/assert";
import { Receivers } from "../../lib/node/receivers.ts";

const PIECE = 256 * 1024;
const SIZE = 3 * PIECE + 10;

/** Receivers of "f", which has four pieces. */
function receiversOf({ spared = [] as number[], most = 8 } = {}) {
  const receivers = new Receivers(most);
  receivers.add("f", { size: SIZE, spared });
  let now = 0;
  return (first: number, { to = "a", count = 1 } = {}) => {
    const noted = receivers.note({ to, name: "f", first, count }, now++)!;
    return [noted.progress.bytes, noted.progress.total, noted.isComplete];
  };
}

Deno.test("Receivers says how far a receiver is, and when it has every piece", () => {
  const note = receiversOf();
  assertEquals(note(1), [PIECE, SIZE, false]);
  assertEquals(note(0), [2 * PIECE, SIZE, false]);
  assertEquals(note(1), [2 * PIECE, SIZE, false]); // once more
  assertEquals(note(2, { count: 2 }), [SIZE, SIZE, true]);
});

Deno.test("Receivers counts what was sent twice for the next fetch", () => {
  const note = receiversOf();
  note(0, { count: 4 });
  assertEquals(note(0, { count: 2 }), [2 * PIECE, SIZE, false]);
  assertEquals(note(2, { count: 2 }), [SIZE, SIZE, true]);
  note(0, { count: 3 });
  note(0, { count: 3 });
  assertEquals(note(3), [SIZE, SIZE, true]);
  assertEquals(note(3), [SIZE, SIZE, true]);
  assertEquals(note(0), [PIECE, SIZE, false]);
});

Deno.test("Receivers keeps addresses apart, and expects no piece that nobody fetches", () => {
  const note = receiversOf({ spared: [1, 2] });
  assertEquals(note(0), [PIECE, PIECE + 10, false]);
  assertEquals(note(0, { to: "b" }), [PIECE, PIECE + 10, false]);
  assertEquals(note(3), [PIECE + 10, PIECE + 10, true]);
  assertEquals(note(3), [10, PIECE + 10, false]);
  assertEquals(note(3, { to: "b" }), [PIECE + 10, PIECE + 10, true]);
});

Deno.test("Receivers forgets the one that got nothing for the longest time", () => {
  const note = receiversOf({ most: 2 });
  note(0, { to: "a" });
  note(0, { to: "b" });
  note(1, { to: "a" });
  note(0, { to: "c" });
  assertEquals(note(1, { to: "a" }), [2 * PIECE, SIZE, false]);
  assertEquals(note(1, { to: "b" }), [PIECE, SIZE, false]);
});

Deno.test("Receivers measures a fetch from its first piece, and knows no other file", () => {
  const receivers = new Receivers(1);
  receivers.add("f", { size: SIZE });
  const to = "a";
  receivers.note({ to, name: "f", first: 0, count: 1 }, 1_000);
  const noted = receivers.note({ to, name: "f", first: 1, count: 3 }, 3_500);
  assertEquals(noted?.progress.ms, 2_500);
  assertEquals(
    receivers.note({ to, name: "other", first: 0, count: 1 }, 0),
    undefined,
  );
});
