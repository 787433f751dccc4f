/**
 * The active nodes as people see them.
 *
 * @module
 */

import type { ListedNode } from "../client.ts";
import { formatEndpoint } from "../conn.ts";
import { show } from "../text.ts";

/** A row for each node: number, name, address and, if wanted, id. */
export function formatNodes(
  nodes: readonly ListedNode[],
  options: { ids: boolean },
): string[] {
  const rows = nodes.map((node) => [
    String(node.number),
    show(node.name),
    node.addresses.map(formatEndpoint).join(","),
    ...(options.ids ? [node.id] : []),
  ]);
  const widths = [0, 1, 2].map((column) =>
    Math.max(0, ...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
      .trimEnd()
  );
}
