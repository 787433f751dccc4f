/**
 * Several lanes as one hasher: files are open in all of them, and each owns
 * some of the connections.
 *
 * @module
 */

import type { FileIdentity, Hashed, Hasher, LaneFile } from "./hashing.ts";
import type { LaneDial, LaneHasher } from "./lane.ts";
import type { LaneConn } from "./lane_conn.ts";

/** Several lanes. Disposing ends them; waiting calls reject. */
export class Lanes implements Hasher {
  readonly #lanes: readonly [LaneHasher, ...LaneHasher[]];
  #dialCount = 0;

  /** Takes ownership of the lanes. */
  constructor(lanes: readonly [LaneHasher, ...LaneHasher[]]) {
    this.#lanes = lanes;
  }

  /** How many there are. */
  get count(): number {
    return this.#lanes.length;
  }

  hash(bytes: Uint8Array, partBytes: number): Promise<Hashed> {
    return this.#lanes[0].hash(bytes, partBytes);
  }

  /** Lets the next lane dial, and returns its conn. */
  dial(where: LaneDial): LaneConn {
    return this.#lanes[this.#dialCount++ % this.count]!.dial(where);
  }

  /** Opens a file in the first lane, and soon in the others. */
  async open(
    path: string,
    file: FileIdentity,
  ): Promise<LaneFile | undefined> {
    const files: LaneFile[] = [];
    const opening = this.#lanes.map((lane) =>
      lane.open(path, file).then((opened) => {
        if (opened !== undefined) files.push(opened);
        return opened;
      })
    );
    for (const one of opening) one.catch(ignore); // that lane has ended
    const first = await opening[0]!;
    if (first === undefined) return undefined;
    return {
      save: (bytes, options) => first.save(bytes, options),
      expect: (conn, request, pieces) => {
        for (const file of files) {
          const saved = file.expect(conn, request, pieces);
          if (saved !== undefined) return saved;
        }
        return undefined;
      },
      close: async () => {
        await Promise.allSettled(opening);
        await Promise.all(files.map((file) => file.close()));
      },
    };
  }

  [Symbol.dispose](): void {
    for (const lane of this.#lanes) lane[Symbol.dispose]();
  }
}

function ignore(): void {}
