/**
 * The text of a link: asks each of its relays for a pass.
 *
 * @module
 */

import { accessFailure } from "../access/credentials.ts";
import {
  formatLink,
  type Link,
  type LinkRelay,
  SENDER_LENGTH,
} from "../access/link.ts";
import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure, isBug } from "../base/errors.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import { show } from "../base/text.ts";
import { DIRECTION, type RelayToClient } from "../protocol/messages.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import type { ClientEvent } from "./events.ts";

/** Options of {@linkcode linkText}. */
export interface LinkTextOptions {
  /** Name of the file, as its node shares it. */
  readonly name: string;
  /** Content id of the file. */
  readonly content: string;
  /** Id of the node that waits until all of the file was fetched from it. */
  readonly waiting?: string;
  /** How long the link stays valid, in seconds; by default an hour. */
  readonly expiresSeconds?: number;
  /** How many fetches it allows; by default one. */
  readonly uses?: number;
  /** Numbers that replace those of `limits.ts`. */
  readonly limits?: Partial<Limits>;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ClientEvent) => void;
}

/** The text of a link. */
export interface LinkText {
  /** The link. It is a secret if a relay is private. */
  readonly text: string;
  /** Whether all its relays enforce its time and number of fetches. */
  readonly isHeld: boolean;
  /** The relays that it names. */
  readonly relays: readonly Required<RelayAddress>[];
  /** Relays that it does not name, because it would be too long. */
  readonly leftOut: readonly Required<RelayAddress>[];
}

/**
 * Makes a link that names these relays. If one of several relays makes no pass,
 * it is left out and reported.
 *
 * @throws {Failure} of the first relay if none makes a pass; of kind `usage` if
 * the name is too long.
 */
export async function linkText(
  dialers: readonly RelayDialer[],
  options: LinkTextOptions,
): Promise<LinkText> {
  const { name, content, waiting, signal, onEvent } = options;
  const passes = await Promise.all(
    dialers.map((dialer) => passOf(dialer, options)),
  );
  signal?.throwIfAborted();
  const relays = passes.flatMap((made) =>
    made instanceof Failure ? [] : [made]
  );
  const [first, ...others] = relays;
  if (first === undefined) throw passes[0];
  for (const [n, error] of passes.entries()) {
    if (!(error instanceof Failure)) continue;
    const relay = formatEndpoint(dialers[n]!.relay);
    onEvent?.({ event: "relay_failed", relay, error });
  }
  const { address: relay, pass } = first;
  const sender = waiting?.slice(0, SENDER_LENGTH);
  const { text, count } = fitting({
    ...{ relay, name, content, others },
    ...pass === undefined ? {} : { pass },
    ...sender === undefined ? {} : { sender },
  });
  return {
    text,
    isHeld: relays.every(({ pass }) => pass !== undefined),
    relays: relays.slice(0, count).map(({ address }) => address),
    leftOut: relays.slice(count).map(({ address }) => address),
  };
}

/** The link with as many of its relays as fit. */
function fitting(
  link: Link & { others: readonly LinkRelay[] },
): { text: string; count: number } {
  for (let count = link.others.length; count > 0; count--) {
    try {
      const text = formatLink({ ...link, others: link.others.slice(0, count) });
      return { text, count: count + 1 };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return { text: formatLink({ ...link, others: [] }), count: 1 };
}

/** A relay with its pass, or why it makes none. */
async function passOf(
  dialer: RelayDialer,
  { name, content, expiresSeconds = 3_600, uses = 1, limits, signal }:
    LinkTextOptions,
): Promise<LinkRelay | Failure> {
  const { relay: { host, port }, access } = dialer;
  const where = formatEndpoint({ host, port });
  let answer: RelayToClient | null;
  try {
    const session = await dialer.open(signal);
    await using channel = session.channel;
    using _end = channel.endOn(signal);
    // Messages that are skipped do not extend it.
    const { handshakeMs } = limitsWith(limits);
    using _late = channel.endOn(AbortSignal.timeout(handshakeMs));
    const address = { host, port, id: session.id };
    if (!session.isPrivate) return { address };
    await channel.send({ kind: "mint", name, content, expiresSeconds, uses });
    answer = await channel.receive(DIRECTION.relayToClient);
    if (answer?.kind === "minted") return { address, pass: answer.pass };
  } catch (error) {
    signal?.throwIfAborted();
    if (isBug(error)) throw error;
    return error instanceof Failure
      ? error
      : noLink(where, describeCause(error));
  }
  if (answer?.kind !== "refused") {
    return noLink(where, "the relay closed the connection");
  }
  return accessFailure(answer, { where, access }) ??
    noLink(where, `the relay refused: ${show(answer.text)}`);
}

function noLink(where: string, why: string): Failure {
  return new Failure("relay", { what: "Cannot make link", where, why });
}
