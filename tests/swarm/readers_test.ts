import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Readers } from "../../lib/swarm/readers.ts";

const { swarmReaderCount, swarmReaderQueueCount } = LIMITS;

/** All that is served before something has been sent. */
function turns(readers: Readers<number>): string[] {
  const all: string[] = [];
  for (let turn; (turn = readers.next());) {
    all.push(`${turn.reader}${turn.request}`);
  }
  return all;
}

Deno.test("Readers serves swarmReaderCount readers at a time, one piece each, in turn", () => {
  const readers = new Readers<number>(LIMITS);
  const names = "abcdefghij".split("");
  for (const reader of names) {
    for (const piece of [1, 2]) readers.ask(reader, piece);
  }
  const first = names.slice(0, swarmReaderCount).map((one) => `${one}1`);
  assertEquals(turns(readers), first);
  assertEquals(readers.servedCount, swarmReaderCount);
  readers.sent("b");
  assertEquals(turns(readers), ["i1"], "the next, and not its second piece");
  readers.sent("a");
  readers.sent("c");
  assertEquals(turns(readers), ["j1", "a2"]);
});

Deno.test("Readers serves one that is alone piece by piece", () => {
  const readers = new Readers<number>(LIMITS);
  for (const piece of [7, 8]) readers.ask("a", piece);
  assertEquals(turns(readers), ["a7"]);
  readers.sent("a");
  assertEquals(turns(readers), ["a8"]);
  readers.sent("a");
  assertEquals(turns(readers), []);
});

Deno.test("Readers takes no more than swarmReaderQueueCount requests of one reader", () => {
  const readers = new Readers<number>(LIMITS);
  for (let piece = 0; piece < swarmReaderQueueCount; piece++) {
    assertEquals(readers.ask("a", piece), true);
  }
  assertEquals(readers.ask("a", 99), false);
  assertEquals(readers.ask("b", 99), true);
});

Deno.test("Readers forgets what one that left has asked for, and frees its place", () => {
  const readers = new Readers<number>(LIMITS);
  for (const reader of ["a", "b"]) {
    for (const piece of [1, 2]) readers.ask(reader, piece);
  }
  turns(readers);
  readers.left("a");
  assertEquals(readers.servedCount, 1);
  readers.sent("b");
  assertEquals(turns(readers), ["b2"]);
});
