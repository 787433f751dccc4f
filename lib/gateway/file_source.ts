/**
 * Where the gateway's files come from: finds one by name or content, and reads
 * parts of it, verified.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import type { ClientEvent } from "../client/events.ts";
import { fetchFile } from "../client/fetch.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import type { Section } from "../content/section.ts";
import type { Lists } from "./lists.ts";

/** A file that was found. */
export interface FoundFile {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** Content id, if it is known. */
  readonly content?: string | undefined;
  /** What identifies its state, where the content is not known. */
  readonly version: string;
  /** SHA-256 of the whole, if it is known. */
  readonly sha256?: string | undefined;
  /** Its bytes in a section, in order; each part is valid until the next. */
  read(
    section: Section,
    options: {
      readonly signal: AbortSignal;
      /** Hears of the nodes that bytes come from. */
      readonly from: (node: string) => void;
    },
  ): AsyncIterable<Uint8Array>;
}

/** Finds files. */
export class FileSource {
  readonly #client: TransferOptions;
  readonly #lists: Lists;
  readonly #tell: (event: ClientEvent) => void;

  constructor(
    { client, lists, tell }: {
      client: TransferOptions;
      lists: Lists;
      tell: (event: ClientEvent) => void;
    },
  ) {
    this.#client = client;
    this.#lists = lists;
    this.#tell = tell;
  }

  /**
   * A file by its name.
   *
   * @throws {Failure} like {@linkcode fetchFile}.
   */
  async find(
    name: string,
    { content, signal }: {
      content?: string | undefined;
      signal: AbortSignal;
    },
  ): Promise<FoundFile> {
    const { files } = await this.#lists.latest();
    const listed = files.find(name);
    if (listed === undefined) {
      throw new Failure("not_found", {
        what: "Cannot find file",
        where: name,
        why: "no active node has it",
      });
    }
    const { size, modifiedMs, offers } = listed;
    const read: FoundFile["read"] = (section, options) =>
      this.#read({ name, content, signal }, { size, section, ...options });
    return {
      ...{ name, size, modifiedMs, content: listed.content, read },
      version: offers[0]!.version,
    };
  }

  /**
   * A file by its content, under `name` or any other.
   *
   * @throws {Failure} of kind `not_found` if no node lists it.
   */
  async findContent(
    content: string,
    { name, signal }: { name: string | undefined; signal: AbortSignal },
  ): Promise<FoundFile> {
    const { files } = await this.#lists.latest();
    const listed = name === undefined ? undefined : files.find(name);
    const found = listed?.content === content
      ? listed.name
      : files.nameWith(content);
    if (found === undefined) {
      throw new Failure("not_found", {
        what: "Cannot find file",
        where: content,
        why: "no active node has that content",
      });
    }
    return await this.find(found, { content, signal });
  }

  async *#read(
    { name, content, signal }: {
      name: string;
      content: string | undefined;
      signal: AbortSignal;
    },
    { section, size, from }: {
      section: Section;
      size: number;
      from: (node: string) => void;
    },
  ): AsyncGenerator<Uint8Array> {
    const { start, end } = section;
    const isWhole = start === 0 && end === size;
    await using file = await fetchFile({
      ...this.#client,
      name,
      ...content === undefined ? {} : { content },
      ...isWhole ? {} : { range: { first: start, last: end - 1 } },
      signal,
      onEvent: this.#tell,
    });
    from(file.node.name);
    yield* file.pieces();
  }
}
