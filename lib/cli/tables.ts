/**
 * The active nodes, and the files on them, as people see them.
 *
 * @module
 */

import type { FileListing } from "../client/listing.ts";
import type { ListedNode } from "../client/nodes.ts";
import { formatEndpoint } from "../conn.ts";
import { show } from "../text.ts";

/** A row for each node: number, name, address, id if wanted, and `tunnel`. */
export function formatNodes(
  nodes: readonly ListedNode[],
  options: { ids: boolean },
): string[] {
  return formatRows(nodes.map((node) => [
    String(node.number),
    show(node.name),
    show(node.addresses.map(formatEndpoint).join(",")),
    ...(options.ids ? [node.id] : []),
    ...(node.isAttached ? ["tunnel"] : []),
  ]));
}

/**
 * A row for each name: bytes, number of nodes, whether their contents differ or
 * only one has it, and the name.
 */
export function formatFiles(files: readonly FileListing[]): string[] {
  const widths = {
    size: Math.max(0, ...files.map(({ size }) => String(size).length)),
    count: Math.max(
      0,
      ...files.map(({ nodeCount }) => String(nodeCount).length),
    ),
  };
  return files.map(({ size, nodeCount, differs, name }) => {
    const nodes = nodeCount === 1 ? "node " : "nodes";
    const bytes = String(size).padStart(widths.size);
    const count = String(nodeCount).padStart(widths.count);
    const mark = differs ? "differ" : nodeCount === 1 ? "only" : "";
    return `${bytes}  ${count} ${nodes}  ${mark.padEnd(6)}  ${show(name)}`;
  });
}

/** Rows with their columns lined up. */
export function formatRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
}
