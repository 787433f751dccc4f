/**
 * Buffers for pieces between the conn and the disk, reused and limited in
 * bytes. While none is free, the client reads nothing from its conns, which
 * slows the nodes down.
 *
 * @module
 */

import { HASHED_AT_ONCE_BYTES } from "./hashing.ts";

/** Options of {@linkcode SlabPool}. */
export interface SlabOptions {
  /** Whether large buffers lie in memory that threads share. */
  readonly isShared?: boolean;
}

/** Lends buffers. Those in shared memory have few sizes, and so are used again. */
export class SlabPool {
  readonly #mostBytes: number;
  readonly #isShared: boolean;
  readonly #idle: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  /** How many parts of a buffer are still to be given back. */
  readonly #parts = new Map<ArrayBufferLike, number>();
  readonly #byNode = new Map<string, NodeSlabs>();
  #lentBytes = 0;

  /** Lends up to `mostBytes` at a time. */
  constructor(mostBytes: number, { isShared = false }: SlabOptions = {}) {
    this.#mostBytes = mostBytes;
    this.#isShared = isShared;
  }

  /** Bytes that are lent. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Buffers for what one node sends. */
  of(node: string): NodeSlabs {
    let slabs = this.#byNode.get(node);
    if (slabs === undefined) {
      slabs = new NodeSlabs(this, () => this.#wake());
      this.#byNode.set(node, slabs);
    }
    return slabs;
  }

  /**
   * A buffer of at least `wanted` bytes; waits until there is room. If several
   * nodes send, one of them may fill at most half of the slabs, because it may
   * stall.
   */
  async acquire(
    wanted: number,
    node?: Pick<NodeSlabs, "heldBytes">,
  ): Promise<Uint8Array> {
    const isShared = this.#isShared && wanted > HASHED_AT_ONCE_BYTES;
    const bytes = isShared ? 2 ** Math.ceil(Math.log2(wanted)) : wanted;
    while (!this.#hasRoom(bytes, node)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const room = Math.max(bytes, this.#mostBytes - this.#lentBytes);
    const index = this.#idle.findIndex(({ buffer, length }) =>
      length >= bytes && length <= Math.min(2 * bytes, room) &&
      isShared === buffer instanceof SharedArrayBuffer
    );
    const slab = index < 0
      ? new Uint8Array(new (isShared ? SharedArrayBuffer : ArrayBuffer)(bytes))
      : this.#idle.splice(index, 1)[0]!;
    this.#lentBytes += slab.length;
    return slab;
  }

  #hasRoom(
    bytes: number,
    node: Pick<NodeSlabs, "heldBytes"> | undefined,
  ): boolean {
    // A single one larger than the bound must still get through.
    if (this.#lentBytes === 0) return true;
    if (this.#lentBytes + bytes > this.#mostBytes) return false;
    const held = node?.heldBytes ?? 0;
    return held === 0 || this.#byNode.size < 2 ||
      held + bytes <= this.#mostBytes / 2;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Splits a buffer: it is free after `parts` releases, and at once for 0. */
  divide(slab: Uint8Array, parts: number): void {
    if (parts === 0) return this.release(slab);
    this.#parts.set(slab.buffer, parts);
  }

  /** Gives a buffer back, or a part of it. */
  release(slab: Uint8Array): void {
    const left = (this.#parts.get(slab.buffer) ?? 1) - 1;
    if (left > 0) {
      this.#parts.set(slab.buffer, left);
      return;
    }
    this.#parts.delete(slab.buffer);
    const whole = new Uint8Array(slab.buffer);
    this.#lentBytes -= whole.length;
    const idleBytes = this.#idle.reduce((sum, { length }) => sum + length, 0);
    const fits = this.#lentBytes + idleBytes + whole.length <= this.#mostBytes;
    if (fits && this.#idle.length < MOST_IDLE) this.#idle.push(whole);
    this.#wake();
  }
}

/** Buffers that one node fills. */
export class NodeSlabs {
  readonly #pool: SlabPool;
  readonly #onLess: () => void;
  readonly #filling = new Map<ArrayBufferLike, number>();
  #heldBytes = 0;

  /** `onLess` is called when it fills less. */
  constructor(pool: SlabPool, onLess: () => void) {
    this.#pool = pool;
    this.#onLess = onLess;
  }

  /** Bytes of buffers that are being filled. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Like {@linkcode SlabPool.acquire}. */
  async acquire(wanted: number): Promise<Uint8Array> {
    const slab = await this.#pool.acquire(wanted, this);
    this.#filling.set(slab.buffer, slab.length);
    this.#heldBytes += slab.length;
    return slab;
  }

  /** The node sends nothing more into a buffer, which is still lent. */
  filled({ buffer }: Uint8Array): void {
    const bytes = this.#filling.get(buffer);
    if (bytes === undefined) return;
    this.#filling.delete(buffer);
    this.#heldBytes -= bytes;
    this.#onLess();
  }

  /** Like {@linkcode SlabPool.divide}; nothing more is sent into it. */
  divide(slab: Uint8Array, parts: number): void {
    this.filled(slab);
    this.#pool.divide(slab, parts);
  }

  /** Like {@linkcode SlabPool.release}; nothing more is sent into it. */
  release(slab: Uint8Array): void {
    this.filled(slab);
    this.#pool.release(slab);
  }
}

const MOST_IDLE = 16;
