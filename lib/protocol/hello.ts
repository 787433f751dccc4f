/**
 * Hello: the first message on every conn, from both ends, with the protocol
 * version and the role.
 *
 * @module
 */

import type { Channel } from "./channel.ts";
import { isDisconnect, ProtocolError } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Hello, Message, MessageOf } from "./messages.ts";
import { isVersion, PROTOCOL_VERSION } from "../base/version.ts";

/** What a relay says to each peer about itself. */
export interface RelayNotices {
  /** A greeting for clients, at most 200 characters. */
  greeting?: string;
  /** Message of the day to clients and nodes, at most 200 characters. */
  motd?: string;
  /** Clients and nodes of an earlier version disconnect; `X.Y.Z`. */
  minVersion?: string;
}

/**
 * Checks a relay's announcement.
 *
 * @throws {RangeError} if a text is longer than `LIMITS.greetingCount`, or
 * the version is not a version.
 */
export function checkAnnouncement(announcement: RelayNotices): void {
  const { minVersion } = announcement;
  for (const what of ["greeting", "motd"] as const) {
    const { length } = announcement[what] ?? "";
    if (length > LIMITS.greetingCount) {
      throw new RangeError(
        `Cannot use ${what}: wanted at most ${LIMITS.greetingCount} characters, ` +
          `found ${length}`,
      );
    }
  }
  if (minVersion !== undefined && !isVersion(minVersion)) {
    throw new RangeError("Cannot use minVersion: wanted X.Y.Z");
  }
}

/** The part of a hello that depends on this end. */
export type Introduction = Omit<Hello, "kind" | "protocol">;

/** The other end's hello, or its refusal. */
export type GreetOutcome =
  | { readonly kind: "greeted"; readonly hello: Hello }
  | { readonly kind: "refused"; readonly code: string; readonly text: string };

/**
 * Says hello as the end that dialled. `first` is sent together with the hello,
 * which saves a round trip.
 *
 * @throws {ProtocolError} `unsupported_version`, `truncated`, or another fault
 * of the peer.
 */
export async function greet(
  channel: Channel,
  introduction: Introduction,
  ...first: Message[]
): Promise<GreetOutcome> {
  await channel.send(hello(introduction), ...first);
  const answer = await channel.receive(["hello", "refused"]);
  if (answer === null) {
    throw new ProtocolError(
      "truncated",
      "Cannot greet: the peer closed the connection",
    );
  }
  if (answer.kind === "refused") return answer;
  requireVersion(answer);
  channel.openUp();
  return { kind: "greeted", hello: answer };
}

/** Options of {@linkcode receivePeer}. */
export interface ReceptionOptions {
  /** This end's part of the hello. */
  readonly introduction: Introduction;
  /** Called after the peer's hello: the handshake is over. */
  readonly settle: () => void;
  /** Gets the peers that break the protocol. */
  readonly incidents: Incidents;
}

/**
 * Says hello as the end that was dialled, then runs `talk`. A peer that breaks
 * the protocol gets the code, if it still reads, and is counted.
 *
 * @returns what `talk` does; `undefined` if the peer disconnected or broke the
 * protocol.
 */
export function receivePeer<Result>(
  channel: Channel,
  options: ReceptionOptions,
  talk: (hello: Hello) => Promise<Result>,
): Promise<Result | undefined> {
  return reportFaults(channel, options.incidents, async () => {
    await channel.send(hello(options.introduction));
    const theirs = await channel.receive(["hello"]);
    if (theirs === null) return undefined;
    requireVersion(theirs);
    options.settle();
    channel.openUp();
    return await talk(theirs);
  });
}

/**
 * Waits for `work` with a peer. One that breaks the protocol gets the code, if it
 * still reads, and is counted.
 */
export async function reportFaults<Result>(
  channel: Channel,
  incidents: Incidents,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    incidents.refused(error.code, channel.conn.remote);
    await channel.send(refusal(error.code, error.message)).catch((failure) => {
      // The peer may be gone or not reading. The connection ends either way.
      if (!isDisconnect(failure) && !(failure instanceof ProtocolError)) {
        throw failure;
      }
    });
    return undefined;
  }
}

/** A refusal with its stable code; the text is cut to fit into a frame. */
export function refusal(
  code: string,
  text: string,
  request?: number,
): MessageOf<"refused"> {
  const to = request === undefined ? {} : { request };
  return { kind: "refused", code, text: text.slice(0, 300), ...to };
}

function hello(introduction: Introduction): Hello {
  return { kind: "hello", protocol: PROTOCOL_VERSION, ...introduction };
}

function requireVersion({ protocol }: Hello): void {
  if (protocol !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      "unsupported_version",
      `Cannot talk: protocol must be ${PROTOCOL_VERSION}, found ${protocol}`,
    );
  }
}
