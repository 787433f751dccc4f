/**
 * Counts how many bytes of a file each node has delivered, and by which path.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";

/** Bytes by path. */
export type BytesByPath = Readonly<Record<Path, number>>;

/** The bytes that one node has delivered of a file. */
export interface Delivery<Node> {
  /** The node. */
  readonly node: Node;
  /** Whether it is another client, which serves while it fetches. */
  readonly isHolder: boolean;
  /** Bytes, by all paths. */
  readonly bytes: number;
  /** The same bytes, by path. */
  readonly paths: BytesByPath;
}

/** Counts bytes by path. */
export class PathCount {
  readonly #bytes: Record<Path, number> = { direct: 0, tunnel: 0 };

  /** Adds bytes. */
  add(path: Path, bytes: number): void {
    this.#bytes[path] += bytes;
  }

  get byPath(): BytesByPath {
    return { ...this.#bytes };
  }

  get total(): number {
    return this.#bytes.direct + this.#bytes.tunnel;
  }
}

/** Counts the bytes of one file, by node id. */
export class Deliveries {
  /** An array, because most files have one source, and few have many. */
  readonly #counts: { readonly id: string; readonly count: PathCount }[] = [];

  /** Adds verified bytes. */
  add({ source, path, bytes }: {
    source: string;
    path: Path;
    bytes: number;
  }): void {
    let known = this.#counts.find(({ id }) => id === source);
    if (known === undefined) {
      known = { id: source, count: new PathCount() };
      this.#counts.push(known);
    }
    known.count.add(path, bytes);
  }

  get total(): number {
    return this.#counts.reduce((sum, { count }) => sum + count.total, 0);
  }

  /** The bytes of each node, in the order of their first delivery. */
  by<Node>(
    nodeOf: (id: string) => Node,
    isHolder: (id: string) => boolean = () => false,
  ): Delivery<Node>[] {
    return this.#counts.map(({ id, count: { total, byPath } }) => ({
      node: nodeOf(id),
      isHolder: isHolder(id),
      bytes: total,
      paths: byPath,
    }));
  }
}
