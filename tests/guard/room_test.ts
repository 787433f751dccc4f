import { assert, assertEquals } from "@std/assert";
import { Admission, type Slot } from "../../lib/guard/admission.ts";
import { LIMITS } from "../../lib/base/limits.ts";

const { roomLeastCount, roomDoubleMs, acceptCheckMs } = LIMITS;

/** An admission with some connections that have said hello. */
function crowded(counts: Readonly<Record<string, number>>) {
  const connectionsPerAddressCount = LIMITS.nodeConnectionsPerAddressCount;
  const admission = new Admission({ ...LIMITS, connectionsPerAddressCount });
  const hosts = new Map<Slot, string>();
  const admit = (host: string, now: number) => {
    const outcome = admission.admit(host, now);
    if (outcome.kind === "refused") return outcome.reason;
    hosts.set(outcome.slot, host);
    const settled = outcome.slot.settle(now);
    if (settled.kind === "refused") {
      outcome.slot.leave(now);
      return settled.reason;
    }
    return settled.replaced === undefined
      ? "settled"
      : `instead of ${hosts.get(settled.replaced)}`;
  };
  for (const [host, count] of Object.entries(counts)) {
    for (let n = 0; n < count; n++) assertEquals(admit(host, 0), "settled");
  }
  const makeRoom = (now: number) =>
    admission.makeRoom(now).map((slot) => hosts.get(slot));
  return { admission, admit, makeRoom };
}

Deno.test("Admission evicts an eighth of all connections when descriptors run out, of the address with most", () => {
  const { admission, makeRoom } = crowded({ a: 40, b: 20, c: 4 });
  assertEquals(makeRoom(0), Array(8).fill("a"));
  assertEquals(admission.connectionCount, 56);
  assertEquals(makeRoom(1), [], "they may not have closed yet");
  assertEquals(makeRoom(acceptCheckMs), Array(7).fill("a"));
});

Deno.test("Admission gives a newcomer the place of the address with most once descriptors ran out", () => {
  const { admit, makeRoom } = crowded({ a: 20, b: 20, c: 20 });
  makeRoom(0);
  assertEquals(admit("c", 1), "too_many_connections");
  for (let n = 0; n < 10; n++) {
    assertEquals(admit("d", 1).slice(0, 10), "instead of");
  }
});

Deno.test("Admission keeps roomLeastCount connections when descriptors run out", () => {
  const { admission, makeRoom } = crowded({ a: roomLeastCount + 1 });
  for (let n = 0; n < 9; n++) makeRoom(n * acceptCheckMs);
  assertEquals(admission.connectionCount, roomLeastCount);
});

Deno.test("Admission tries twice as many connections roomDoubleMs after descriptors ran out", () => {
  const { admission, admit, makeRoom } = crowded({ a: 32, b: 32 });
  makeRoom(0);
  assertEquals(admit("a", 1), "too_many_connections");
  const later = roomDoubleMs + 1;
  let more = 0;
  while (admit(`host ${more % 40}`, later) === "settled") more++;
  const most = Math.ceil(2 * 56 / 4) * 3;
  assertEquals(admission.connectionCount, most);
  assert(more > 20);
});

Deno.test("Admission takes the places of attackers at few addresses before those of people behind a local proxy", () => {
  const { makeRoom } = crowded({ "127.0.0.1": 60, a: 40, b: 40, "::1": 4 });
  assertEquals(new Set(makeRoom(0)), new Set(["a", "b"]));
});

Deno.test("Admission makes room among people behind a local proxy if there is nobody else", () => {
  const { admission, makeRoom } = crowded({ "127.0.0.1": 64 });
  assertEquals(makeRoom(0), Array(8).fill("127.0.0.1"));
  assertEquals(admission.connectionCount, 56);
});
