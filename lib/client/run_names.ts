/**
 * The names of one run of `getFiles`: the selection each came from, the offers
 * of nodes, and the chosen job. Pure.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import { Failure } from "../base/errors.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Job } from "./jobs.ts";
import type { Selection } from "./selections.ts";

/** Names and what is known of them; listed files have a job of their own. */
export class RunNames {
  /** The names that the user gave, and how. */
  readonly #selections: Map<string, Selection>;
  readonly #offers = new Map<string, readonly Offer[]>();
  /** The job for each name; `null` if it cannot be fetched. */
  readonly #jobs = new Map<string, Job | null>();

  constructor(selections: readonly Selection[]) {
    this.#selections = new Map(
      selections.flatMap((selection) =>
        selection.kind === "name" ? [[selection.name, selection]] : []
      ),
    );
  }

  /** Whether the user gave this name. */
  has(name: string): boolean {
    return this.#selections.has(name);
  }

  /** How the user gave a name. */
  selectionOf(name: string): Selection {
    return this.#selections.get(name)!;
  }

  /** Takes a longer name that a name of the user stands for. */
  alias(name: string, given: string): void {
    this.#selections.set(name, this.selectionOf(given));
  }

  /** `undefined` if no node has offered the name. */
  offersOf(name: string): readonly Offer[] | undefined {
    return this.#offers.get(name);
  }

  /** Stores an offer that may be chosen. */
  addOffer(name: string, offer: Offer): void {
    this.#offers.set(name, [...this.#offers.get(name) ?? [], offer]);
  }

  /** Takes the offers of names that a list has, unless nodes offered them. */
  addListed(catalogue: Catalogue): void {
    for (const name of this.#selections.keys()) {
      const at = catalogue.placeOf(name);
      if (at === undefined || this.#offers.has(name)) continue;
      this.#offers.set(name, catalogue.entryAt(at).offers);
    }
  }

  /** Names that were offered, and for which nothing was decided. */
  undecided(): string[] {
    return [...this.#offers.keys()].filter((name) => !this.#jobs.has(name));
  }

  /** `undefined` before {@linkcode decide}, `null` if it cannot be fetched. */
  jobOf(name: string): Job | null | undefined {
    return this.#jobs.get(name);
  }

  decide(name: string, job: Job | null): void {
    this.#jobs.set(name, job);
  }

  /** Notes what replaces a job, if its name was decided on here. */
  replace(name: string, next: Job | Failure | null): void {
    if (!this.#jobs.has(name)) return;
    this.#jobs.set(name, next instanceof Failure ? null : next);
  }
}
