import { assert, assertEquals } from "@std/assert";
import { SortedRows } from "../../lib/share/sorted_rows.ts";
import { seededRandom } from "../_random.ts";

/** Rows that stand for their numbers, and how many comparisons they took. */
function countedRows() {
  const counted = { compares: 0 };
  const nameOf = (row: number) => String(row).padStart(6, "0");
  const rows = new SortedRows((row, name) => {
    counted.compares++;
    const own = nameOf(row);
    return own < name ? -1 : own > name ? 1 : 0;
  });
  return { counted, rows, nameOf };
}

Deno.test("SortedRows searches once for a name that is searched, inserted and searched again", () => {
  const { counted, rows, nameOf } = countedRows();
  const random = seededRandom(1);
  const numbers = new Set<number>();
  while (numbers.size < 3_000) numbers.add(Math.floor(random() * 100_000));
  let once = 0;
  let more = 0;
  for (const number of numbers) {
    const name = nameOf(number);
    counted.compares = 0;
    assertEquals(rows.find(name), undefined);
    once += counted.compares;
    rows.delete(name);
    rows.add(number, name);
    more += counted.compares;
    assertEquals(rows.find(name), number);
  }
  // Beyond the search it takes one comparison to see that it is another name,
  // and a search again where a chunk was full.
  assert(more < once + 3 * numbers.size, `${once} and ${more} comparisons`);
});

Deno.test("SortedRows finds the current row of a name that has changed since it was searched", () => {
  const { rows, nameOf } = countedRows();
  const name = nameOf(5);
  assertEquals(rows.find(name), undefined);
  rows.add(5, name);
  assertEquals(rows.find(name), 5);
  rows.add(3, nameOf(3));
  assertEquals(rows.find(name), 5);
  rows.delete(nameOf(3));
  assertEquals(rows.find(name), 5);
  rows.delete(name);
  assertEquals(rows.find(name), undefined);
  rows.delete(name);
  assertEquals([...rows.from("")], []);
});
