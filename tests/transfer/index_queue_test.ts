import { assertEquals } from "@std/assert";
import { IndexQueue } from "../../lib/transfer/index_queue.ts";
import { seededRandom } from "../_random.ts";

Deno.test("IndexQueue returns numbers in order, each once, for any order of arrival", () => {
  const random = seededRandom(7);
  const queue = new IndexQueue();
  const model = new Set<number>();
  for (let step = 0; step < 20_000; step++) {
    if (random() < 0.6) {
      const index = random() < 0.5 ? step : Math.floor(random() * 20_000);
      queue.push(index);
      model.add(index);
    } else if (model.size > 0) {
      const first = Math.min(...model);
      assertEquals(queue.first, first);
      queue.shift();
      model.delete(first);
    }
    if (model.size === 0) assertEquals(queue.first, undefined);
    if (model.size > 50) {
      for (const index of [...model].sort((a, b) => a - b)) {
        assertEquals(queue.first, index);
        queue.shift();
        model.delete(index);
      }
    }
  }
});
