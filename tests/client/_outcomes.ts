/**
 * Runs fetches to their end, and collects their outcomes.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import type { ClientEvent } from "../../lib/client/events.ts";
import {
  type FetchedFile,
  fetchFile,
  type FetchOptions,
} from "../../lib/client/fetch.ts";
import {
  getFiles,
  type GetOptions,
  type Selection,
} from "../../lib/client/get.ts";
import { Failure, type FailureKind } from "../../lib/base/errors.ts";
import { EventLog } from "../_event_log.ts";
import type { TestRelay } from "../_network.ts";

/** The event of a client when a node has answered. */
export type NodeAnswered = Extract<ClientEvent, { event: "node_answered" }>;

/** The events of a fetch or a get. */
export class ClientLog extends EventLog<ClientEvent> {
  /** What each node answered, by its number, in order. */
  get answers(): string[] {
    return this.of("node_answered").map(({ node, answer }) =>
      `${node.number} ${answer.kind}`
    );
  }

  /** The trouble that nodes gave, by their names. */
  get trouble(): string[] {
    return this.of("node_trouble").map(({ node, kind, out }) =>
      `${node.name} ${kind}${out ? ", out" : ""}`
    );
  }

  /** Bytes that came for a file, by the name of the node they came from. */
  bytesFrom(name: string): Record<string, number> {
    const received = this.of("file_received").find((event) =>
      event.name === name
    );
    const pairs = received?.from.map(({ node, bytes }) => [node.name, bytes]);
    return Object.fromEntries(pairs ?? []);
  }

  /** All events of one name. */
  of<Name extends ClientEvent["event"]>(
    name: Name,
  ): Extract<ClientEvent, { event: Name }>[] {
    return this.events.filter((event) => event.event === name) as Extract<
      ClientEvent,
      { event: Name }
    >[];
  }
}

/**
 * The relay as a client names it when it pins its id: one dial for each
 * request.
 */
export function pinned(relay: TestRelay) {
  return { ...relay.server.address, id: relay.identity.id };
}

/** How a fetch went. */
export interface FetchOutcome {
  readonly content: Uint8Array | null;
  readonly kind: FailureKind | null;
  readonly message: string;
  readonly log: ClientLog;
}

/** The whole content, each part copied before the next is asked for. */
export async function contentOf(
  file: FetchedFile,
  onPart: () => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of file.pieces()) {
    parts.push(piece.slice());
    onPart();
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Options of {@linkcode fetch}. */
export interface FetchTestOptions extends Partial<FetchOptions> {
  /** Hears of each part that is given out. */
  onPart?: () => void;
}

/** Fetches a file as a stream. */
export async function fetch(
  relay: TestRelay,
  name: string,
  { onPart, ...options }: FetchTestOptions = {},
): Promise<FetchOutcome> {
  const log = new ClientLog();
  try {
    await using file = await fetchFile({
      relay: pinned(relay),
      name,
      onEvent: log.onEvent,
      ...options,
    });
    const content = await contentOf(file, onPart);
    return { content, kind: null, message: "", log };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { content: null, kind: error.kind, message: error.message, log };
  }
}

/** How a get went. */
export interface GetOutcome {
  /** Paths by name. */
  readonly saved: Record<string, string>;
  /** Kinds of failure by name. */
  readonly failed: Record<string, FailureKind>;
  /** What ended all of it. */
  readonly error: unknown;
  readonly log: ClientLog;
}

/** Options of {@linkcode get}. */
export interface GetTestOptions extends Partial<GetOptions> {
  /** Hears of events as well. */
  log?: ClientLog;
}

/** Gets files, by names or selections, into a folder, with their own folders. */
export async function get(
  relay: TestRelay,
  folder: string,
  wanted: readonly (string | Selection)[],
  options: GetTestOptions = {},
): Promise<GetOutcome> {
  const { log = new ClientLog(), ...rest } = options;
  try {
    const { saved, failed } = await getFiles({
      relay: pinned(relay),
      selections: wanted.map((one) =>
        typeof one === "string" ? { kind: "name", name: one } : one
      ),
      pathOf: (name) => `${folder}/${name}`,
      onEvent: log.onEvent,
      ...rest,
    });
    const kinds = [...failed].map(([name, { kind }]) => [name, kind] as const);
    return {
      saved: Object.fromEntries(saved),
      failed: Object.fromEntries(kinds),
      error: undefined,
      log,
    };
  } catch (error) {
    return { saved: {}, failed: {}, error, log };
  }
}

/** Asserts that bytes are equal, without printing millions of them. */
export function assertBytes(
  found: Uint8Array | null | undefined,
  wanted: Uint8Array,
): void {
  assertEquals(found?.length, wanted.length, "length of the content");
  if (Buffer.compare(found!, wanted) === 0) return;
  const at = wanted.findIndex((byte, index) => byte !== found?.[index]);
  assertEquals(at, -1, "first byte that differs");
}

/** Every file whose name begins with `prefix`. */
export function everything(prefix = ""): Selection {
  const matches = (name: string) => name.startsWith(prefix);
  return { kind: "matching", pattern: `${prefix}**`, prefix, matches };
}

/** Names of all files in a folder and below it. */
export function filesIn(folder: string): string[] {
  const below = (path: string): string[] =>
    [...Deno.readDirSync(`${folder}/${path}`)].flatMap((entry) =>
      entry.isDirectory
        ? below(`${path}${entry.name}/`)
        : [`${path}${entry.name}`]
    );
  return below("").toSorted();
}
