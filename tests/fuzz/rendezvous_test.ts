/**
 * The pairing of tunnels beside a plain list that is looked through from end to
 * end: whatever is opened, joined, ended and forgotten in any order, both say
 * the same.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import {
  Rendezvous,
  type Tunnel,
  type TunnelSide,
} from "../../lib/relay/rendezvous.ts";
import { holds } from "./_runs.ts";

interface Row {
  readonly node: string;
  readonly source: string | undefined;
  readonly keys: Readonly<Record<TunnelSide, string>>;
  readonly joinBefore: number;
  activeAt: number;
  readonly came: Set<TunnelSide>;
  hasEnded: boolean;
  /** What the rendezvous calls it. */
  readonly tunnel: Tunnel;
}

/** What the rendezvous is held against. */
class List {
  readonly limits: Limits;
  now = 1_000;
  /** All there ever were, in the order of opening. */
  readonly rows: Row[] = [];

  constructor(limits: Limits) {
    this.limits = limits;
  }

  get open(): Row[] {
    return this.rows.filter(({ hasEnded }) => !hasEnded);
  }

  /** The rows that a new one replaces, or why it is refused. */
  outcome(node: string, source: string | undefined): Row[] | string {
    const { open, limits } = this;
    const scopes = [
      {
        rows: source === undefined
          ? []
          : open.filter((row) => row.source === source),
        most: limits.tunnelsPerAddressCount,
        reason: "too_many_tunnels_for_address",
      },
      {
        rows: open.filter((row) => row.node === node),
        most: limits.tunnelsPerNodeCount,
        reason: "too_many_tunnels_for_node",
      },
      { rows: open, most: limits.tunnelCount, reason: "too_many_tunnels" },
    ];
    const gone: Row[] = [];
    for (const { rows, most, reason } of scopes) {
      const isFull = rows.length >= most;
      if (!isFull || rows.some((row) => gone.includes(row))) continue;
      const row = this.#loser(rows, groupOf(source));
      if (row === undefined) return reason;
      gone.push(row);
    }
    return gone;
  }

  #loser(rows: readonly Row[], group: string): Row | undefined {
    const sizeOf = (of: string) =>
      rows.filter(({ source }) => groupOf(source) === of).length;
    const most = Math.max(...rows.map(({ source }) => sizeOf(groupOf(source))));
    const isFair = most >= sizeOf(group) + 2;
    const mayGo = rows.filter((row) => {
      const of = groupOf(row.source);
      const isIdle = this.now - row.activeAt >= this.limits.tunnelSpareMs;
      return isFair || isIdle && (of === group || sizeOf(of) > sizeOf(group));
    });
    const sizes = mayGo.map(({ source }) => sizeOf(groupOf(source)));
    let loser: Row | undefined;
    for (const [n, row] of mayGo.entries()) {
      if (sizes[n] !== Math.max(...sizes)) continue;
      const [joined, other] = [row, loser].map((one) => one?.came.size === 2);
      const isBetter = loser === undefined ||
        (joined === other ? row.activeAt < loser.activeAt : !joined);
      if (isBetter) loser = row;
    }
    return loser;
  }

  phaseOf({ hasEnded, came }: Row): Tunnel["phase"] {
    if (hasEnded) return "ended";
    return (["waiting", "half", "joined"] as const)[came.size]!;
  }
}

/** What counts a tunnel; all that are not counted are one client's here. */
function groupOf(source: string | undefined): string {
  return source ?? "shared";
}

abstract class Step<Options> implements fc.Command<List, Rendezvous> {
  readonly options: Options;

  constructor(options: Options) {
    this.options = options;
  }

  check(): boolean {
    return true;
  }

  run(list: List, rendezvous: Rendezvous): void {
    this.happen(list, rendezvous);
    assertEquals(rendezvous.count, list.open.length);
    for (const row of list.rows) {
      assertEquals(row.tunnel.phase, list.phaseOf(row));
      for (const side of ["client", "node"] as const) {
        const waits = !row.hasEnded && !row.came.has(side);
        const found = rendezvous.find(row.keys[side]);
        assertEquals(found, waits ? row.tunnel : undefined);
      }
    }
  }

  abstract happen(list: List, rendezvous: Rendezvous): void;

  toString(): string {
    return `${this.constructor.name} ${JSON.stringify(this.options)}`;
  }
}

class Open extends Step<{ node: string; source: string | undefined }> {
  happen(list: List, rendezvous: Rendezvous): void {
    const { node, source } = this.options;
    const name = list.rows.length;
    const keys = { client: `${name} client`, node: `${name} node` };
    const expected = list.outcome(node, source);
    const request = { node, source, client: groupOf(source), keys };
    const outcome = rendezvous.open(request, list.now);
    if (outcome.kind === "refused") {
      return assertEquals(outcome.reason, expected);
    }
    assert(typeof expected !== "string", `wanted ${expected}`);
    const evicted = outcome.evicted.map(({ tunnel }) => tunnel);
    assertEquals(evicted, expected.map(({ tunnel }) => tunnel));
    for (const row of expected) row.hasEnded = true;
    list.rows.push({
      node,
      source,
      keys,
      joinBefore: list.now + list.limits.tunnelJoinMs,
      activeAt: list.now,
      came: new Set(),
      hasEnded: false,
      tunnel: outcome.tunnel,
    });
  }
}

/** A key is shown: of some tunnel, whatever has become of it, or of none. */
class Join extends Step<{ at: number; side: TunnelSide }> {
  happen(list: List, rendezvous: Rendezvous): void {
    const { at, side } = this.options;
    const row = list.rows.at(-at);
    const outcome = rendezvous.join(row?.keys[side] ?? "nobody's", list.now);
    const isGood = row !== undefined && !row.hasEnded && !row.came.has(side) &&
      list.now < row.joinBefore;
    if (!isGood) {
      return assertEquals(outcome, { kind: "refused", reason: "unknown_key" });
    }
    row.came.add(side);
    if (row.came.size === 2) row.activeAt = list.now;
    const kind = row.came.size === 2 ? "joined" : "waits";
    assertEquals(outcome, { kind, tunnel: row.tunnel, side });
  }
}

class End extends Step<{ at: number }> {
  happen(list: List, rendezvous: Rendezvous): void {
    const row = list.rows.at(-this.options.at);
    if (row === undefined) return;
    row.hasEnded = true;
    rendezvous.end(row.tunnel);
  }
}

class Move extends Step<{ at: number }> {
  happen(list: List, rendezvous: Rendezvous): void {
    const row = list.rows.at(-this.options.at);
    if (row === undefined || row.hasEnded || row.came.size < 2) return;
    row.activeAt = list.now;
    rendezvous.moved(row.tunnel, list.now);
  }
}

class Wait extends Step<{ ms: number }> {
  happen(list: List): void {
    list.now += this.options.ms;
  }
}

class Expire extends Step<null> {
  happen(list: List, rendezvous: Rendezvous): void {
    const late = list.open.filter(({ came, joinBefore }) =>
      came.size < 2 && joinBefore <= list.now
    );
    for (const row of late) row.hasEnded = true;
    assertEquals(
      rendezvous.expire(list.now),
      late.map(({ tunnel }) => tunnel),
    );
  }
}

const at = fc.integer({ min: 1, max: 8 });

const STEPS = [
  fc.record({
    node: fc.constantFrom("a", "b", "c"),
    source: fc.constantFrom("x", "y", undefined),
  }).map((options) => new Open(options)),
  fc.record({ at, side: fc.constantFrom("client", "node") })
    .map((options) => new Join(options as Join["options"])),
  fc.record({ at }).map((options) => new End(options)),
  fc.record({ at }).map((options) => new Move(options)),
  fc.record({ ms: fc.constantFrom(0, 1, 4_999, 9_999, 10_000, 30_000) })
    .map((options) => new Wait(options)),
  fc.constant(new Expire(null)),
];

const limits = fc.record({
  tunnelJoinMs: fc.constantFrom(10_000, 30_000),
  tunnelCount: fc.integer({ min: 1, max: 9 }),
  tunnelsPerNodeCount: fc.integer({ min: 1, max: 5 }),
  tunnelsPerAddressCount: fc.integer({ min: 1, max: 5 }),
});

holds(
  "Rendezvous pairs as a plain list does, whatever happens to both",
  [limits, fc.commands(STEPS, { maxCommands: 80, size: "max" })],
  (limits, steps) => {
    fc.modelRun(() => {
      const all = { ...LIMITS, ...limits };
      return { model: new List(all), real: new Rendezvous(all) };
    }, steps);
  },
);
