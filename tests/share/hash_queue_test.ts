import { assertEquals } from "@std/assert";
import { HashQueue } from "../../lib/share/hash_queue.ts";

const file = (version: string, size = 1) => ({ version, size });

/** Versions in the order in which they are taken. */
function drain(queue: HashQueue<{ version: string; size: number }>): string {
  const taken: string[] = [];
  for (let next = queue.take(); next; next = queue.take()) {
    taken.push(next.version);
  }
  return taken.join(" ");
}

Deno.test("HashQueue takes turns between the clients that ask", () => {
  const queue = new HashQueue();
  for (const version of ["a1", "a2", "a3"]) queue.add(file(version), "a");
  queue.add(file("b1"), "b");
  queue.add(file("c1"), "c");
  queue.add(file("b2"), "b");
  assertEquals(drain(queue), "a1 b1 c1 a2 b2 a3");
  assertEquals(queue.isEmpty, true);
});

Deno.test("HashQueue serves a new client before one that has had a turn", () => {
  const queue = new HashQueue();
  for (const version of ["a1", "a2", "a3"]) queue.add(file(version), "a");
  assertEquals(queue.take()?.version, "a1");
  queue.add(file("b1"), "b");
  assertEquals(drain(queue), "a2 b1 a3");
});

Deno.test("HashQueue keeps a file once for each client that requests it", () => {
  const queue = new HashQueue();
  queue.add(file("x"), "a");
  queue.add(file("x"), "a");
  queue.add(file("x"), "b");
  assertEquals(drain(queue), "x x");
});

Deno.test("HashQueue skips files that are too large, and keeps them", () => {
  const queue = new HashQueue();
  queue.add(file("large", 10), "a");
  queue.add(file("small", 9), "b");
  assertEquals(queue.take(10)?.version, "small");
  assertEquals(queue.take(10), undefined);
  assertEquals(drain(queue), "large");
});
