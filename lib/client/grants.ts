/**
 * The grants of a listing, renewed in time. A client that fetches for hours, or
 * waits for a person, asks the relay again before it dials.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { ListedGrant, ListedNode } from "./nodes.ts";

/** Options of {@linkcode Grants}. */
export interface GrantsOptions {
  /** How old a grant may become, in milliseconds. */
  readonly renewMs: number;
  /** Asks the relay for its nodes. */
  readonly list: () => Promise<readonly ListedNode[]>;
}

/** Gives out grants that are good for a while yet. */
export class Grants {
  readonly #options: GrantsOptions;
  #renewed: ReadonlyMap<string, ListedGrant> = new Map();
  #renewing: Promise<void> | null = null;

  /** Knows of no grant but those that nodes were listed with. */
  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /** The text to show `node`; nothing where its relay gave none. */
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

  /** Where the relay is away, the old ones may still do. */
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
