/**
 * The contents that a process holds, for the service that answers clients:
 * found only by content id. It lists nothing and finds nothing by name, so a
 * client must know what it asks for.
 *
 * @module
 */

import type { Manifest } from "../content/manifest.ts";
import type {
  ServedDigest,
  ServedDigests,
  ServedFiles,
} from "../node/served.ts";
import type { DescribeOutcome } from "../share/digesting.ts";
import {
  DiskSpeed,
  type FileOpening,
  type SmallFileOutcome,
} from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { Holding } from "./holding.ts";

const GONE = { kind: "refused", reason: "gone" } as const;

/** Serves what it was given. */
export class HeldFiles implements ServedFiles {
  readonly isReadBack = true;
  readonly isScanned = true;
  readonly #speed = new DiskSpeed();
  readonly #holdings = new Map<string, Holding>();

  /** Adds a content. */
  add(holding: Holding): void {
    this.#holdings.set(holding.manifest.contentId, holding);
  }

  /** Stops serving a content. */
  remove(holding: Holding): void {
    this.#holdings.delete(holding.manifest.contentId);
  }

  /** Ids of the contents that are held. */
  get contents(): readonly string[] {
    return [...this.#holdings.keys()];
  }

  /** A content, if it is held. */
  heldOf(content: string): Holding | undefined {
    return this.#holdings.get(content);
  }

  /** Whether a content is held that needs no grant. */
  get hasOpen(): boolean {
    return this.#holdings.values().some(({ isOpen }) => isOpen);
  }

  /** Whether a content is held, and needs no grant. */
  isOpen(content: string): boolean {
    return this.heldOf(content)?.isOpen ?? false;
  }

  /** Whether reads are quick enough to be done synchronously. */
  get isQuick(): boolean {
    return this.#speed.isQuick;
  }

  scanned(): Promise<void> {
    return Promise.resolve();
  }

  find(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  named(): undefined {}

  versioned(): undefined {}

  *browse(): Generator<readonly ShareFile[], void> {}

  *withContent(content: string): Iterable<ShareFile> {
    const file = this.heldOf(content)?.file;
    if (file !== undefined) yield file;
  }

  /** The content that a file stands for. */
  holdingOf(file: ShareFile): Holding | undefined {
    return this.#holdings.values().find((holding) => holding.file === file);
  }

  open(file: ShareFile): FileOpening {
    const holding = this.holdingOf(file);
    return holding === undefined
      ? GONE
      : { kind: "opened", opened: holding.opened(this.#speed) };
  }

  /** What is held has several pieces. */
  readSmall(): SmallFileOutcome {
    return GONE;
  }

  readTogether(read: () => void): boolean {
    read();
    return true;
  }
}

/** The digests of what is held. */
export class HeldDigests implements ServedDigests {
  readonly #files: HeldFiles;

  constructor(files: HeldFiles) {
    this.#files = files;
  }

  of(file: ShareFile): ServedDigest | undefined {
    const { manifest, sha256 } = this.#files.holdingOf(file) ?? {};
    if (manifest === undefined) return undefined;
    const whole = sha256 === undefined ? {} : { sha256 };
    return { content: manifest.contentId, ...whole };
  }

  withContent(content: string): ShareFile | undefined {
    return this.#files.heldOf(content)?.file;
  }

  manifestOf(file: ShareFile): Manifest | undefined {
    return this.#files.holdingOf(file)?.manifest;
  }

  /** Only if the hash of the whole file is known: the answer needs it. */
  describe(file: ShareFile): Promise<DescribeOutcome> {
    const { manifest, sha256 } = this.#files.holdingOf(file) ?? {};
    if (manifest === undefined || sha256 === undefined) {
      return Promise.resolve(GONE);
    }
    const described = { content: manifest.contentId, sha256, manifest };
    return Promise.resolve({ kind: "described", described });
  }
}
