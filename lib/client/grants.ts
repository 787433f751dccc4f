/**
 * Renews the grants of a listing in time. A client that fetches for hours, or
 * waits for its user, asks the relay again before it dials.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { ListedGrant, ListedNode } from "./nodes.ts";

/** Options of {@linkcode Grants}. */
export interface GrantsOptions {
  /** The greatest age of a grant, in milliseconds. */
  readonly renewMs: number;
  /** Asks the relay for its nodes. */
  readonly list: () => Promise<readonly ListedNode[]>;
}

/** Provides grants that are still valid for a while. */
export class Grants {
  readonly #options: GrantsOptions;
  #renewed: ReadonlyMap<string, ListedGrant> = new Map();
  #renewing: Promise<void> | null = null;

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /** The grant for `node`; `undefined` if its relay gave none. */
  async of(node: ListedNode): Promise<string | undefined> {
    const { grant } = node;
    if (grant === undefined) return undefined;
    const newest = () => this.#renewed.get(node.id) ?? grant;
    if (this.#isOld(newest())) {
      this.#renewing ??= this.#renew()
        .finally(() => this.#renewing = null);
      await this.#renewing;
    }
    return newest().text;
  }

  #isOld({ listedAt }: ListedGrant): boolean {
    return performance.now() - listedAt >= this.#options.renewMs;
  }

  /** If the relay is away, the old grants may still work. */
  async #renew(): Promise<void> {
    try {
      const nodes = await this.#options.list();
      this.#renewed = new Map(
        nodes.flatMap(({ id, grant }) =>
          grant === undefined ? [] : [[id, grant]]
        ),
      );
    } catch (error) {
      if (isBug(error)) throw error;
    }
  }
}
