/**
 * The SHA-256 that files must have: one for all, or one for each name. Pure.
 *
 * @module
 */

/** Decides which SHA-256 a file must have. */
export class WantedSums {
  readonly #all: string | undefined;
  readonly #byName: ReadonlyMap<string, string> | undefined;

  /** Digests are hexadecimal digits in any case. */
  constructor(
    { sha256, sums }: {
      readonly sha256?: string | undefined;
      readonly sums?: ReadonlyMap<string, string> | undefined;
    },
  ) {
    this.#all = sha256?.toLowerCase();
    this.#byName = sums;
  }

  /** Whether any file must have a given SHA-256. */
  get isPinned(): boolean {
    return this.#all !== undefined || this.#byName !== undefined;
  }

  /**
   * Whether a file may be fetched at all: no, if only other files have sums.
   */
  allows(name: string): boolean {
    return this.#byName?.has(name) ?? true;
  }

  /** The SHA-256 that a file must have, in lower case. */
  of(name: string): string | undefined {
    return this.#byName?.get(name)?.toLowerCase() ?? this.#all;
  }
}
