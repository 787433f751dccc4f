/**
 * Which node has delivered how many bytes of a file, and by which path.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";

/** Bytes by the path they came by. */
export type BytesByPath = Readonly<Record<Path, number>>;

/** What one node has delivered of a file. */
export interface Delivery<Node> {
  /** The node. */
  readonly node: Node;
  /** Bytes, by all paths. */
  readonly bytes: number;
  /** The same bytes, by path. */
  readonly paths: BytesByPath;
}

/** Counts bytes by path. */
export class PathCount {
  readonly #bytes: Record<Path, number> = { direct: 0, tunnel: 0 };

  /** Bytes have come. */
  add(path: Path, bytes: number): void {
    this.#bytes[path] += bytes;
  }

  /** As they are now. */
  get byPath(): BytesByPath {
    return { ...this.#bytes };
  }

  /** Of all paths. */
  get total(): number {
    return this.#bytes.direct + this.#bytes.tunnel;
  }
}

/** Counts what comes of one file, by node id. */
export class Deliveries {
  readonly #counts = new Map<string, PathCount>();

  /** Bytes have come, verified. */
  add({ source, path, bytes }: {
    source: string;
    path: Path;
    bytes: number;
  }): void {
    const count = this.#counts.get(source) ?? new PathCount();
    this.#counts.set(source, count);
    count.add(path, bytes);
  }

  /** Bytes of all nodes. */
  get total(): number {
    return [...this.#counts.values()].reduce(
      (sum, { total }) => sum + total,
      0,
    );
  }

  /** What each node has delivered, in the order in which they began to. */
  by<Node>(nodeOf: (id: string) => Node): Delivery<Node>[] {
    return [...this.#counts].map(([id, { total, byPath }]) => ({
      node: nodeOf(id),
      bytes: total,
      paths: byPath,
    }));
  }
}
