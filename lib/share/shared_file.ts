/**
 * A file of the share in its last known state, with a version that changes when
 * the file does. Makes no system calls.
 *
 * @module
 */

import { sha256 } from "../base/hash.ts";

const encoder = new TextEncoder();
const OWNER_RUNS = 0o100;

/** A file that can be served, as it was when it was last looked at. */
export interface ShareFile {
  /** Its name in the share: components joined by `/`, NFC. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether its owner may run it; never where the system has no such bit. */
  readonly isExecutable: boolean;
  /** When it was last changed in any way, in whole seconds; not for others. */
  readonly changedAt: number;
  /** Its device, not for others. */
  readonly device: number;
  /** Its inode, where the system has such. */
  readonly inode: number | null;
  /** Changes whenever the file does, and tells nothing else; 32 characters. */
  readonly version: string;
  /** Where it lies on the disk; not for others to see. */
  readonly path: string;
}

/** What is asked of the system about a file. */
export interface FileFacts {
  readonly isFile: boolean;
  readonly size: number;
  readonly dev: number;
  readonly ino: number | null;
  readonly mode: number | null;
  readonly mtime: Date | null;
  readonly ctime: Date | null;
}

/** What shows whether a file is what it was. */
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
    modifiedMs: info.mtime?.getTime() || 0, // none that a date can say
    isExecutable: ((info.mode ?? 0) & OWNER_RUNS) !== 0,
    // Whole seconds are what all ways of asking agree on.
    changedAt: Math.floor((info.ctime?.getTime() || 0) / 1000),
    device: info.dev,
    inode: info.ino,
  };
}

/** Whether two looks at a file saw the same. */
export function isSameStamp(one: FileStamp, other: FileStamp): boolean {
  return one.size === other.size && one.modifiedMs === other.modifiedMs &&
    one.isExecutable === other.isExecutable &&
    one.changedAt === other.changedAt && one.device === other.device &&
    one.inode === other.inode;
}

function versionOf(stamp: FileStamp, name: string): string {
  const { size, modifiedMs, isExecutable, changedAt, device, inode } = stamp;
  // Of the name too: two names of one file are two files here.
  const facts = [size, modifiedMs, changedAt, device, inode, name];
  if (isExecutable) facts.unshift("x");
  return sha256(encoder.encode(facts.join())).toHex().slice(0, 32);
}
