/**
 * The files to save: for each name the chosen content, its sources, and its
 * path.
 *
 * @module
 */

import {
  chooseContent,
  type ContentGroup,
  type Wish,
} from "../content/choice.ts";
import type { Catalogue } from "./catalogue.ts";
import { sourcesOf } from "./downloading.ts";
import type { Placed } from "../disk/places.ts";

/** One file to be saved. */
export interface Job extends Placed {
  /** The content that was chosen. */
  readonly group: ContentGroup;
  /** Whether votes alone chose it: it replaces nothing. */
  readonly isVoted: boolean;
  /** What to ask each node for, by its id: a content id or a version. */
  readonly sources: Map<string, string>;
  /** What stands for it once it has ended, where that takes less memory. */
  readonly placed?: Placed;
}

/** A catalogue, and by what its contents are chosen. */
export interface Listed {
  readonly catalogue: Catalogue;
  readonly wish: Wish;
}

/** What is kept of a file of which a list says all there is to know. */
export interface ListedOptions {
  /** Its place in the catalogue. */
  readonly at: number;
  /** Where it is to be saved. */
  readonly path: string;
  /** Whether votes alone chose its content. */
  readonly isVoted: boolean;
  /** Bytes of the content that was chosen. */
  readonly size: number;
  /** Addresses that have it. */
  readonly votes: number;
}

/**
 * A job of which little is kept but its path: there may be 100,000 that wait.
 * All else is read from the catalogue again, each time it is asked for.
 */
export class ListedJob implements Job {
  readonly path: string;
  readonly isVoted: boolean;
  /** As {@linkcode sizeOf} says it of any job. */
  readonly size: number;
  /** As {@linkcode votesOf} says it of any job. */
  readonly votes: number;
  readonly #at: number;
  readonly #listed: Listed;

  /** The content is the one that the offers alone decide. */
  constructor(
    listed: Listed,
    { at, path, isVoted, size, votes }: ListedOptions,
  ) {
    this.#listed = listed;
    this.#at = at;
    this.path = path;
    this.isVoted = isVoted;
    this.size = size;
    this.votes = votes;
  }

  /** Its name. */
  get name(): string {
    return this.#listed.catalogue.nameAt(this.#at);
  }

  /** The content that was chosen. */
  get group(): ContentGroup {
    const { catalogue, wish } = this.#listed;
    const { offers } = catalogue.entryAt(this.#at);
    return chooseContent(offers, wish, { isFinal: false }).groups[0]!;
  }

  /** What to ask each node for, made anew. */
  get sources(): Map<string, string> {
    return sourcesOf(this.group);
  }

  /** The same with all that is known of it, to be worked on. */
  whole(): Job {
    const { name, path, isVoted, group } = this;
    const sources = sourcesOf(group);
    return { name, path, isVoted, group, sources, placed: this };
  }
}

/** A job with all that is known of it, to be worked on. */
export function wholeOf(job: Job): Job {
  return job instanceof ListedJob ? job.whole() : job;
}

/** Bytes of a job's file, without reading its offers again. */
export function sizeOf(job: Job): number {
  return job instanceof ListedJob ? job.size : job.group.size;
}

/** Addresses that have a job's content, without reading its offers again. */
export function votesOf(job: Job): number {
  return job instanceof ListedJob ? job.votes : job.group.votes;
}
