/**
 * A file of the share in its last known state, with a version that changes when
 * the file does. Makes no system calls.
 *
 * @module
 */

import { sha256OfText } from "../base/short_hash.ts";

const OWNER_RUNS = 0o100;

/** A file that can be served, in its last known state. */
export interface ShareFile {
  /** Its name in the share: components joined by `/`, in NFC. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When the file was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether its owner may execute it; never if the system has no such bit. */
  readonly isExecutable: boolean;
  /** When anything about it last changed, in whole seconds; never sent. */
  readonly changedAt: number;
  /** Its device; never sent. */
  readonly device: number;
  /** Its inode, if the system has one; never sent. */
  readonly inode: number | null;
  /**
   * Changes whenever the file does, and reveals nothing else; 32 characters.
   */
  readonly version: string;
  /** Its path on the disk; never sent. */
  readonly path: string;
}

/** The properties of a file that the system reports. */
export interface FileFacts {
  readonly isFile: boolean;
  readonly size: number;
  readonly dev: number;
  readonly ino: number | null;
  readonly mode: number | null;
  readonly mtime: Date | null;
  readonly ctime: Date | null;
}

/** The facts that show whether a file has changed. */
export type FileStamp = Pick<
  ShareFile,
  "size" | "modifiedMs" | "isExecutable" | "changedAt" | "device" | "inode"
>;

/** The file that `info` describes; `undefined` unless it is a regular file. */
export function fileOf(
  info: FileFacts,
  { name, path }: { name: string; path: string },
): ShareFile | undefined {
  if (!info.isFile) return undefined;
  const stamp = stampOf(info);
  return { name, path, ...stamp, version: versionOf(stamp, name) };
}

/** The numbers that change when a file does. */
export function stampOf(info: FileFacts): FileStamp {
  return {
    size: info.size,
    modifiedMs: info.mtime?.getTime() || 0, // outside of what a date can express
    isExecutable: ((info.mode ?? 0) & OWNER_RUNS) !== 0,
    // All ways of asking the system agree on whole seconds.
    changedAt: Math.floor((info.ctime?.getTime() || 0) / 1000),
    device: info.dev,
    inode: info.ino,
  };
}

/** Whether two looks at a file saw the same state. */
export function isSameStamp(one: FileStamp, other: FileStamp): boolean {
  return one.size === other.size && one.modifiedMs === other.modifiedMs &&
    one.isExecutable === other.isExecutable &&
    one.changedAt === other.changedAt && one.device === other.device &&
    one.inode === other.inode;
}

function versionOf(stamp: FileStamp, name: string): string {
  const { size, modifiedMs, isExecutable, changedAt, device, inode } = stamp;
  // Includes the name: two names of one file are two files here.
  const facts = [size, modifiedMs, changedAt, device, inode, name];
  if (isExecutable) facts.unshift("x");
  return sha256OfText(facts.join()).toHex().slice(0, 32);
}
