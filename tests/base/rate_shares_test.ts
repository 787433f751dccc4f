import { assert, assertEquals } from "@std/assert";
import { RateLimit } from "../../lib/base/rate.ts";
import { RateShares } from "../../lib/base/rate_shares.ts";
import { seededRandom } from "../_random.ts";

const RATE = 1_000_000;

interface Asker {
  readonly group: number;
  readonly connection: number;
  readonly bytes: () => number;
}

/** Serves users that ask again at once, for `ms`; the bytes of each group. */
function run(users: readonly Asker[], ms: number): number[] {
  const shares = new RateShares<[Asker, number]>(new RateLimit(RATE));
  const sent: number[] = [];
  const ask = (user: Asker) => {
    const bytes = user.bytes();
    shares.request(bytes, user, [user, bytes]);
  };
  for (const user of users) ask(user);
  for (let now = 0; now < ms; now += shares.dueIn(now)!) {
    for (let next; (next = shares.next(now)) !== undefined;) {
      const [user, bytes] = next;
      sent[user.group] = (sent[user.group] ?? 0) + bytes;
      ask(user);
    }
  }
  return sent;
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`RateShares gives each of K groups 1/K of the rate, with any number of connections and any steps (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const upTo = (most: number) => 1 + Math.floor(random() * most);
    const groupCount = upTo(12);
    const step = new RateLimit(RATE).stepBytes;
    const users: Asker[] = [];
    for (let group = 0; group < groupCount; group++) {
      const count = random() < 0.5 ? 1 : upTo(120);
      const most = random() < 0.5 ? step : upTo(step);
      for (let n = 0; n < count; n++) {
        users.push({ group, connection: n, bytes: () => upTo(most) });
      }
    }
    for (const ms of [10_000, 60_000]) {
      const sent = run(users, ms);
      const total = sent.reduce((sum, bytes) => sum + bytes, 0);
      assert(total >= RATE * ms / 1_000, `${total} bytes`);
      for (const bytes of sent) {
        assert(
          bytes >= total / groupCount - 3 * step,
          `${bytes} of ${total} for one of ${groupCount}`,
        );
      }
    }
  });
}

Deno.test("RateShares rotates between the connections of a group", () => {
  const users = Array.from({ length: 7 }, (_, connection) => ({
    ...{ group: 0, connection },
    bytes: () => 1_000,
  }));
  const shares = new RateShares<number>(new RateLimit(RATE));
  const order: number[] = [];
  const ask = (n: number) => shares.request(1_000, users[n]!, n);
  for (const { connection } of users) ask(connection);
  for (let now = 0; order.length < 21; now += 1) {
    const next = shares.next(now);
    if (next === undefined) continue;
    order.push(next);
    ask(next);
  }
  assertEquals(order, [0, 1, 2].flatMap(() => [0, 1, 2, 3, 4, 5, 6]));
});

Deno.test("RateShares serves a group that waits before groups that arrive later, however many they are", () => {
  const limit = new RateLimit(RATE);
  const shares = new RateShares<string>(limit);
  const step = limit.stepBytes;
  for (let n = 0; n < 10; n++) {
    shares.request(step, { group: n, connection: 0 }, "before");
  }
  shares.request(step, { group: "honest", connection: 0 }, "honest");
  let count = 0;
  for (let now = 0;; now += shares.dueIn(now)!) {
    const next = shares.next(now);
    if (next === "honest") break;
    if (next !== undefined) count++;
    shares.request(step, { group: `new${now}`, connection: 0 }, "later");
  }
  assertEquals(count, 10);
});

Deno.test("RateShares lets a user begin at once if the rate allows it and nobody waits", () => {
  const shares = new RateShares<string>(new RateLimit(RATE));
  const [one, other] = [1, 2].map((group) => ({ group, connection: 0 }));
  assertEquals(shares.begin(100_000, one!, 1_000), true);
  assertEquals(shares.begin(1_000, one!, 1_000), false, "the rate is used up");
  shares.request(1_000, one!, "one");
  assertEquals(shares.next(1_000), undefined);
  assertEquals(shares.dueIn(1_000), 50);
  assertEquals(shares.begin(1_000, other!, 1_050), false, "another waits");
  assertEquals(shares.next(1_050), "one");
  assertEquals(shares.dueIn(1_050), undefined);
});

Deno.test("RateShares keeps few groups that wait for nothing", () => {
  const shares = new RateShares<number>(new RateLimit(RATE));
  for (let n = 0; n < 1_000; n++) {
    shares.request(1, { group: n, connection: 0 }, n);
    assertEquals(shares.next(n), n);
    assert(shares.keptCount <= 65, `${shares.keptCount} groups`);
  }
});

Deno.test("RateShares serves each of 100 groups within a second, at 40 MB/s and more", () => {
  for (const rate of [40e6, 1e9]) {
    const shares = new RateShares<number>(new RateLimit(rate));
    const sent = new Array<number>(100).fill(0);
    const ask = (group: number) =>
      shares.request(Math.min(shares.turnBytes, 1024 ** 2), {
        group,
        connection: 0,
      }, group);
    for (const group of sent.keys()) ask(group);
    for (let now = 0; now < 1_000; now += shares.dueIn(now)!) {
      for (let next; (next = shares.next(now)) !== undefined;) {
        sent[next]!++;
        ask(next);
      }
    }
    assert(Math.min(...sent) > 0, `${sent} turns at ${rate} bytes a second`);
  }
});
