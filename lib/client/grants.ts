/**
 * Renews the grants of a listing in time. A client that fetches for hours, or
 * waits for its user, asks the relay again before it dials.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import { entriesOf, type ListedGrant, type ListedNode } from "./nodes.ts";

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
    return (await this.all(node))[0];
  }

  /** Those of all relays that list `node`, the newest first. */
  async all(node: ListedNode): Promise<readonly string[]> {
    const [newest] = this.#newest(node);
    if (newest !== undefined && this.#isOld(newest)) {
      this.#renewing ??= this.#renew()
        .finally(() => this.#renewing = null);
      await this.#renewing;
    }
    return [...new Set(this.#newest(node).map(({ text }) => text))];
  }

  #newest(node: ListedNode): ListedGrant[] {
    return entriesOf(node).flatMap((entry) => {
      const grant = this.#renewed.get(keyOf(entry)) ?? entry.grant;
      return entry.grant === undefined || grant === undefined ? [] : [grant];
    }).sort((a, b) => b.listedAt - a.listedAt);
  }

  #isOld({ listedAt }: ListedGrant): boolean {
    return performance.now() - listedAt >= this.#options.renewMs;
  }

  /** If the relay does not answer, the old grants may still work. */
  async #renew(): Promise<void> {
    try {
      const nodes = await this.#options.list();
      const renewed = nodes.flatMap(entriesOf).flatMap((entry) =>
        entry.grant === undefined ? [] : [[keyOf(entry), entry.grant] as const]
      );
      this.#renewed = new Map([...this.#renewed, ...renewed]);
    } catch (error) {
      if (isBug(error)) throw error;
    }
  }
}

/** A node and the relay that lists it. */
function keyOf({ id, relay = "" }: ListedNode): string {
  return `${id} ${relay}`;
}
