/**
 * What a page of the gateway shows. Types only.
 *
 * @module
 */

/** A file or folder in a list. Names are strangers' words: escape them. */
export interface PageEntry {
  /** Its name in the folder that is shown, without a slash. */
  readonly name: string;
  /** Its address, relative to the page and percent-encoded; a folder's ends in `/`. */
  readonly href: string;
  readonly isFolder: boolean;
  /** Files below a folder; 1 for a file. */
  readonly files: number;
  /** Bytes; absent for a folder. */
  readonly size?: number;
  /** When it was last written, in milliseconds since 1970; absent for a folder. */
  readonly modifiedMs?: number;
  /** Ids of the nodes that have it; empty for a folder. */
  readonly nodes: readonly string[];
  /** Whether nodes have, or may have, different contents. */
  readonly differs: boolean;
}

/** A node, as the gateway last saw it. */
export interface PageNode {
  readonly id: string;
  /** Its display name, escaped; no other node has it. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** How it was reached; `none` if it could not be. */
  readonly path: "direct" | "tunnel" | "none";
  /** Files that it lists. */
  readonly files: number;
  /** When it last answered, in milliseconds since 1970; 0 if never. */
  readonly lastSeenMs: number;
  /** Why it could not be asked, in words. */
  readonly error?: string;
}

/** Why there is no file or list to show. */
export interface PageError {
  /** The status code of HTTP. */
  readonly status: number;
  /** What failed, where, why and what to do: the words of the terminal. */
  readonly message: string;
  /** What each node said, a line each. */
  readonly tried: readonly string[];
}

/** What a page shows. */
export interface PageModel {
  readonly kind: "files" | "error" | "login" | "link";
  /** The path from the page to the gateway's `/`: empty, or `../` repeated. */
  readonly base: string;
  /** The folder that is shown; empty, or ending in `/`. */
  readonly folder: string;
  /** Folders first, each part by name. */
  readonly entries: readonly PageEntry[];
  /** The address of the next part of a long list, relative to the page. */
  readonly next?: string;
  /** Files below the folder, and entries in it. */
  readonly fileCount: number;
  readonly entryCount: number;
  readonly nodes: readonly PageNode[];
  /** The relay's greeting: text from a stranger. */
  readonly greeting: string;
  /** Whether all nodes listed all of their files. */
  readonly complete: boolean;
  /** Why the list is not newer. */
  readonly problem?: string | undefined;
  /** How old the list is. */
  readonly ageMs: number;
  readonly error?: PageError;
  /** The random id of a link's page. */
  readonly id?: string;
}
