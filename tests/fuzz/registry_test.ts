/**
 * The registry beside a plain table that is looked through from end to end:
 * whatever is registered, withdrawn, dropped and forgotten in any order, both
 * say the same.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { Registration } from "../../lib/relay/lease.ts";
import { Registry } from "../../lib/relay/registry.ts";
import { seededRandom } from "../_random.ts";
import { holds } from "./_runs.ts";

interface Row extends Registration {
  readonly displaced: string | undefined;
  /** What the last grant promised: not gone before. */
  readonly until: number;
  /** The latest that any grant promised: not there after. */
  readonly atMost: number;
  readonly windowAt: number;
  readonly windowCount: number;
}

type Past = Pick<Row, "sequence" | "windowAt" | "windowCount">;

/** What the registry is held against. */
class Table {
  readonly limits: Limits;
  now = 1_000;
  /** Rises with every registration that is tried. */
  clock = 10;
  readonly rows = new Map<string, Row>();
  readonly departed = new Map<string, Past & { forgetAt: number }>();
  readonly expired: string[] = [];

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** Drops what is over; between the two times, the registry decides. */
  settle(registry: Registry): void {
    for (const [id, row] of this.rows) {
      const isThere = registry.find(id, this.now) !== undefined;
      if (this.now < row.until) assert(isThere, `${id} ended early`);
      if (this.now >= row.atMost) assert(!isThere, `${id} outlived its lease`);
      if (isThere) continue;
      this.rows.delete(id);
      this.expired.push(row.entry);
    }
    for (const [id, { forgetAt }] of this.departed) {
      if (forgetAt <= this.now) this.departed.delete(id);
    }
  }

  window(past: Past | undefined): Pick<Past, "windowAt" | "windowCount"> {
    const isOver = past === undefined ||
      this.now - past.windowAt >= this.limits.reregisterWindowMs;
    return isOver ? { windowAt: this.now, windowCount: 0 } : past;
  }

  /** Why a registration must be refused. */
  refusal(node: Registration): string | undefined {
    const row = this.rows.get(node.id);
    const past = row ?? this.departed.get(node.id);
    if (row !== undefined && row.displaced === node.instance) {
      return "identity_used_twice";
    }
    if (past !== undefined && node.sequence <= past.sequence) {
      return "stale_sequence";
    }
    if (this.window(past).windowCount >= this.limits.reregisterCount) {
      return "registering_too_fast";
    }
    if (row === undefined && this.rows.size >= this.limits.nodeCount) {
      return "registry_full";
    }
    const beside = [...this.rows.values()].filter(({ id, source }) =>
      source === node.source && id !== node.id
    );
    return row?.source !== node.source &&
        beside.length >= this.limits.nodesPerAddressCount
      ? "too_many_nodes_for_address"
      : undefined;
  }

  grant(node: Registration, leaseMs: number): void {
    const row = this.rows.get(node.id);
    const { windowAt, windowCount } = this.window(
      row ?? this.departed.get(node.id),
    );
    const until = this.now + leaseMs;
    this.departed.delete(node.id);
    this.rows.set(node.id, {
      ...node,
      displaced: row !== undefined && row.instance !== node.instance
        ? row.instance
        : row?.displaced,
      until,
      atMost: Math.max(until, row?.atMost ?? 0),
      windowAt,
      windowCount: windowCount + 1,
    });
  }

  depart(row: Row, sequence: number): void {
    this.rows.delete(row.id);
    if (this.departed.size >= this.limits.nodeCount) {
      this.departed.delete([...this.departed.keys()][0]!);
    }
    const { windowAt, windowCount } = row;
    const forgetAt = this.now + this.limits.reregisterWindowMs;
    this.departed.set(row.id, { sequence, windowAt, windowCount, forgetAt });
  }
}

interface Real {
  readonly registry: Registry;
  readonly expired: string[];
}

/** Something that happens to both; each says afterwards what it holds. */
abstract class Step<Options> implements fc.Command<Table, Real> {
  constructor(readonly options: Options) {}

  check(): boolean {
    return true;
  }

  run(table: Table, { registry, expired }: Real): void {
    table.settle(registry);
    this.happen(table, registry);
    assertEquals(registry.count(table.now), table.rows.size);
    assertEquals(expired.toSorted(), table.expired.toSorted());
    for (const [id, row] of table.rows) {
      const lease = registry.find(id, table.now);
      assert(lease !== undefined);
      const { instance, sequence, entry, source, listedBytes } = row;
      const { instance: foundInstance, ...found } = lease;
      assertEquals(foundInstance, instance);
      assertEquals(
        [found.sequence, found.entry, found.source, found.listedBytes],
        [sequence, entry, source, listedBytes],
      );
      assert(found.expiresAt > table.now, "the only truth about a lease");
      assert(found.expiresAt >= row.until && found.expiresAt <= row.atMost);
    }
  }

  abstract happen(table: Table, registry: Registry): void;

  toString(): string {
    return `${this.constructor.name}(${JSON.stringify(this.options)})`;
  }
}

class Register extends Step<
  {
    id: string;
    instance: string;
    step: number;
    source: string;
    listedBytes: number;
  }
> {
  happen(table: Table, registry: Registry): void {
    const { id, instance, step, source, listedBytes } = this.options;
    const sequence = table.clock += step;
    const entry = `${id} ${sequence} ${instance}`;
    const observedHost = `host of ${source}`;
    const node = {
      ...{ id, instance, sequence, entry },
      ...{ observedHost, source, listedBytes },
    };
    const reason = table.refusal(node);
    const isNew = !table.rows.has(id);
    const outcome = registry.register(node, table.now);
    if (outcome.kind === "refused" || reason !== undefined) {
      const refused = { kind: "refused", reason };
      assertEquals<unknown>(outcome, refused);
      return;
    }
    assertEquals(outcome.isNew, isNew);
    const { leaseSeconds, renewSeconds } = outcome.terms;
    const { limits } = table;
    assert(leaseSeconds >= limits.leaseSeconds);
    assert(leaseSeconds <= limits.leaseMaxSeconds);
    assert(renewSeconds * 2 <= leaseSeconds, "one renewal may be missed");
    table.grant(node, leaseSeconds * 1_000);
  }
}

class Withdraw extends Step<{ id: string; instance: string; late: number }> {
  happen(table: Table, registry: Registry): void {
    const { id, instance, late } = this.options;
    const row = table.rows.get(id);
    const sequence = (row?.sequence ?? table.clock) - late;
    const mayGo = row?.instance === instance && late <= 0;
    const left = registry.withdraw({ id, instance, sequence }, table.now);
    assertEquals(left, mayGo ? row.entry : undefined);
    if (mayGo) table.depart(row, sequence);
  }
}

class Drop extends Step<{ id: string; late: number }> {
  happen(table: Table, registry: Registry): void {
    const { id, late } = this.options;
    const row = table.rows.get(id);
    const sequence = (row?.sequence ?? table.clock) - late;
    const mayGo = row !== undefined && late === 0;
    const { renewedAt = 0 } = registry.find(id, table.now) ?? {};
    const left = registry.drop({ id, sequence, renewedAt }, table.now);
    assertEquals(left, mayGo ? row.entry : undefined);
    if (mayGo) table.depart(row, sequence);
  }
}

class Renew extends Step<{ id: string }> {
  happen(table: Table, registry: Registry): void {
    const { id } = this.options;
    const row = table.rows.get(id);
    const isTooFast = row !== undefined &&
      table.window(row).windowCount >= table.limits.reregisterCount;
    const outcome = registry.renew(id, table.now);
    if (row === undefined || isTooFast) {
      const reason = isTooFast ? "registering_too_fast" : "unknown";
      assertEquals(outcome, { kind: "refused", reason });
      return;
    }
    assert(outcome.kind === "granted");
    table.grant(row, outcome.terms.leaseSeconds * 1_000);
  }
}

class Wait extends Step<{ ms: number }> {
  happen(table: Table, registry: Registry): void {
    table.now += this.options.ms;
    table.settle(registry);
  }
}

class List extends Step<{ pageBytes: number; seed: number }> {
  happen(table: Table, registry: Registry): void {
    const { pageBytes, seed } = this.options;
    const random = seededRandom(seed);
    const inOrder = [...table.rows.values()].map(({ entry }) => entry);
    const sizeOf = new Map(
      [...table.rows.values()].map((row) => [row.entry, row.listedBytes + 1]),
    );
    const all: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = registry.list({
        pageBytes,
        random,
        ...(cursor === undefined ? {} : { cursor }),
      }, table.now);
      assertEquals(page.count, inOrder.length);
      assert(page.entries.length <= table.limits.listingPageCount);
      const bytes = page.entries.reduce(
        (sum, entry) => sum + sizeOf.get(entry)!,
        0,
      );
      assert(bytes <= pageBytes, `${bytes} on a page of ${pageBytes}`);
      all.push(...page.entries);
      cursor = page.cursor;
      assert(page.entries.length > 0 || cursor === undefined);
      assert(++pages <= inOrder.length + 1, "the listing has an end");
    } while (cursor !== undefined);
    assertEquals(all.toSorted(), inOrder.toSorted());
    if (pages === 1 && inOrder.length <= table.limits.listingPageCount) {
      const total = inOrder.reduce((sum, one) => sum + sizeOf.get(one)!, 0);
      if (total <= pageBytes) assertEquals(all, inOrder);
    }
  }
}

/** A cursor that another listing gave, or nobody did. */
class ListFrom extends Step<{ cursor: string }> {
  happen(table: Table, registry: Registry): void {
    const entries = new Set(
      [...table.rows.values()].map(({ entry }) => entry),
    );
    const page = registry.list({
      cursor: this.options.cursor,
      pageBytes: 10_000,
      random: () => 0,
    }, table.now);
    for (const entry of page.entries) assert(entries.delete(entry), entry);
  }
}

const id = fc.constantFrom(..."abcdefghij");
const instance = fc.constantFrom("one", "two", "three");
const cursor = fc.oneof(
  fc.string(),
  fc.array(fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 10_000_000 })), {
    minLength: 4,
    maxLength: 4,
  }).map((numbers) => numbers.join(".")),
);

const STEPS = [
  fc.record({
    id,
    instance,
    step: fc.constantFrom(-1, 0, 1, 1, 1, 2),
    source: fc.constantFrom("x", "y", "z"),
    listedBytes: fc.integer({ min: 1, max: 90 }),
  }).map((options) => new Register(options)),
  fc.record({ id, instance, late: fc.constantFrom(-1, 0, 0, 1) })
    .map((options) => new Withdraw(options)),
  fc.record({ id }).map((options) => new Renew(options)),
  fc.record({ id, late: fc.constantFrom(0, 0, 1) })
    .map((options) => new Drop(options)),
  fc.record({
    ms: fc.oneof(
      fc.constantFrom(0, 1, 9_999, 10_000, 20_000, 59_999, 60_000),
      fc.nat({ max: 100_000 }),
    ),
  }).map((options) => new Wait(options)),
  fc.record({ pageBytes: fc.integer({ min: 91, max: 400 }), seed: fc.nat() })
    .map((options) => new List(options)),
  fc.record({ cursor }).map((options) => new ListFrom(options)),
];

const limits = fc.record({
  nodeCount: fc.integer({ min: 1, max: 9 }),
  nodesPerAddressCount: fc.integer({ min: 1, max: 5 }),
  reregisterCount: fc.integer({ min: 1, max: 4 }),
  listingPageCount: fc.integer({ min: 1, max: 6 }),
  // At the lower rates a few nodes are enough to lengthen leases.
  renewalsPerSecond: fc.constantFrom(0.02, 0.1, 1_000),
});

holds(
  "Registry holds what a plain table holds, whatever happens to both",
  [limits, fc.commands(STEPS, { maxCommands: 60, size: "max" })],
  (limits, steps) => {
    fc.modelRun(() => {
      const expired: string[] = [];
      const all = { ...LIMITS, ...limits };
      const registry = new Registry(all, ({ entry }) => expired.push(entry));
      return { model: new Table(all), real: { registry, expired } };
    }, steps);
  },
);
