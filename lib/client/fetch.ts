/**
 * Fetches one file as a stream.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { ByteRange, Section } from "../content/section.ts";
import { Candidates } from "./candidates.ts";
import { Peers } from "./peers.ts";
import { Stream } from "./stream.ts";
import type { ListedNode } from "./nodes.ts";
import { checkedName, type TransferOptions } from "./transfer_options.ts";

/** Options of {@linkcode fetchFile}. */
export interface FetchOptions extends TransferOptions {
  /** The file's name, as its node shares it. */
  name: string;
  /**
   * Asks one node after the other, in the order of the list, and takes the
   * first file.
   */
  oneByOne?: boolean;
  /**
   * The wanted bytes; by default all. Only the pieces that hold them are
   * fetched, and verified by the hashes of the whole file.
   */
  range?: ByteRange;
}

/** A file that is being fetched. Disposing ends the transfer. */
export interface FetchedFile extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The range of bytes that {@linkcode FetchedFile.pieces} yields. */
  readonly section: Section;
  /** A node that sends the file. */
  readonly node: ListedNode;
  /**
   * The content in order. Each part is verified before it is yielded, and valid
   * until the next is requested. Iterate once.
   *
   * @throws {Failure} of kind `undelivered` or `corrupt` if no node is left.
   */
  pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/**
 * Finds a file and starts to fetch it. The caller disposes of the result.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fetchFile } from "./fetch.ts";
 * import { serveNode } from "../node/server.ts";
 * import { serveRelay } from "../relay/server.ts";
 *
 * const registered = Promise.withResolvers<void>();
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * await using node = await serveNode({
 *   relay: relay.address,
 *   host: "127.0.0.1",
 *   port: 0,
 *   directory: "files/one",
 *   onEvent: ({ event }) => event === "registered" && registered.resolve(),
 * });
 * await registered.promise;
 *
 * await using file = await fetchFile({ relay: relay.address, name: "1.txt" });
 * for await (const piece of file.pieces()) {
 *   assertEquals(new TextDecoder().decode(piece), "I am Text file 1\n");
 * }
 * assertEquals(file.node.id, node.id);
 * ```
 *
 * @throws {Failure} of kind `usage` for an impossible name, for a range outside
 * the file, or for a range together with a SHA-256; `relay` if the relay cannot
 * be asked, `not_found` if no node has the file.
 */
export async function fetchFile(options: FetchOptions): Promise<FetchedFile> {
  const name = checkedName(options.name);
  if (options.range !== undefined && options.sha256 !== undefined) {
    throw new Failure("usage", {
      what: "Cannot fetch part of a file by its SHA-256",
      where: show(name),
      why: "only the whole file can be compared with it",
    });
  }
  const emit = options.onEvent ?? (() => {});
  await using stack = new AsyncDisposableStack();
  const peers = stack.use(new Peers(options, emit));
  const selections = [{ kind: "name", name } as const];
  const candidates = await Candidates.of(peers, selections, options);
  const given = { ...options, name, candidates };
  const stream = stack.use(new Stream(peers, given));
  await stream.seek();
  stack.move(); // from here on the caller disposes of it
  return stream;
}
