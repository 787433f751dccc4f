/**
 * The disk side of a `get`: checks which part of each file exists, whether the
 * file may be saved, and where its pieces go.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { Failure } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { Manifest, pieceCountOf } from "../content/manifest.ts";
import { manifestIfZeros } from "../content/zeros.ts";
import type { DownloadFile, Sink } from "../transfer/receiving.ts";
import { HASHED_AT_ONCE_BYTES } from "../transfer/hashing.ts";
import type { CheckedFile } from "../disk/file_checker_code.ts";
import { AheadChecks } from "../disk/ahead_checks.ts";
import { existingEntryAtOnce } from "../disk/existing_entry.ts";
import { requirePlace } from "../disk/own_place.ts";
import { Owners } from "../disk/owners.ts";
import { PartialFile } from "../disk/partial.ts";
import { partialPathOf } from "../disk/partial_name.ts";
import type { JudgedInode } from "../disk/leftover_file.ts";
import { removePublished, type TargetOptions } from "../disk/publishing.ts";
import { SmallFiles } from "../disk/small_files.ts";
import { type Job, sizeOf } from "./jobs.ts";
import { type ExistingFile, ExistingFiles } from "./existing_files.ts";
import { reusedPieces, type ReusedPiecesOptions } from "./reused_pieces.ts";
import type { WantedSums } from "./wanted_sums.ts";
import { Folders, isOfOneFile, isTaken } from "../disk/places.ts";

/** Options of {@linkcode Targets}. */
export interface TargetsOptions extends Omit<ReusedPiecesOptions, "manifest"> {
  /** The folder that the user chose for all files, if it is known. */
  readonly folder?: string | undefined;
  /** Whether files are durable before they count as saved. */
  readonly sync: boolean;
  /** Whether files become executable if they are executable at their nodes. */
  readonly mayRun: boolean;
  /** SHA-256 that files must have. */
  readonly wanted: WantedSums;
  /** Small files that are open at a time. */
  readonly openFileCount: number;
  /** Whether a file is exchanged with other clients. */
  readonly isSwarmed?: ((job: Job) => boolean) | undefined;
}

/** The state of a path in a new folder. */
const NOTHING = { occupant: "none", hasOneName: true } as const;

/** What was done for a file ahead of its turn. */
export interface Ahead {
  /** What a worker finds at its path. */
  readonly looked?: Promise<CheckedFile> | undefined;
  /** Its manifest, if nodes were asked for it. */
  readonly asked?: Promise<Manifest | undefined> | undefined;
}

/** What is at the path of a file. */
type Found =
  & Pick<ExistingFile, "occupant" | "info" | "seen" | "contentId">
  & Pick<ComparedFile, "hasOneName">;

/** The file under the final name, and what it may be compared with. */
interface ComparedFile extends ExistingFile {
  /** Whether it has no other name. */
  readonly hasOneName: boolean;
  /** The folder that it must be in; nothing if any will do. */
  readonly folder: JudgedInode | undefined;
}

/** Places that files are saved in. Disposing keeps incomplete files. */
export class Targets implements AsyncDisposable {
  readonly #options: TargetsOptions;
  readonly #presence: ExistingFiles;
  readonly #folders: Folders;
  readonly #small: SmallFiles;
  readonly #looks: AheadChecks;
  readonly #partials = new Map<string, PartialFile>();
  /** Files that arrived complete, but with another SHA-256 than required. */
  readonly #mistaken = new WeakSet<Job>();

  readonly #savedByOthers = new WeakSet<Job>();

  /** Opens nothing yet. */
  constructor(options: TargetsOptions) {
    this.#options = options;
    const owners = new Owners();
    const folders = new Folders(owners, options.folder);
    this.#folders = folders;
    this.#presence = new ExistingFiles({ ...options, owners, folders });
    this.#small = new SmallFiles({ mostOpen: options.openFileCount });
    this.#looks = new AheadChecks({ signal: options.signal });
  }

  /** Whether a file arrived complete, but is not the requested one. */
  isMistaken(job: Job): boolean {
    return this.#mistaken.has(job);
  }

  /** Whether another program saved the content while it was received. */
  isSavedByOther(job: Job): boolean {
    return this.#savedByOthers.has(job);
  }

  /** Large files that are open. */
  get openCount(): number {
    return this.#partials.size;
  }

  /**
   * Starts a worker's look at a small file that probably exists, like those
   * before it. Changes nothing.
   */
  lookAhead(job: Job): Promise<CheckedFile> | undefined {
    if (!this.#looks.isWorthIt) return undefined;
    const [size, { path, name }] = [sizeOf(job), job];
    const place = this.#folders.prepared(path);
    const isApt = place?.isNew === false && size <= HASHED_AT_ONCE_BYTES &&
      this.#options.wanted.of(name) === undefined;
    if (!isApt) return undefined;
    const { folder } = place;
    const judged = folder && { path: dirname(path), ...folder };
    return this.#looks.look({ path, size, judged });
  }

  /**
   * Asks for the manifest of a file that may exist already, if its content is
   * not known otherwise. Changes nothing, and may run for several files at
   * once.
   *
   * @throws {Failure} when it cannot be described.
   */
  askAhead(job: Job): Promise<Manifest | undefined> | undefined {
    const isKnown = !this.#presence.isUnknown(job);
    if (isKnown || this.#folders.isNew(dirname(job.path))) return undefined;
    return this.#askIfThere(job);
  }

  async #askIfThere(job: Job): Promise<Manifest | undefined> {
    const { path, group: { size } } = job;
    const mayBeIt = existingEntryAtOnce(path, size).occupant === "same_size";
    return mayBeIt ? await this.#options.describe(job) : undefined;
  }

  /**
   * Checks what exists of a file. Returns nothing if the file is complete.
   *
   * @throws {Failure} when it cannot be saved there, or cannot be described.
   */
  async open(job: Job, ahead: Ahead = {}): Promise<DownloadFile | undefined> {
    const { name, path, group: { size, content }, sources } = job;
    const { describe } = this.#options;
    const { isNew, folder } = this.#folders.prepared(path) ??
      await this.#folders.prepare(path, name);
    const found: Found = isNew
      ? NOTHING
      : foundBy(await ahead.looked, size) ?? foundAt(path, size);
    const mayBeIt = found.occupant === "same_size" &&
      this.#presence.isUnknown(job);
    let manifest = mayBeIt
      ? await ahead.asked ?? await describe(job)
      : undefined;
    const there = { ...found, folder, manifest };
    const isPresent = found.occupant !== "none" &&
      await this.#isPresent(job, there);
    if (isPresent) return undefined;
    const isCut = pieceCountOf(size) > 1;
    if (isCut && content !== undefined) manifest = await describe(job);
    const file = { name, size, content, manifest, sources };
    if (!isCut) return { ...file, ...this.#openSmall(job, folder) };
    const large = await this.#openLarge(job, { known: manifest, folder });
    const isSwarmed = this.#options.isSwarmed?.(job);
    const order = isSwarmed ? { rarest: { random: Math.random } } : {};
    return large && { ...file, ...order, ...large };
  }

  /** Whether the file exists already; throws if another one is at its path. */
  async #isPresent(
    job: Job,
    { hasOneName, folder, ...found }: ComparedFile,
    { isReceived = false } = {},
  ): Promise<boolean> {
    const { path } = job;
    if (await this.#presence.judge(job, found) !== "same") return false;
    if (found.contentId === undefined) {
      requirePlace(path, folder);
      this.#looks.found();
    } // otherwise the worker has looked at the folder
    // A run that was killed while publishing left the partial name.
    if (!hasOneName) await removePublished(partialPathOf(path), path);
    const { name, group } = job;
    const sha256 = this.#options.wanted.of(name);
    const { content } = group;
    const compared = sha256 === undefined ? { content } : { sha256 };
    this.#options.outcomes.present(job, compared, { isReceived });
    if (isReceived) this.#savedByOthers.add(job);
    return true;
  }

  /** A file of one piece; if that is zeros, no node has to send it. */
  #openSmall(
    job: Job,
    folder: JudgedInode | undefined,
  ): Pick<DownloadFile, "sink" | "have" | "manifest"> {
    const manifest = manifestIfZeros(job.group);
    const zeros = manifest?.size ?? 0;
    this.#options.outcomes.start(job, { earlier: 0, zeros });
    const sink = this.#smallSink(job, { zeros, folder });
    return manifest === undefined ? { sink } : { sink, manifest, have: [0] };
  }

  /** Saves a file that comes in one piece, or consists of `zeros` zeros. */
  #smallSink(
    job: Job,
    { zeros, folder }: { zeros: number; folder: JudgedInode | undefined },
  ): Sink {
    const { name, path, group } = job;
    const options = this.#targetOptions(job, folder);
    const wanted = this.#options.wanted.of(name);
    const save = async (bytes: Uint8Array) => {
      if (wanted !== undefined && sha256(bytes).toHex() !== wanted) {
        this.#mistaken.add(job);
        return;
      }
      try {
        await this.#small.save(path, bytes, options);
        const syncing = this.#syncFolders();
        if (syncing !== undefined) await syncing;
      } catch (error) {
        const manifest = new Manifest(bytes.length, sha256(bytes));
        await this.#failed(job, error, { folder, manifest });
      }
    };
    return {
      write: (_first, bytes) => save(bytes),
      finish: () =>
        group.size > zeros ? undefined : save(new Uint8Array(zeros)),
    };
  }

  /**
   * Opens the partial file, and finds its correct pieces. Returns nothing if
   * the file exists already.
   */
  async #openLarge(
    job: Job,
    { known, folder }: {
      known: Manifest | undefined;
      folder: JudgedInode | undefined;
    },
  ): Promise<Pick<DownloadFile, "sink" | "have" | "manifest"> | undefined> {
    const { name, path, group } = job;
    const { size } = group;
    const { describe, hasher } = this.#options;
    const options = { size, hasher, ...this.#targetOptions(job, folder) };
    const partial = await PartialFile.open(path, options);
    this.#partials.set(name, partial);
    // Another process may have published it before this one had the lock.
    const found = options.overwrite ? NOTHING : foundAt(path, size);
    if (found.occupant !== "none") {
      if (await partial.byteCount() === 0) await partial.discard();
      else await partial.keep();
      this.#partials.delete(name);
      const manifest = this.#presence.isUnknown(job)
        ? known ?? await describe(job)
        : known;
      const there = { ...found, folder, manifest };
      if (await this.#isPresent(job, there)) return undefined;
    }
    const spared = await reusedPieces(job, partial, {
      ...this.#options,
      manifest: known,
      overwrite: options.overwrite,
    });
    const manifest = known;
    const sink = this.#verifying(job, partial, { folder, manifest });
    return { sink, ...spared };
  }

  /**
   * A sink that compares the SHA-256 of the whole file with the required one.
   */
  #verifying(
    job: Job,
    partial: PartialFile,
    place: Pick<ComparedFile, "folder" | "manifest">,
  ): Sink {
    const wanted = this.#options.wanted.of(job.name);
    return {
      write: (first, bytes) => partial.write(first, bytes),
      save: (...pieces) => partial.save(...pieces),
      expect: (...pieces) => partial.expect(...pieces),
      finish: async () => {
        if (
          wanted !== undefined &&
          await partial.sha256(this.#options.signal) !== wanted
        ) {
          await partial.discard();
          this.#mistaken.add(job);
          return;
        }
        try {
          await partial.finish();
          await this.#syncFolders();
        } catch (error) {
          await this.#failed(job, error, place);
        }
      },
    };
  }

  /**
   * Saving a file failed. A failure of one file ends only that file; a failure
   * of the disk ends everything.
   */
  async #failed(
    job: Job,
    error: unknown,
    place: Pick<ComparedFile, "folder" | "manifest">,
  ): Promise<void> {
    if (!(error instanceof Failure) || !isOfOneFile(error)) throw error;
    let failure = error;
    try {
      if (isTaken(error) && await this.#isThereNow(job, place)) return;
    } catch (objection) {
      if (!(objection instanceof Failure)) throw objection;
      failure = objection;
    }
    this.#options.outcomes.fail(job.name, failure, job);
  }

  /** Whether another program saved the same content meanwhile. */
  async #isThereNow(
    job: Job,
    { folder, manifest: known }: Pick<ComparedFile, "folder" | "manifest">,
  ): Promise<boolean> {
    const found = foundAt(job.path, sizeOf(job));
    const manifest = this.#presence.isUnknown(job)
      ? known ?? await this.#options.describe(job)
      : known;
    const there = { ...found, folder, manifest };
    return await this.#isPresent(job, there, { isReceived: true });
  }

  #targetOptions(
    { group, isVoted }: Job,
    folder: JudgedInode | undefined,
  ): TargetOptions {
    const overwrite = this.#options.overwrite && !isVoted;
    const { modifiedMs } = group;
    const { sync, mayRun } = this.#options;
    const isExecutable = mayRun && group.isExecutable;
    return { overwrite, modifiedMs, isExecutable, sync, folder };
  }

  /**
   * Opens a large file a second time, to read its received pieces. The caller
   * closes it.
   */
  openToRead(name: string): number {
    return this.#partials.get(name)!.openToRead();
  }

  /**
   * Closes a large file, and keeps its partial file if it is not complete.
   * Returns nothing if there is nothing to wait for.
   */
  release(name: string): Promise<void> | undefined {
    const partial = this.#partials.get(name);
    this.#partials.delete(name);
    return partial?.keep();
  }

  /** Makes the names of folders durable that were made for files. */
  #syncFolders(): Promise<unknown> | undefined {
    return this.#options.sync ? this.#folders.sync() : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#partials.keys()]) await this.release(name);
    this.#small[Symbol.dispose]();
    this.#looks[Symbol.dispose]();
  }
}

function foundAt(path: string, size: number): Found {
  const { info, ...found } = existingEntryAtOnce(path, size);
  return { ...found, info, seen: info };
}

/** What a worker found, if it could find out. */
function foundBy(
  looked: CheckedFile | undefined,
  size: number,
): Found | undefined {
  if (looked?.kind === "none") return NOTHING;
  if (looked?.kind !== "file") return undefined;
  const { uid, mode, hash } = looked;
  const { contentId } = new Manifest(size, hash);
  const info = { uid, mode };
  return { occupant: "same_size", hasOneName: true, info, contentId };
}
