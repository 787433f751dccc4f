/**
 * The files of a share that one client may have: all of them, or those within
 * its grant. A file that it may not have looks like one that is not there.
 *
 * @module
 */

import { type Grant, isGranted, onlyNameOf } from "../access/grant.ts";
import { isContentId } from "../content/manifest.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { ServedDigests, ServedFiles } from "./served.ts";

// How many files with one content are checked to find one that the client may
// have: a share can hold 100,000 empty files, and checking all takes 0.3 s.
const SAME_CONTENT_COUNT = 256;

/** What is shared. */
export interface Shared {
  readonly share: ServedFiles;
  readonly digests: ServedDigests;
}

/** The files of a share that one client may have. */
export class GrantedFiles {
  readonly #shared: Shared;
  #grant: Grant | undefined;
  #allowed: ((content: string) => boolean) | undefined;

  /** At first, the client may have everything. */
  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Limits the client to what its grant allows, or to the contents `allowed`. */
  limitTo(
    grant: Grant | undefined,
    allowed?: (content: string) => boolean,
  ): void {
    this.#grant = grant;
    this.#allowed = allowed;
  }

  /** The only content that the client may have, if it is limited to one. */
  get content(): string | undefined {
    return this.#grant?.content;
  }

  /** Whether the client may ask for a file of this name. */
  mayName(name: string): boolean {
    return this.#grant === undefined || isGranted(this.#grant, name);
  }

  /** Whether the client may have a file as it is now. */
  #may(file: ShareFile): boolean {
    const { content: only } = this;
    const allowed = this.#allowed;
    if (!this.mayName(file.name)) return false;
    if (only === undefined && allowed === undefined) return true;
    const content = this.#shared.digests.of(file)?.content;
    return content !== undefined && (only === undefined || content === only) &&
      (allowed === undefined || allowed(content));
  }

  /**
   * Files whose names begin with `prefix`. `onLook` gets the number of checked
   * files, and is awaited.
   */
  async *listed(
    prefix: string,
    onLook: (count: number) => Promise<void>,
  ): AsyncGenerator<ShareFile> {
    const { share } = this.#shared;
    const only = this.#grant && onlyNameOf(this.#grant);
    if (only !== undefined) {
      const file = share.named(only);
      const isListed = file?.name.startsWith(prefix) && this.#may(file);
      if (file !== undefined && isListed) yield file;
      return;
    }
    // Names that begin with both prefixes begin with the longer one.
    const granted = this.#grant?.prefix ?? "";
    if (!prefix.startsWith(granted) && !granted.startsWith(prefix)) return;
    const both = granted.length > prefix.length ? granted : prefix;
    for (const files of share.browse(both)) {
      await onLook(files.length);
      for (const file of files) if (this.#may(file)) yield file;
    }
  }

  /** The current file with a content id or version. */
  standingFor(of: string): ShareFile | undefined {
    const { share, digests } = this.#shared;
    const isContent = isContentId(of);
    const file = isContent ? digests.withContent(of) : share.versioned(of);
    if (file === undefined || this.#may(file)) return file;
    if (!isContent) return undefined;
    return this.#withSameContent(of);
  }

  /** A file with the same content, under a name that the client may have. */
  #withSameContent(content: string): ShareFile | undefined {
    const { share, digests } = this.#shared;
    const only = this.#grant && onlyNameOf(this.#grant);
    if (only !== undefined) {
      const file = share.named(only);
      const isSame = file !== undefined && this.#may(file) &&
        digests.of(file)?.content === content;
      return isSame ? file : undefined;
    }
    let lookedAt = 0;
    for (const file of share.withContent(content)) {
      if (this.#may(file)) return file;
      if (++lookedAt === SAME_CONTENT_COUNT) return undefined;
    }
    return undefined;
  }
}
