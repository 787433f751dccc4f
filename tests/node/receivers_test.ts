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

Deno.test("Receivers reports how far a receiver is, and when it has every piece", () => {
  const note = receiversOf();
  assertEquals(note(1), [PIECE, SIZE, false]);
  assertEquals(note(0), [2 * PIECE, SIZE, false]);
  assertEquals(note(1), [2 * PIECE, SIZE, false]); // once more
  assertEquals(note(2, { count: 2 }), [SIZE, SIZE, true]);
});

Deno.test("Receivers counts pieces that were sent twice as part of the next fetch", () => {
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

Deno.test("Receivers counts each address separately, and expects no piece that is not fetched", () => {
  const note = receiversOf({ spared: [1, 2] });
  assertEquals(note(0), [PIECE, PIECE + 10, false]);
  assertEquals(note(0, { to: "b" }), [PIECE, PIECE + 10, false]);
  assertEquals(note(3), [PIECE + 10, PIECE + 10, true]);
  assertEquals(note(3), [10, PIECE + 10, false]);
  assertEquals(note(3, { to: "b" }), [PIECE + 10, PIECE + 10, true]);
});

Deno.test("Receivers forgets the receiver that got nothing for the longest time", () => {
  const note = receiversOf({ most: 2 });
  note(0, { to: "a" });
  note(0, { to: "b" });
  note(1, { to: "a" });
  note(0, { to: "c" });
  assertEquals(note(1, { to: "a" }), [2 * PIECE, SIZE, false]);
  assertEquals(note(1, { to: "b" }), [PIECE, SIZE, false]);
});

Deno.test("Receivers measures a fetch from its first piece, and ignores other files", () => {
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

Deno.test("Receivers counts a fetch of a file that needs no pieces, once", () => {
  const receivers = new Receivers(2);
  receivers.add("empty", { size: 0 });
  receivers.add("zeros", { size: 10, spared: [0] });
  for (const name of ["empty", "zeros"]) {
    const sent = { to: "a", name, first: 0 };
    const noted = receivers.note({ ...sent, count: 0 }, 1);
    assertEquals(noted?.isComplete, true);
    assertEquals(noted?.progress.total, 0);
  }
  // A client that does not know that they are zeros asks for them.
  const asked = receivers.note(
    { to: "a", name: "zeros", first: 0, count: 1 },
    2,
  );
  assertEquals(asked?.isComplete, false);
});
