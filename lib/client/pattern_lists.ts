/**
 * The nodes' lists for the patterns of a run. Pure.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import type { Listed } from "./jobs.ts";
import type { Selection } from "./selections.ts";

/** The nodes' lists for one pattern. */
export interface PatternList extends Listed {
  readonly selection: Selection;
}

/** A listed file. */
export interface ListedPlace {
  readonly list: PatternList;
  /** Its place in the catalogue. */
  readonly at: number;
}

/** A listed file, as {@linkcode PatternLists.takeNew} meets it. */
export interface MetPlace extends ListedPlace {
  /** Whether another selection has the name already. */
  readonly isTaken: boolean;
}

/** All lists of a run. */
export class PatternLists {
  readonly #isKept: boolean;
  /** Those that were not taken yet. */
  #fresh: PatternList[] = [];
  readonly #taken: PatternList[] = [];

  /**
   * `isKept` says whether another content of a listed file may be wanted later,
   * because nodes may lie about the first.
   */
  constructor({ isKept }: { isKept: boolean }) {
    this.#isKept = isKept;
  }

  add(list: PatternList): void {
    this.#fresh.push(list);
  }

  /**
   * The files of the lists that were added since the last call. If two patterns
   * match a name, the first has it; names for which `isNamed` is true are taken
   * by those.
   */
  *takeNew(isNamed: (name: string) => boolean): Generator<MetPlace> {
    const lists = this.#fresh;
    this.#fresh = [];
    if (this.#isKept) this.#taken.push(...lists);
    for (const [n, list] of lists.entries()) {
      const earlier = lists.slice(0, n);
      for (const at of list.catalogue.places()) {
        const name = list.catalogue.nameAt(at);
        const isTaken = isNamed(name) ||
          earlier.some(({ catalogue }) =>
            catalogue.placeOf(name) !== undefined
          );
        yield { list, at, isTaken };
      }
    }
  }

  /** The offers of a listed file, from lists that were taken and kept. */
  offersOf(name: string): readonly Offer[] {
    for (const { catalogue } of this.#taken) {
      const at = catalogue.placeOf(name);
      if (at !== undefined) return catalogue.entryAt(at).offers;
    }
    return [];
  }
}
