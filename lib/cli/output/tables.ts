/**
 * Formats the lists of nodes and files.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";
import { distinctNames } from "../../client/node_names.ts";
import { type ListedNode, relaysOf } from "../../client/nodes.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { showWhole } from "../../base/text.ts";
import { formatSeconds } from "../../base/units.ts";
import { padEnd, widthOf } from "./width.ts";

/**
 * A row for each node: number, name, address, id if wanted, what the relay's
 * index knows of it if wanted, with the id the relays that list it if there are
 * several, and `tunnel`.
 */
export function formatNodes(
  nodes: readonly ListedNode[],
  options: { ids: boolean; indexes?: boolean },
): string[] {
  const names = distinctNames(nodes);
  const isOfSeveral = nodes.some(({ relay }) => relay !== undefined);
  return formatRows(nodes.map((node) => [
    String(node.number),
    showWhole(names.get(node.id)!),
    showWhole(node.addresses.map(formatEndpoint).join(",")),
    ...(options.ids ? [node.id] : []),
    ...(options.indexes ? [indexInWords(node)] : []),
    ...(options.ids && isOfSeveral ? [`at ${relaysOf(node).join(",")}`] : []),
    ...(node.isAttached ? ["tunnel"] : []),
  ]));
}

function indexInWords({ index }: ListedNode): string {
  return index === undefined
    ? "no index"
    : `${index.fingerprints} in index, sent ${
      formatSeconds(index.seconds)
    } ago`;
}

/**
 * A row for each name: bytes, number of nodes, whether their contents differ or
 * only one has it, and the whole name. Yields them one by one, because there
 * may be a million.
 */
export function* formatFiles(
  files: Iterable<FileListing>,
): Generator<string, void> {
  let widest = { size: 0, count: 0 };
  for (const { size, nodeCount } of files) {
    widest = {
      size: Math.max(widest.size, String(size).length),
      count: Math.max(widest.count, String(nodeCount).length),
    };
  }
  for (const { size, nodeCount, differs, name } of files) {
    const nodes = nodeCount === 1 ? "node " : "nodes";
    const bytes = String(size).padStart(widest.size);
    const count = String(nodeCount).padStart(widest.count);
    const mark = differs ? "differ" : nodeCount === 1 ? "only" : "";
    yield `${bytes}  ${count} ${nodes}  ${mark.padEnd(6)}  ${showWhole(name)}`;
  }
}

/** Rows with aligned columns. */
export function formatRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    }
  }
  return rows.map((row) =>
    row.map((cell, column) => padEnd(cell, widths[column]!)).join("  ")
      .trimEnd()
  );
}
