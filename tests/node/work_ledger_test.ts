import { assertAlmostEquals, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { type Account, WorkLedger } from "../../lib/node/work_ledger.ts";

const {
  clientWorkBurstMs,
  clientWorkMsPerSecond,
  addressWorkBurstMs,
  addressWorkMsPerSecond,
} = LIMITS;

const asked = (now: number) => ({ kind: "asked", now }) as const;
const sent = (now: number) => ({ kind: "sent", now }) as const;

Deno.test("WorkLedger lets a client work its burst at once, then a quarter of the time", () => {
  const ledger = new WorkLedger(LIMITS);
  const account = ledger.open("192.0.2.1", 0);
  ledger.charge(account, clientWorkBurstMs, asked(0));
  assertEquals(ledger.restMs(account, 0), 0);
  ledger.charge(account, 10, asked(0));
  const restMs = 10 / clientWorkMsPerSecond * 1_000;
  assertAlmostEquals(ledger.restMs(account, 0), restMs);
  assertAlmostEquals(ledger.restMs(account, restMs / 2), restMs / 2);
  assertEquals(ledger.restMs(account, restMs + 1), 0);
});

Deno.test("WorkLedger limits all clients of one address together to half of the time, and other addresses separately", () => {
  const ledger = new WorkLedger(LIMITS);
  const clients = [1, 2, 3].map(() => ledger.open("192.0.2.1", 0));
  const other = ledger.open("192.0.2.2", 0);
  for (const client of clients) ledger.charge(client, 900, asked(0));
  const debtMs = 3 * 900 - addressWorkBurstMs;
  const restMs = debtMs / addressWorkMsPerSecond * 1_000;
  for (const client of clients) {
    assertAlmostEquals(ledger.restMs(client, 0), restMs);
  }
  assertEquals(ledger.restMs(other, 0), 0);
});

Deno.test("WorkLedger remembers the debt of an address whose clients reconnect, until it is paid", () => {
  const ledger = new WorkLedger(LIMITS);
  for (let n = 0; n < 5; n++) {
    const client = ledger.open("192.0.2.1", 0);
    ledger.charge(client, clientWorkBurstMs, asked(0));
    ledger.close(client);
  }
  assertEquals(ledger.restMs(ledger.open("192.0.2.1", 0), 0) > 0, true);
  const longAfter = 3_600_000;
  for (let n = 0; n < 300; n++) {
    ledger.close(ledger.open(`2001:db8:0:${n}00::/56`, longAfter));
  }
  assertEquals(ledger.sourceCount < 300, true);
});

Deno.test("WorkLedger takes at most a burst for one request, however much it costs", () => {
  const ledger = new WorkLedger(LIMITS);
  const account = ledger.open("192.0.2.1", 0);
  ledger.charge(account, 1e9, asked(0));
  const restMs = clientWorkBurstMs / clientWorkMsPerSecond * 1_000;
  assertAlmostEquals(ledger.restMs(account, 0), restMs);
});

Deno.test("WorkLedger never makes a client rest for files that it was sent", () => {
  const ledger = new WorkLedger(LIMITS);
  const account = ledger.open("192.0.2.1", 0);
  ledger.charge(account, 1e9, sent(0));
  assertEquals(ledger.restMs(account, 0), 0);
});

/** How often each of some clients goes, where all wait and work 5 ms a turn. */
function turnsOf(
  ledger: WorkLedger,
  accounts: readonly Account[],
  count: number,
): number[] {
  const turns = accounts.map(() => 0);
  for (const account of accounts) ledger.wait(account);
  for (let n = 0; n < count; n++) {
    const next = ledger.next(accounts)!;
    turns[accounts.indexOf(next)]!++;
    ledger.charge(next, 5, sent(0));
    ledger.wait(next);
  }
  return turns;
}

Deno.test("WorkLedger gives an address with one client as many turns as one with nine", () => {
  const ledger = new WorkLedger(LIMITS);
  const nine = Array.from({ length: 9 }, () => ledger.open("192.0.2.1", 0));
  const one = ledger.open("192.0.2.2", 0);
  const turns = turnsOf(ledger, [...nine, one], 180);
  assertEquals(turns.at(-1), 90);
  assertEquals(turns.slice(0, 9), Array(9).fill(10));
});

Deno.test("WorkLedger counts clients one by one if many share an address", () => {
  const ledger = new WorkLedger(LIMITS);
  const accounts = [1, 2, 3].map(() => ledger.open(undefined, 0));
  assertEquals(turnsOf(ledger, accounts, 30), [10, 10, 10]);
  for (const account of accounts) ledger.charge(account, 900, asked(0));
  assertEquals(ledger.restMs(accounts[0]!, 0), 0);
  assertEquals(ledger.sourceCount, 0);
});

Deno.test("WorkLedger serves a new client first, and then only in its turn", () => {
  const ledger = new WorkLedger(LIMITS);
  const busy = ledger.open("192.0.2.1", 0);
  turnsOf(ledger, [busy], 1_000);
  const newcomer = ledger.open("192.0.2.2", 0);
  assertEquals(turnsOf(ledger, [busy, newcomer], 10), [5, 5]);
});
