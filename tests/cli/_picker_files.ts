import type { FileListing } from "../../lib/client/listing.ts";

/** Files to choose from, by name, with what else is said of them. */
export function filesOf(
  ...names: readonly (string | [string, Partial<FileListing>])[]
): FileListing[] {
  return names.map((entry) => {
    const [name, rest] = typeof entry === "string" ? [entry, {}] : entry;
    return {
      name,
      size: 17,
      modifiedMs: 0,
      nodeCount: 2,
      differs: false,
      offers: [],
      ...rest,
    };
  });
}
