/**
 * The file next to that of `--known-relays`, with the nodes that the relays
 * have listed: they can be dialled while no relay answers. What it holds is
 * checked like a relay's answer. A failure here never ends a command: the list
 * is only missing later.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { isGranted } from "../base/permission.ts";
import { openRegular } from "../base/regular_file.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import { openRegistration } from "../protocol/signed_record.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import {
  formatKept,
  isKept,
  type KeptListing,
  type KeptNode,
  parseKept,
  recordOf,
  withListing,
} from "./kept_nodes.ts";
import { mergeNodes } from "./merged_nodes.ts";
import { type ListedNode, listedNode } from "./nodes.ts";

/** Nodes that can be dialled without a relay. */
export interface NodesKnown {
  readonly nodes: readonly ListedNode[];
  /** Id of the relay of the first. */
  readonly relayId: string;
  /** Nodes that would refuse, because their grants have ended. */
  readonly endedCount: number;
  /** Seconds since a relay last listed one of them. */
  readonly seconds: number;
}

/** Options of {@linkcode KnownNodes}. */
export interface KnownNodesOptions {
  readonly limits: Limits;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A relay, and the credentials for it. */
type Dialer = Pick<RelayDialer, "relay" | "access">;

/** Remembers nodes between runs. */
export class KnownNodes {
  readonly #path: string;
  readonly #relays: KnownRelays;
  readonly #limits: KnownNodesOptions["limits"];
  readonly #now: () => number;
  #learned: KeptListing[] = [];

  /** Reads and writes nothing yet. */
  constructor(
    relays: KnownRelays,
    { limits, now = Date.now }: KnownNodesOptions,
  ) {
    this.#path = `${relays.path}.nodes`;
    this.#relays = relays;
    this.#limits = limits;
    this.#now = now;
  }

  /** Notes what a relay has listed; {@linkcode KnownNodes.keep} writes it. */
  learn(
    dialer: Dialer,
    listing: Pick<KeptListing, "relayId" | "nodes" | "isWhole">,
  ): void {
    const at = Math.floor(this.#now() / 1000);
    const withGrants = hasToken(dialer);
    const relay = keyOf(dialer.relay);
    this.#learned.push({ ...listing, relay, withGrants, at });
  }

  /**
   * Writes what was learned, if this process may: all at once, readable by its
   * owner alone. Does not wait for another process that writes at this moment.
   */
  async keep(): Promise<void> {
    const learned = this.#learned.splice(0);
    const temporary = `${this.#path}.new`;
    if (learned.length === 0 || !mayUse(this.#path, temporary)) return;
    try {
      let kept = await this.#read();
      if (learned.every((listing) => isKept(kept, listing, this.#limits))) {
        return;
      }
      for (const listing of learned) {
        kept = withListing(kept, listing, this.#limits);
      }
      const text = formatKept(kept, this.#limits);
      await replace(this.#path, { temporary, text });
    } catch (error) {
      if (isBug(error)) throw error;
    }
  }

  /**
   * The nodes that these relays have listed: those with a valid signature, made
   * for the relay that has this address now.
   */
  async of(dialers: readonly Dialer[]): Promise<NodesKnown> {
    const now = this.#now() / 1000;
    const ended = new Set<string>();
    const found: ListedNode[] = [];
    let [at, relayId] = [0, ""];
    for (const kept of await this.#read()) {
      const dialer = dialers.find((one) => this.#isOf(one, kept));
      const age = Math.max(0, now - kept.at);
      if (dialer === undefined || age > this.#limits.knownNodesMs / 1000) {
        continue;
      }
      const node = await opened(kept);
      if (node === undefined) continue;
      at = Math.max(at, kept.at);
      const { grant } = kept;
      if (grant !== undefined && age >= this.#limits.grantSeconds) {
        ended.add(node.id);
        continue;
      }
      if (found.length === 0) relayId = kept.relayId;
      const listedAt = performance.now() - age * 1000;
      found.push({
        ...node,
        ...grant === undefined || !hasToken(dialer)
          ? {}
          : { grant: { text: grant, listedAt } },
        ...dialers.length === 1 ? {} : { relay: formatEndpoint(dialer.relay) },
      });
    }
    const nodes = mergeNodes(found);
    for (const { id } of nodes) ended.delete(id);
    const seconds = Math.max(0, Math.round(now - at));
    return { nodes, relayId, endedCount: ended.size, seconds };
  }

  /** Whether a node was listed by the relay that has this address now. */
  #isOf({ relay }: Dialer, { relay: key, relayId }: KeptNode): boolean {
    if (keyOf(relay) !== key) return false;
    return relay.id === undefined
      ? this.#relays.compare(relay, relayId).kind === "same"
      : relay.id === relayId;
  }

  /** None if the file is not there, or if others may have written it. */
  async #read(): Promise<KeptNode[]> {
    if (!isGranted({ name: "read", path: this.#path })) return [];
    try {
      using file = await openRegular(this.#path, { follow: false });
      const { mode, size } = await file.stat();
      if (isOpen(mode) || size > this.#limits.knownNodesBytes) return [];
      return parseKept(await new Response(file.readable).text());
    } catch (error) {
      if (isBug(error)) throw error;
      return [];
    }
  }
}

/** The node, if it signed that record for that relay. */
async function opened(kept: KeptNode): Promise<ListedNode | undefined> {
  const signed = recordOf(kept);
  const { kind } = await openRegistration(signed);
  const node = kind === "refused"
    ? undefined
    : listedNode(signed, kept.relayId, 1);
  return node?.id === kept.node ? node : undefined;
}

/** Only the owner of a token can use the grants that it got. */
function hasToken({ access }: Dialer): boolean {
  return access.token !== undefined;
}

function keyOf(relay: Endpoint): string {
  return formatEndpoint(relay).toLowerCase();
}

function mayUse(...paths: readonly string[]): boolean {
  return paths.every((path) =>
    isGranted({ name: "read", path }) && isGranted({ name: "write", path })
  );
}

function isOpen(mode: number | null): boolean {
  return mode !== null && (mode & 0o077) !== 0;
}

/** Replaces the text of a file, unless another process does so now. */
async function replace(
  path: string,
  { temporary, text }: { temporary: string; text: string },
): Promise<void> {
  using file = await openNew(temporary);
  // Ends with the process, so that a process that dies delays no other.
  if (!await file.tryLock(true)) return;
  const { ino, mode } = await file.stat();
  if ((await Deno.lstat(temporary)).ino !== ino) return; // in its place by now
  if (isOpen(mode)) return await Deno.remove(temporary);
  await file.truncate();
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
  await Deno.rename(temporary, path);
}

/** A file of that name, perhaps left by a process that died. */
async function openNew(path: string): Promise<Deno.FsFile> {
  try {
    const options = { createNew: true, write: true, mode: 0o600 };
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return await openRegular(path, { write: true, follow: false });
  }
}
