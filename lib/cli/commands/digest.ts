/**
 * Computes the digests of a file on the disk.
 *
 * @module
 */

import { describeCause, Failure, localKindOf } from "../../base/errors.ts";
import { createSha256, HASH_BYTES, sha256 } from "../../base/hash.ts";
import { LIMITS } from "../../base/limits.ts";
import { Manifest, pieceCountOf, pieceLength } from "../../content/manifest.ts";
import { grantRemedy, requireAccess } from "../../base/permission.ts";
import { openRegular } from "../../base/regular_file.ts";
import { show } from "../../base/text.ts";

/** The digests of a file's content. */
export interface FileDigests {
  readonly bytes: number;
  /** SHA-256 of the whole file, as `sha256sum` prints it. */
  readonly sha256: string;
  /** Content id. */
  readonly content: string;
}

/**
 * Reads all of a file, and computes its digests.
 *
 * @throws {Failure} of kind `local` or `not_allowed` if it cannot be read, or
 * changes while it is read; the signal's reason when aborted.
 */
export async function digestFile(
  path: string,
  signal?: AbortSignal,
): Promise<FileDigests> {
  try {
    requireAccess(path, "read");
    using file = await openRegular(path);
    const { size } = await file.stat();
    if (size > LIMITS.fileBytes) throw cannotRead(path, "it is too large");
    return await digest(file, { size, path, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Failure) throw error;
    throw cannotRead(path, describeCause(error), error);
  }
}

async function digest(
  file: Deno.FsFile,
  { size, path, signal }: {
    size: number;
    path: string;
    signal: AbortSignal | undefined;
  },
): Promise<FileDigests> {
  const whole = createSha256();
  const count = pieceCountOf(size);
  const hashes = new Uint8Array(count * HASH_BYTES);
  const buffer = new Uint8Array(count === 0 ? 1 : pieceLength(size, 0));
  for (let piece = 0; piece < count; piece++) {
    const bytes = buffer.subarray(0, pieceLength(size, piece));
    for (let filled = 0; filled < bytes.length;) {
      signal?.throwIfAborted();
      const read = await file.read(bytes.subarray(filled));
      if (read === null) {
        throw cannotRead(path, "it changed while it was being read");
      }
      filled += read;
    }
    whole.update(bytes);
    hashes.set(sha256(bytes), piece * HASH_BYTES);
  }
  if (await file.read(buffer) !== null) {
    throw cannotRead(path, "it changed while it was being read");
  }
  return {
    bytes: size,
    sha256: whole.digest("hex"),
    content: new Manifest(size, hashes).contentId,
  };
}

function cannotRead(path: string, why: string, cause?: unknown): Failure {
  return new Failure(localKindOf(cause), {
    what: "Cannot read file",
    where: show(path),
    why,
    ...(cause instanceof Deno.errors.NotCapable
      ? { remedy: grantRemedy([path], "read") }
      : {}),
    cause,
  });
}
