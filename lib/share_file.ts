/**
 * A file of the share, as it was when it was last looked at, and the version
 * that changes whenever the file does. Asks the system nothing.
 *
 * @module
 */

import { sha256 } from "./hash.ts";

const encoder = new TextEncoder();

/** A file that can be served, as it was when it was last looked at. */
export interface ShareFile {
  /** Its name in the share: components joined by `/`, NFC. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Its inode, where the system has such. */
  readonly inode: number | null;
  /** Changes whenever the file does, and tells nothing else; 32 characters. */
  readonly version: string;
  /** Where it lies on the disk; not for others to see. */
  readonly path: string;
  /** What the version stands for; not for others to see. */
  readonly facts: string;
}

/** What is asked of the system about a file. */
export interface FileFacts {
  readonly isFile: boolean;
  readonly size: number;
  readonly dev: number;
  readonly ino: number | null;
  readonly mtime: Date | null;
  readonly ctime: Date | null;
}

/** The file that `info` describes; `undefined` unless it is a regular file. */
export function fileOf(
  info: FileFacts,
  { name, path }: { name: string; path: string },
): ShareFile | undefined {
  if (!info.isFile) return undefined;
  const { size, ino: inode } = info;
  const modifiedMs = info.mtime?.getTime() || 0; // none that a date can say
  const facts = factsOf(info, name);
  const version = sha256(encoder.encode(facts)).toHex().slice(0, 32);
  return { name, path, size, modifiedMs, inode, version, facts };
}

/** All that changes when a file does. */
export function factsOf(info: FileFacts, name: string): string {
  const modifiedMs = info.mtime?.getTime() ?? 0;
  // Whole seconds are what all ways of asking agree on.
  const changedAt = Math.floor((info.ctime?.getTime() ?? 0) / 1000);
  // Of the name too: two names of one file are two files here.
  return [info.size, modifiedMs, changedAt, info.dev, info.ino, name].join();
}
