import { assertEquals } from "@std/assert";
import { DigestIndex } from "../../lib/share/digest_index.ts";
import { seededRandom } from "../_random.ts";

Deno.test("DigestIndex agrees with a Map through ten thousand changes", () => {
  const random = seededRandom(5);
  const index = new DigestIndex();
  const map = new Map<string, number>();
  for (let step = 0; step < 10_000; step++) {
    const key = `key ${Math.floor(random() * 7_000)}`;
    const offset = Math.floor(random() * 2 ** 45);
    index.set(key, offset);
    map.set(key, offset);
  }
  assertEquals(index.count, map.size);
  for (const [key, offset] of map) assertEquals(index.get(key), offset);
  assertEquals(index.get("key"), undefined);
});
