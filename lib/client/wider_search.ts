/** Searches for a name that no node has, as the last part of longer names:
 * `report.pdf` finds `work/report.pdf`. It reads the lists of all files, and
 * keeps the matching files and similar names.
 *
 * @module
 */

import {
  chooseContent,
  type ContentGroup,
  differ,
  groupOffers,
  type Offer,
} from "../content/choice.ts";
import type { Failure } from "../base/errors.ts";
import { foldCase } from "../base/text.ts";
import { lastParts, NearestNames } from "../content/nearest.ts";
import { isGlob, isHidden } from "../content/glob.ts";
import { browseAll } from "./browsing.ts";
import type { Catalogue, CatalogueEntry } from "./catalogue.ts";
import type { Choosing } from "./choosing.ts";
import type { ClientEvent, FoundFile } from "./events.ts";
import { nobodyHasThatSha256, SeveralFound, withNearest } from "./failures.ts";
import { isFolder, isOnlyFolder, isPattern } from "./folders.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** How to look for names. */
export interface WiderSearchOptions {
  /** The nodes to ask. */
  readonly nodes: readonly ListedNode[];
  /** Whether to ignore the case of letters. */
  readonly ignoreCase?: boolean | undefined;
  /** Whether a name can stand for one file only, and no folder. */
  readonly isOne: boolean;
  /** Stops looking. */
  readonly signal: AbortSignal;
  /** The user's conditions; also asks nodes to hash files. */
  readonly choosing: Choosing;
  /** Called for every event. */
  readonly emit: (event: ClientEvent) => void;
}

/** What a name may stand for. */
export type WiderResult =
  /** One file, which may lie under several names. */
  | { readonly kind: "one"; readonly name: string }
  /** All files below it. */
  | { readonly kind: "folder" }
  /** Different files, or a folder and files that end in the name. */
  | {
    readonly kind: "several";
    readonly count: number;
    readonly isFolder: boolean;
  }
  /** Files, and none with the wanted SHA-256. */
  | { readonly kind: "unfit" }
  /** No file; these names are similar. */
  | { readonly kind: "none"; readonly nearest: readonly string[] };

// The number of wanted names for which similar names are searched.
const MOST_NEARED = 4;
// More files are only counted.
const MOST_REPORTED = 10;
// The most files to hash, to see whether they are the same.
const MOST_HASHED = 16;
// The most names to check for a wanted SHA-256.
const MOST_PINNED = 32;

/** Searches wider after `failure`, which says that no node has `name`. Resolves to
 * the name of a file, or to the reason why there is none.
 */
export async function insteadOf(
  failure: Failure,
  { peers, name, ...options }: Omit<WiderSearchOptions, "isOne"> & {
    readonly peers: Peers;
    readonly name: string;
  },
): Promise<string | Failure> {
  if (failure.kind !== "not_found") return failure;
  if (isGlob(name)) return isPattern(name);
  const looked = await searchWider(peers, [name], { ...options, isOne: true });
  const wider = looked.get(name)!;
  return wider.kind === "one" ? wider.name : failureOf(name, wider, failure);
}

/** The failure for a name that stands for no file. */
export function failureOf(
  name: string,
  wider: Exclude<WiderResult, { kind: "one" }>,
  failure: Failure,
): Failure {
  switch (wider.kind) {
    case "folder":
      return isOnlyFolder(name);
    case "several":
      return new SeveralFound(name, wider);
    case "unfit":
      return nobodyHasThatSha256(name);
    case "none":
      return withNearest(failure, wider.nearest);
  }
}

/** Looks for names, all in one pass over the lists of the nodes. */
export async function searchWider(
  peers: Peers,
  names: readonly string[],
  options: WiderSearchOptions,
): Promise<ReadonlyMap<string, WiderResult>> {
  const { nodes, emit, signal, ignoreCase = false } = options;
  const looked = new Map<string, WiderResult>();
  const suffixes = new Suffixes(names, ignoreCase);
  for (const name of names.slice(0, MOST_NEARED)) {
    const folder = await isFolder({ peers, nodes, name, signal });
    if (folder) suffixes.folders.add(name);
  }
  const near = new Map(
    names.slice(0, MOST_NEARED).map((name) => [name, new NearestNames(name)]),
  );
  const { catalogue, sessions } = await browseAll(peers, nodes, {
    prefix: "",
    // Nobody asked for whole lists: the slowest node decides nothing.
    mostMs: peers.limits.listingMs,
    matches: (name) => {
      for (const one of near.values()) one.note(name);
      suffixes.noteFolders(name);
      return suffixes.wantedBy(name).length > 0;
    },
    emit,
  });
  for (const session of sessions.values()) await session[Symbol.asyncDispose]();
  const places = placesOf(catalogue, suffixes);
  for (const name of names) {
    const found = new Found(name, catalogue, places.get(name) ?? []);
    const nearest = near.get(name)?.names ?? [];
    const isFolder = suffixes.folders.has(name);
    if (!found.isEmpty) looked.set(name, await found.decide(options, isFolder));
    else if (isFolder) looked.set(name, { kind: "folder" });
    else looked.set(name, { kind: "none", nearest });
  }
  return looked;
}

/** The places in the catalogue that fit each wanted name. */
function placesOf(
  catalogue: Catalogue,
  suffixes: Suffixes,
): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const place of catalogue.places()) {
    for (const wanted of suffixes.wantedBy(catalogue.nameAt(place))) {
      const list = places.get(wanted);
      if (list === undefined) places.set(wanted, [place]);
      else list.push(place);
    }
  }
  return places;
}

/** Wanted names, found quickly by the last part of a listed name. */
class Suffixes {
  readonly #ignoreCase: boolean;
  /** Wanted names by their last component. */
  readonly #byPart = new Map<string, string[]>();
  /** Wanted names by their whole text, folded. */
  readonly #byName = new Map<string, string[]>();
  /** Wanted names that are folders. */
  readonly folders = new Set<string>();

  constructor(names: readonly string[], ignoreCase: boolean) {
    this.#ignoreCase = ignoreCase;
    for (const name of names) {
      const folded = this.#fold(name);
      addTo(this.#byPart, lastParts(folded, 1), name);
      addTo(this.#byName, folded, name);
    }
  }

  /** Notes which wanted names are folders of a listed name. */
  noteFolders(listed: string): void {
    const folded = this.#fold(listed);
    let end = folded.indexOf("/");
    for (; end >= 0; end = folded.indexOf("/", end + 1)) {
      const wanted = this.#byName.get(folded.slice(0, end));
      for (const name of wanted ?? []) this.folders.add(name);
    }
  }

  /** The wanted names that a listed one ends in. */
  wantedBy(listed: string): readonly string[] {
    const folded = this.#fold(listed);
    const wanted = this.#byPart.get(lastParts(folded, 1));
    return wanted?.filter((name) => this.#endsIn(listed, folded, name)) ?? [];
  }

  /** Whether it ends in `wanted`, without hidden folders before that. */
  #endsIn(listed: string, folded: string, wanted: string): boolean {
    const end = this.#fold(wanted);
    return folded === end ||
      folded.endsWith(`/${end}`) &&
        !isHidden(listed.slice(0, listed.length - wanted.length));
  }

  #fold(name: string): string {
    return this.#ignoreCase ? foldCase(name) : name;
  }
}

function addTo(map: Map<string, string[]>, key: string, name: string): void {
  const others = map.get(key);
  if (others === undefined) map.set(key, [name]);
  else others.push(name);
}

/** The files that one name may stand for. */
class Found {
  readonly #wanted: string;
  readonly #catalogue: Catalogue;
  readonly #places: readonly number[];

  constructor(
    wanted: string,
    catalogue: Catalogue,
    places: readonly number[],
  ) {
    this.#wanted = wanted;
    this.#catalogue = catalogue;
    this.#places = places;
  }

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  /** `isFolder` says whether a folder has that name too. */
  async decide(
    { choosing, isOne, emit }: WiderSearchOptions,
    isFolder: boolean,
  ): Promise<WiderResult> {
    const isPinned = choosing.criteria.sha256 !== undefined;
    // Any node can have a folder of a wanted name: it takes no file's place.
    const mayBeFolder = isFolder && !isOne && !isPinned;
    const name = isPinned
      ? await this.#pinned(choosing)
      : mayBeFolder
      ? undefined
      : await this.#only(choosing);
    if (name === undefined && isPinned) return { kind: "unfit" };
    if (name !== undefined) {
      const [found] = this.#filesOf(this.#entryOf(name));
      const paths = this.#places.length;
      emit({ event: "found_as", name: this.#wanted, found: found!, paths });
      return { kind: "one", name };
    }
    const files: FoundFile[] = [];
    let count = 0;
    for (const entry of this.#entries()) {
      const found = this.#filesOf(entry);
      count += found.length;
      files.push(...found.slice(0, MOST_REPORTED - files.length));
    }
    emit({
      event: "found_several",
      name: this.#wanted,
      files,
      count,
      isFolder: mayBeFolder,
    });
    return { kind: "several", count, isFolder: mayBeFolder };
  }

  /** The name to take if all files have one content. */
  async #only(choosing: Choosing): Promise<string | undefined> {
    if (this.#places.length === 1) return await this.#onlyName(choosing);
    const unknown: Offer[] = [];
    const contents = new Set<string>();
    for (const { offers } of this.#entries()) {
      for (const offer of offers) {
        if (offer.content === undefined) unknown.push(offer);
        else contents.add(contentOf(offer));
      }
      if (contents.size > 1 || unknown.length > MOST_HASHED) return undefined;
    }
    const known = await choosing.described(this.#wanted, unknown);
    if (known.some(({ content }) => content === undefined)) return undefined;
    for (const offer of known) contents.add(contentOf(offer));
    return contents.size === 1 ? this.#commonest() : undefined;
  }

  /** The only name, unless its nodes have different contents. */
  async #onlyName(choosing: Choosing): Promise<string | undefined> {
    const { name, offers } = this.#catalogue.entryAt(this.#places[0]!);
    const { criteria } = choosing;
    if (criteria.prefer !== undefined) return name;
    const choice = chooseContent(offers, criteria, { isFinal: false });
    if (choice.kind === "taken" && choice.basis === "agreed") return name;
    if (offers.length > MOST_HASHED) return undefined;
    const known = await choosing.described(name, offers);
    const { groups } = chooseContent(known, criteria, { isFinal: true });
    return differ(groups) ? undefined : name;
  }

  /** The first name under which a node has the wanted SHA-256. */
  async #pinned(choosing: Choosing): Promise<string | undefined> {
    for (const { name, offers } of this.#inTurn(MOST_PINNED)) {
      const known = await choosing.described(name, offers);
      const { kind } = chooseContent(known, choosing.criteria, {
        isFinal: true,
      });
      if (kind === "taken") return name;
    }
    return undefined;
  }

  /**
   * At most `most` entries, taken from each address in turn, so that many names
   * at one address do not displace those of others.
   */
  #inTurn(most: number): readonly CatalogueEntry[] {
    const turns: CatalogueEntry[][] = [];
    const counts = new Map<string, number>();
    for (const entry of this.#entries()) {
      let turn = most;
      for (const { votesAs } of entry.offers) {
        const count = counts.get(votesAs) ?? 0;
        counts.set(votesAs, count + 1);
        turn = Math.min(turn, count);
      }
      if (turn < most) (turns[turn] ??= []).push(entry);
    }
    return turns.flat().slice(0, most);
  }

  /** The name that most nodes have, and among those the shortest. */
  #commonest(): string {
    let best: CatalogueEntry | undefined;
    for (const entry of this.#entries()) {
      const more = entry.offers.length - (best?.offers.length ?? 0);
      const isShorter = more === 0 && entry.name.length < best!.name.length;
      if (more > 0 || isShorter) best = entry;
    }
    return best!.name;
  }

  *#entries(): Generator<CatalogueEntry, void> {
    for (const place of this.#places) yield this.#catalogue.entryAt(place);
  }

  #entryOf(name: string): CatalogueEntry {
    return this.#catalogue.entryAt(this.#catalogue.placeOf(name)!);
  }

  /** The contents of one name. */
  #filesOf({ name, offers }: CatalogueEntry): FoundFile[] {
    const groups = groupOffers(offers, "most-nodes");
    return (differ(groups) ? groups : [merged(groups)]).map(
      ({ size, modifiedMs, content, offers }) => ({
        name,
        size,
        modifiedMs,
        ...(content === undefined ? {} : { content }),
        nodes: offers.map(({ node }) => node),
      }),
    );
  }
}

/** A content has one size: another size is another content, or a lie. */
function contentOf({ content, size }: Offer): string {
  return `${content} ${size}`;
}

/** Groups without a known difference, as one. */
function merged(groups: readonly ContentGroup[]): ContentGroup {
  const known = groups.find(({ content }) => content !== undefined);
  return {
    ...(known ?? groups[0]!),
    offers: groups.flatMap(({ offers }) => offers),
  };
}
