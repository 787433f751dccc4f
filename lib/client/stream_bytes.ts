/**
 * The bytes of one streamed file: receives a content from its nodes, piece by
 * piece in order, and continues with another content if no node can finish one.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import { createSha256, type Hash, HASH_BYTES } from "../base/hash.ts";
import { Turns } from "../base/turns.ts";
import {
  lengthOf,
  Manifest,
  pieceBytesOf,
  pieceCountOf,
} from "../content/manifest.ts";
import {
  type ByteRange,
  cutToSection,
  piecesOfSection,
  type Section,
} from "../content/section.ts";
import { manifestIfZeros, zeroPieces } from "../content/zeros.ts";
import { Download } from "../transfer/download.ts";
import type { SourceTrouble } from "../transfer/source.ts";
import type { Hasher } from "../transfer/hashing.ts";
import { OrderedSink } from "../transfer/ordered.ts";
import type { FoundNode } from "./file_query.ts";
import { Deliveries } from "./deliveries.ts";
import {
  boundsOf,
  hasherFor,
  manifestFrom,
  type ManifestOptions,
  sourceOf,
  sourcesOf,
} from "./downloading.ts";
import type { ClientEvent } from "./events.ts";
import type { Peers } from "./peers.ts";
import type { TransferOptions } from "./transfer_options.ts";

/** Options of {@linkcode StreamBytes}. */
export interface StreamBytesOptions
  extends Pick<ManifestOptions, "asides" | "signal" | "onUnfit" | "onError"> {
  /** The options of the transfer, with the wanted bytes; by default all. */
  readonly transfer: TransferOptions & { range?: ByteRange };
  readonly emit: (event: ClientEvent) => void;
  readonly onTrouble: (trouble: SourceTrouble) => void;
  /** The nodes of a content claimed a SHA-256 that it does not have. */
  readonly onMistaken: (group: ContentGroup) => void;
}

/** One content of a file, and the nodes that have it. */
export interface StreamedContent {
  readonly name: string;
  readonly group: ContentGroup;
  /** The bytes to yield. */
  readonly section: Section;
  readonly members: readonly FoundNode[];
}

/**
 * A running transfer. Nodes with the same content that answer late may join it.
 */
interface Running {
  readonly content: string | undefined;
  readonly download: Download;
  readonly file: number;
}

/** The verified bytes, in order. Disposing ends the worker that hashes. */
export class StreamBytes implements Disposable {
  readonly #peers: Peers;
  readonly #options: StreamBytesOptions;
  readonly deliveries = new Deliveries();
  #running: Running | null = null;
  /** Hashes of the pieces yielded so far: another node must have the same. */
  #delivered: Uint8Array = new Uint8Array();
  #hasher: Hasher | null = null;
  /** Computes the SHA-256 of the yielded bytes, if a SHA-256 is required. */
  readonly #hash: Hash | null;

  constructor(peers: Peers, options: StreamBytesOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#hash = options.transfer.sha256 === undefined ? null : createSha256();
  }

  /** Lets a node that answered late take part, if it has the same content. */
  join(found: FoundNode): void {
    const running = this.#running;
    const { node, offer } = found;
    if (running?.content === undefined || offer.content !== running.content) {
      return;
    }
    running.download.addHolder(running.file, node.id, running.content);
    running.download.addSource(sourceOf(this.#peers, found));
  }

  /**
   * Yields one content from where the last one ended early; returns its id.
   *
   * @throws {GroupFailed}
   */
  async *receive(
    content: StreamedContent,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, string> {
    const { group, section } = content;
    const manifest = await this.#manifestOf(content);
    const { size } = group;
    const pieceBytes = pieceBytesOf(size);
    const { download, file, sink } = this.#startFile(content, manifest);
    this.#running = { content: group.content, download, file };
    download.close();
    const running = download.run().then(
      () => sink.fail(new GroupFailed()), // without effect when all bytes have arrived
      (error) => sink.fail(error),
    );
    const turns = new Turns(this.#peers.limits.turnMs);
    let end = this.#deliveredCount;
    try {
      let isChecked = false;
      for await (const { first, bytes } of sink.parts()) {
        const position = first * pieceBytes;
        isChecked = position + bytes.length === size;
        if (isChecked) this.#require(group, bytes);
        else this.#hash?.update(bytes);
        yield cutToSection(bytes, position, section);
        // A long run of zeros is yielded without waiting for the network.
        if (turns.isOver) await turns.give();
        this.#options.signal.throwIfAborted();
        end = first + Math.ceil(bytes.length / pieceBytes);
      }
      if (!isChecked) this.#require(group); // the yielded bytes are all of them
      return manifest?.contentId ??
        new Manifest(size, download.hashesOf(file)).contentId;
    } finally {
      this.#delivered = download.hashesOf(file).slice(0, end * HASH_BYTES);
      this.#running = null;
      sink.cancel();
      download.stop();
      await running;
    }
  }

  /**
   * Throws if the content with `last` at its end does not have the required
   * SHA-256. This is known only at the end, and `last` is then not yielded.
   */
  #require(group: ContentGroup, last = new Uint8Array()): void {
    const found = this.#hash?.copy().update(last).digest("hex");
    if (found === this.#options.transfer.sha256?.toLowerCase()) return;
    this.#options.onMistaken(group);
    throw new GroupFailed();
  }

  get #deliveredCount(): number {
    return this.#delivered.length / HASH_BYTES;
  }

  /** A download of the wanted pieces that were not delivered. */
  #startFile(content: StreamedContent, manifest: Manifest | undefined) {
    const { name, group, section, members } = content;
    const { size } = group;
    const wanted = piecesOfSection(section, size);
    const count = Math.max(
      this.#deliveredCount,
      Math.min(wanted.first, wanted.end),
    );
    const download = this.#startDownload(size);
    const zeros = manifest === undefined
      ? []
      : zeroPieces(manifest).filter((piece) =>
        piece >= count && piece < wanted.end
      );
    this.#reportZeros(zeros, content);
    const sink = new OrderedSink({
      pieceBytes: pieceBytesOf(size),
      first: count,
      zeros: new Set(zeros),
      size,
      onConsumed: (piece) => download.consumed(file, piece),
    });
    const file: number = download.addFile({
      name,
      size,
      content: group.content,
      manifest,
      sources: sourcesOf(group),
      have: [
        ...Array(count).keys(),
        ...zeros,
        ...numbersFrom(wanted.end, pieceCountOf(size)),
      ],
      inOrder: true,
      sink,
    });
    for (const found of members) {
      download.addSource(sourceOf(this.#peers, found));
    }
    return { download, file, sink };
  }

  #startDownload(size: number): Download {
    return new Download({
      ...boundsOf(this.#peers, this.#options.transfer),
      hasher: this.#hasher ??= hasherFor([size]),
      signal: this.#options.signal,
      onBytes: (arrived) => this.deliveries.add(arrived),
      onFinished: () => {},
      onFailed: () => {}, // the sink gets the error
      onTrouble: this.#options.onTrouble,
    });
  }

  /**
   * The manifest of a content with several pieces and a known id. Otherwise,
   * and after another content ended early, the manifest that a node sends.
   */
  async #manifestOf(
    { name, group, members }: StreamedContent,
  ): Promise<Manifest | undefined> {
    const isCut = pieceCountOf(group.size) > 1;
    // A part is verified by the hashes of the whole.
    const mustAgree = this.#delivered.length > 0 ||
      this.#options.transfer.range !== undefined;
    if (!isCut) return manifestIfZeros(group);
    if (group.content === undefined && !mustAgree) return undefined;
    const { asides, signal, onUnfit, onError } = this.#options;
    const manifest = await manifestFrom(
      members.map(({ node, session, offer }) => ({
        node,
        session,
        of: group.content ?? offer.version,
      })),
      {
        ...{ name, asides, signal, onUnfit, onError },
        size: group.size,
        hashWaits: this.#peers.hashWaits,
        start: this.#delivered,
        patienceMs: this.#peers.limits.queryPatienceMs,
      },
    );
    if (manifest === undefined) throw new GroupFailed();
    return manifest;
  }

  #reportZeros(
    pieces: readonly number[],
    { name, group }: StreamedContent,
  ): void {
    if (pieces.length === 0) return;
    const bytes = lengthOf(pieces, group.size);
    this.#options.emit({ event: "zeros_skipped", name, bytes });
  }

  [Symbol.dispose](): void {
    this.#hasher?.[Symbol.dispose]();
  }
}

/** Whole numbers from `start`, without `end`. */
function numbersFrom(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, n) => start + n);
}

/** No node of a group can deliver the file; another content may. */
export class GroupFailed extends Error {
  override readonly name = "GroupFailed";
}
