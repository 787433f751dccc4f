/**
 * The files to save: for each name the chosen content, its sources, and its
 * path.
 *
 * @module
 */

import {
  chooseContent,
  type ContentCriteria,
  type ContentGroup,
} from "../content/choice.ts";
import type { Catalogue } from "./catalogue.ts";
import type { Chosen } from "./choosing.ts";
import { sourcesOf } from "./downloading.ts";
import type { Placed } from "../disk/places.ts";

/** One file to be saved. */
export interface Job extends Placed {
  /** The chosen content. */
  readonly group: ContentGroup;
  /** Whether only votes chose it: then it must not replace a file. */
  readonly isVoted: boolean;
  /** What to ask each node for, by node id: a content id or a version. */
  readonly sources: Map<string, string>;
  /** A smaller object that identifies it after its end, if there is one. */
  readonly placed?: Placed;
}

/** A catalogue, and the conditions that choose its contents. */
export interface Listed {
  readonly catalogue: Catalogue;
  readonly criteria: ContentCriteria;
}

/** The data kept of a file about which its list says everything. */
export interface ListedOptions {
  /** Its place in the catalogue. */
  readonly at: number;
  /** The path to save it at. */
  readonly path: ListedPath;
  /** Whether only votes chose its content. */
  readonly isVoted: boolean;
  /** Bytes of the chosen content. */
  readonly size: number;
  /** Number of addresses that have it. */
  readonly votes: number;
}

/**
 * A path as it is kept: what stands before the name, one string for all files,
 * or the whole path.
 */
export type ListedPath =
  | { readonly before: string }
  | { readonly whole: string };

/**
 * A job that stores little, because 100,000 may wait. It reads everything else
 * from the catalogue again, on each access.
 */
export class ListedJob implements Job {
  readonly #path: ListedPath;
  readonly isVoted: boolean;
  /** See {@linkcode sizeOf}. */
  readonly size: number;
  /** See {@linkcode votesOf}. */
  readonly votes: number;
  readonly #at: number;
  readonly #listed: Listed;

  /** The content must be the one that the offers alone decide. */
  constructor(
    listed: Listed,
    { at, path, isVoted, size, votes }: ListedOptions,
  ) {
    this.#listed = listed;
    this.#at = at;
    this.#path = path;
    this.isVoted = isVoted;
    this.size = size;
    this.votes = votes;
  }

  get name(): string {
    return this.#listed.catalogue.nameAt(this.#at);
  }

  get path(): string {
    const path = this.#path;
    return "whole" in path ? path.whole : path.before + this.name;
  }

  /** The chosen content. */
  get group(): ContentGroup {
    return this.#entry().group;
  }

  #entry(): { name: string; group: ContentGroup } {
    const { catalogue, criteria } = this.#listed;
    const { name, offers } = catalogue.entryAt(this.#at);
    const { groups } = chooseContent(offers, criteria, { isFinal: false });
    return { name, group: groups[0]! };
  }

  /** What to ask each node for; computed on each access. */
  get sources(): Map<string, string> {
    return sourcesOf(this.group);
  }

  /** The same job with all of its data in memory. */
  whole(): Job {
    const { path, isVoted } = this;
    const { name, group } = this.#entry();
    const sources = sourcesOf(group);
    return { name, path, isVoted, group, sources, placed: this };
  }
}

/** The paths of many files, which mostly begin alike. */
export class ListedPaths {
  readonly #byStart = new Map<string, ListedPath>();

  /** What to keep of the path of the file with a name. */
  of(path: string, name: string): ListedPath {
    if (!path.endsWith(name)) return { whole: path };
    const before = path.slice(0, path.length - name.length);
    const known = this.#byStart.get(before);
    if (known !== undefined) return known;
    const made = { before };
    this.#byStart.set(before, made);
    return made;
  }
}

/** Options of {@linkcode jobOf}. */
export interface JobOptions {
  readonly name: string;
  /** The path to save the file at. */
  readonly path: string;
  /** The list that has the file, and its place there. */
  readonly listed?: { readonly list: Listed; readonly at: number } | undefined;
  /** The paths of all listed files. */
  readonly paths: ListedPaths;
}

/** The job for a chosen content; a small one if its list contains all of it. */
export function jobOf(
  { group, isVoted, isByOffers }: Chosen,
  { name, path, listed, paths }: JobOptions,
): Job {
  if (!isByOffers || listed === undefined) {
    return { name, path, group, isVoted, sources: sourcesOf(group) };
  }
  const { size, votes } = group;
  const { list, at } = listed;
  const kept = paths.of(path, name);
  return new ListedJob(list, { at, path: kept, isVoted, size, votes });
}

/** A job with all of its data in memory. */
export function wholeOf(job: Job): Job {
  return job instanceof ListedJob ? job.whole() : job;
}

/** Bytes of a job's file, without reading its offers again. */
export function sizeOf(job: Job): number {
  return job instanceof ListedJob ? job.size : job.group.size;
}

/**
 * Number of addresses with a job's content, without reading its offers again.
 */
export function votesOf(job: Job): number {
  return job instanceof ListedJob ? job.votes : job.group.votes;
}
