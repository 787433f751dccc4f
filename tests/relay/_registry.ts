import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { Registration } from "../../lib/relay/lease.ts";
import { Registry } from "../../lib/relay/registry.ts";
import { seededRandom } from "../_random.ts";

export function newRegistry(overrides: Partial<Limits> = {}): {
  registry: Registry;
  expired: string[];
} {
  const expired: string[] = [];
  const registry = new Registry(
    { ...LIMITS, ...overrides },
    ({ id }) => expired.push(id),
  );
  return { registry, expired };
}

export function node(
  id: string,
  overrides: Partial<Registration> = {},
): Registration {
  const entry = overrides.entry ?? `{"of":"${id}"}`;
  return {
    id,
    instance: "one",
    sequence: 1,
    entry,
    listedBytes: entry.length,
    observedHost: "192.0.2.7",
    source: id, // one address each, unless a test says otherwise
    ...overrides,
  };
}

export const WHOLE = { pageBytes: 60_000, random: seededRandom(1) };

export function entries(registry: Registry, now: number): readonly string[] {
  return registry.list(WHOLE, now).entries;
}
