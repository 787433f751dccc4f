import { assertEquals } from "@std/assert";
import { Grants } from "../../lib/client/grants.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { LIMITS } from "../../lib/base/limits.ts";

/** A node that was listed so many milliseconds ago, with a grant. */
function listed(text: string, ageMs: number): ListedNode {
  const listedAt = performance.now() - ageMs;
  return { id: "a", grant: { text, listedAt } } as ListedNode;
}

/** Gives grants, and counts how often the relay was asked for new ones. */
function grants(answer: () => readonly ListedNode[]) {
  const asked = { count: 0 };
  const given = new Grants({
    renewMs: LIMITS.grantRenewMs,
    list: () => {
      asked.count++;
      return Promise.try(answer);
    },
  });
  return { given, asked };
}

const OLD = LIMITS.grantRenewMs;
const YOUNG = LIMITS.grantRenewMs / 2;

Deno.test("Grants yields the grant of the listing while that is recent", async () => {
  const { given, asked } = grants(() => []);
  assertEquals(await given.of(listed("first", YOUNG)), "first");
  assertEquals(await given.of({ id: "b" } as ListedNode), undefined);
  assertEquals(asked.count, 0);
});

Deno.test("Grants asks the relay again after half an hour, once for all waiting calls", async () => {
  const { given, asked } = grants(() => [listed("second", 0)]);
  const node = listed("first", OLD);
  const both = await Promise.all([given.of(node), given.of(node)]);
  assertEquals(both, ["second", "second"]);
  assertEquals(await given.of(node), "second");
  assertEquals(asked.count, 1);
});

Deno.test("Grants yields the old grant if the relay is down, or no longer lists the node", async () => {
  const away = grants(() => {
    throw new Error("no answer");
  });
  assertEquals(await away.given.of(listed("first", OLD)), "first");
  const gone = grants(() => []);
  assertEquals(await gone.given.of(listed("first", OLD)), "first");
  assertEquals(gone.asked.count, 1);
});
