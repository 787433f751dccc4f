import type { ContentGroup, Offer } from "../../lib/content/choice.ts";

export const X = "1".repeat(64);

export const Y = "2".repeat(64);

export const Z = "3".repeat(64);

export function offer(
  node: string,
  content: string | undefined,
  overrides: Partial<Offer> = {},
): Offer {
  return {
    node,
    votesAs: node,
    size: 100,
    modifiedMs: 1_000,
    version: `version of ${node}`,
    ...(content === undefined ? {} : { content }),
    ...overrides,
  };
}

/** The nodes of each group, in order. */
export function nodesOf(groups: readonly ContentGroup[]): string[] {
  return groups.map(({ offers }) => offers.map(({ node }) => node).join(""));
}
