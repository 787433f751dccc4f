/**
 * Where the gateway's files come from: finds one by name or content, and reads
 * parts of it, verified.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
import { Failure, isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { show } from "../base/text.ts";
import { answerOf, type ClientEvent } from "../client/events.ts";
import { Peers } from "../client/peers.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import type { ContentGroup } from "../content/choice.ts";
import type { Manifest } from "../content/manifest.ts";
import type { Section } from "../content/section.ts";
import { wholeHashOf } from "../content/whole_hash.ts";
import {
  type ChosenContent,
  findFile,
  manifestOf,
  undelivered,
} from "./find_file.ts";
import type { Hashers } from "./hashers.ts";
import type { Lists } from "./lists.ts";
import { NodeSessions } from "./node_sessions.ts";
import { StalledNodes } from "./stalled_nodes.ts";
import type { ReaderMemory } from "./reader_memory.ts";
import { NoHolderLeft, readVerified } from "./verified_read.ts";

/** A file that was found. */
export interface GatewayFile {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** Content id, if it is known. */
  readonly content?: string | undefined;
  /** Identifies its state if the content is not known. */
  readonly version: string;
  /** SHA-256 of the whole, if it is known. */
  readonly sha256?: string | undefined;
  /** Its bytes in a section, in order; each part is valid until the next. */
  read(
    section: Section,
    options: {
      readonly signal: AbortSignal;
      /** Called for each node that sends bytes. */
      readonly from: (node: string) => void;
    },
  ): AsyncIterable<Uint8Array>;
}

/** Options of {@linkcode FileSource}. */
export interface FileSourceOptions {
  /** `sender` alone is asked, if there is one. */
  readonly client: TransferOptions;
  /** Decides which nodes to ask; without it, the relay does. */
  readonly lists?: Lists;
  readonly emit: (event: ClientEvent) => void;
  readonly limits: Limits;
  /** Shared with other sources. */
  readonly memory: ReaderMemory;
  /** Shared with other sources. */
  readonly hashers: Hashers;
}

/** The answer about a name, remembered for a moment. */
interface Remembered {
  readonly at: number;
  readonly chosen: Promise<ChosenContent>;
}

// Names that are tried for a content.
const MOST_NAMES = 8;
// Names whose content is remembered.
const MOST_REMEMBERED = 1_000;

/** Finds and reads files. Disposing ends what is under way. */
export class FileSource implements AsyncDisposable {
  readonly #options: FileSourceOptions;
  readonly #peers: Peers;
  readonly #sessions: NodeSessions;
  readonly #stalled: StalledNodes;
  readonly #remembered = new Map<string, Remembered>();
  readonly #manifests = new Map<string, Promise<{ manifest: Manifest }>>();
  #manifestBytes = 0;

  constructor(options: FileSourceOptions) {
    const { client, emit, limits } = options;
    this.#options = options;
    this.#peers = new Peers(client, emit);
    this.#stalled = new StalledNodes(limits);
    this.#sessions = new NodeSessions({
      peers: this.#peers,
      mostCount: limits.gatewayNodeConnectionCount,
      mostOfAllCount: limits.gatewayAllNodeConnectionCount,
      idleMs: limits.gatewayNodeIdleMs,
    });
  }

  /**
   * A file by its name.
   *
   * @throws {Failure} that says why there is none, like a fetch.
   */
  async find(
    name: string,
    { content, signal }: {
      content?: string | undefined;
      signal: AbortSignal;
    },
  ): Promise<GatewayFile> {
    return this.#fileOf(name, await this.#chosen(name, { content, signal }));
  }

  #fileOf(name: string, chosen: ChosenContent): GatewayFile {
    const { group } = chosen;
    const { content: id, size, modifiedMs } = group;
    return {
      ...{ name, size, modifiedMs, content: id },
      ...{ version: versionOf(group), sha256: wholeHashOf(group) },
      read: (section, options) =>
        this.#read({ name, chosen }, { section, ...options }),
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
  ): Promise<GatewayFile> {
    const names = await this.#namesOf(content, name);
    const [only] = names;
    if (only !== undefined && names.length === 1) {
      return await this.find(only, { content, signal });
    }
    let failure: unknown;
    for (const other of names) {
      try {
        const chosen = await this.#chosen(other, { content, signal });
        // Some node may list a content that it does not have.
        await this.#manifest(other, chosen);
        return this.#fileOf(other, chosen);
      } catch (error) {
        if (isBug(error)) throw error;
        signal.throwIfAborted();
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    throw new Failure("not_found", {
      what: "Cannot find file",
      where: show(name ?? content),
      why: "no active node has that content",
      remedy: "look for it in the list",
    });
  }

  /** The names under which nodes list a content; `name` alone if it is one. */
  async #namesOf(
    content: string,
    name: string | undefined,
  ): Promise<readonly string[]> {
    const { lists } = this.#options;
    for (let isWhole = false;; isWhole = true) {
      const list = isWhole ? await lists?.whole() : await lists?.latest();
      const listed = name === undefined ? undefined : list?.files.find(name);
      if (listed?.offers.some((offer) => offer.content === content)) {
        return [listed.name];
      }
      const names = await list?.files.namesWith(content, { most: MOST_NAMES });
      if (names === undefined) return [];
      if (names.length > 0 || isWhole || list?.complete) return names;
    }
  }

  /** The content of a name; players ask for the same again and again. */
  async #chosen(
    name: string,
    { content, signal }: { content: string | undefined; signal: AbortSignal },
  ): Promise<ChosenContent> {
    const key = `${content ?? ""} ${name}`;
    const before = this.#remembered.get(key);
    const { gatewayRememberMs } = this.#options.limits;
    const now = performance.now();
    if (before !== undefined && now - before.at < gatewayRememberMs) {
      return await before.chosen;
    }
    const chosen = this.#ask(name, content);
    putLast(this.#remembered, [key, { at: now, chosen }], MOST_REMEMBERED);
    chosen.catch(() => this.#remembered.delete(key));
    signal.throwIfAborted();
    return await chosen;
  }

  async #ask(
    name: string,
    content: string | undefined,
  ): Promise<ChosenContent> {
    const { lists, client, emit } = this.#options;
    const snapshot = await lists?.soon();
    const offers = snapshot?.files.find(name)?.offers;
    // Those that are still listing may have it too, and then they vote.
    const ids = new Set([
      ...offers?.map(({ node }) => node) ?? [],
      ...snapshot?.missing ?? [],
    ]);
    const nodes = offers &&
      [...ids].flatMap((id) => snapshot?.listed.get(id) ?? []);
    const { signal = new AbortController().signal, prefer, sender } = client;
    return await findFile(name, {
      ...{ peers: this.#peers, sessions: this.#sessions },
      ...{ nodes, content, prefer, sender, emit, signal },
      listed: snapshot?.nodes ?? [],
    });
  }

  /** The manifest of a content, kept because others may ask for it soon. */
  async #manifest(name: string, chosen: ChosenContent): Promise<Manifest> {
    const asking = {
      peers: this.#peers,
      sessions: this.#sessions,
      stalled: this.#stalled,
    };
    const { content, size } = chosen.group;
    // The content is verified by its id, but the size is not.
    const key = `${content ?? versionOf(chosen.group)} ${size}`;
    const known = this.#manifests.get(key);
    const manifest = known ?? manifestOf(name, chosen, asking);
    if (known === undefined) {
      this.#manifests.set(key, manifest);
      manifest.then(
        ({ manifest }) => this.#keep(manifest.hashes.length),
        () => this.#manifests.delete(key),
      );
    }
    return (await manifest).manifest;
  }

  #keep(bytes: number): void {
    this.#manifestBytes += bytes;
    if (this.#manifestBytes <= this.#options.limits.gatewayManifestBytes) {
      return;
    }
    this.#manifests.clear();
    this.#manifestBytes = 0;
  }

  async *#read(
    { name, chosen }: { name: string; chosen: ChosenContent },
    { section, signal, from }: {
      section: Section;
      signal: AbortSignal;
      from: (node: string) => void;
    },
  ): AsyncGenerator<Uint8Array> {
    if (section.start === section.end) return;
    const { limits, emit, memory, hashers } = this.#options;
    const manifest = await this.#manifest(name, chosen);
    const { holders, answers } = chosen;
    try {
      yield* readVerified(section, {
        ...{ manifest, holders, signal, from },
        sessions: this.#sessions,
        stalled: this.#stalled,
        hasher: hashers.for(section),
        ...{ memory, limits },
        failed: (node, error) => {
          const answer = answerOf(error);
          answers.set(node.id, answer);
          const kind = answer.kind === "corrupt" ? "lied" : "broke_off";
          const { cause } = answer;
          emit({ event: "node_trouble", node, kind, cause, out: true });
        },
      });
    } catch (error) {
      if (!(error instanceof NoHolderLeft)) throw error;
      signal.throwIfAborted();
      this.#remembered.delete(`${chosen.group.content ?? ""} ${name}`);
      throw undelivered(name, chosen);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
    await this.#peers[Symbol.asyncDispose]();
  }
}

/** A version together with its node: another node may use the same version. */
function versionOf({ offers: [offer] }: ContentGroup): string {
  return offer === undefined ? "" : `${offer.node}.${offer.version}`;
}
