/**
 * How a node or a client reaches its relay: it learns the relay's certificate,
 * pins it, and says hello. It remembers the relay in memory for the next
 * connection, and in a file if one is given.
 *
 * @module
 */

import type { RelayAddress } from "../base/address.ts";
import { Channel } from "../protocol/channel.ts";
import { type Conn, type Endpoint, formatEndpoint } from "../base/conn.ts";
import {
  Failure,
  isBug,
  isEnded,
  isHangUp,
  ProtocolError,
} from "../base/errors.ts";
import { type Access, credentialsFor } from "../access/credentials.ts";
import { greet } from "../protocol/hello.ts";
import { certificateId, certificateTimes } from "../identity/identity.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import type { Limits } from "../base/limits.ts";
import type { Hello } from "../protocol/messages.ts";
import { show } from "../base/text.ts";
import { dial, type PeerIdentity } from "../transport/dial.ts";
import { dialToLearn } from "../transport/learn.ts";
import { whenAdmitted } from "../transport/admission_retry.ts";
import {
  ClockFailure,
  failureToReach,
  isNode,
  notItself,
  OutdatedFailure,
  refusedBy,
} from "./relay_failures.ts";
import { isEarlier, isVersion, VERSION } from "../base/version.ts";

/** Events of a connection to a relay. */
export type RelayDialEvent =
  /** The relay's id was not given; `id` is the one that it proved. */
  | { event: "relay_unverified"; relay: string; id: string }
  /** The first connection to a relay, whose id was stored. */
  | { event: "relay_remembered"; relay: string; id: string; path: string }
  /** The relay at this address has another id than before. */
  | { event: "relay_changed"; relay: string; id: string; previousId: string }
  /** A client has a token, and the relay admits everybody. Reported once. */
  | { event: "relay_open"; relay: string }
  /** The relay's message of the day: text from a stranger. Reported once. */
  | { event: "relay_motd"; relay: string; text: string }
  /** The relay runs another version of this program. Reported once. */
  | {
    event: "relay_version_differs";
    relay: string;
    version: string;
    ownVersion: string;
  };

/** Options of {@linkcode RelayDialer}. */
export interface RelayDialerOptions {
  /** The role of this end. */
  readonly role: "node" | "client";
  /** Whether to connect without encryption. */
  readonly plaintext: boolean;
  /** The credentials for a private relay. */
  readonly access?: Access;
  /** Relays met before, and the file to remember new ones in. */
  readonly knownRelays?: KnownRelays | undefined;
  /** The numbers that bound what the relay can cause. */
  readonly limits: Limits;
  readonly onEvent: (event: RelayDialEvent) => void;
}

/** A relay after its hello. The caller closes the channel. */
export interface RelaySession {
  /** The channel to the relay. */
  readonly channel: Channel;
  /** The relay's id. */
  readonly id: string;
  /** Whether it serves only peers with a token or a link. */
  readonly isPrivate: boolean;
  /** Whether the connection is encrypted. */
  readonly isEncrypted: boolean;
  /** The relay's nonce, which a registration signs. */
  readonly nonce: string;
  /** The relay's greeting for people; text from a stranger. */
  readonly greeting: string;
  /** The ports for tunnels, cheapest first; empty if the relay offers none. */
  readonly entrances: readonly Endpoint[];
  /** The relay's whole hello. */
  readonly hello: Hello;
  /**
   * The relay's time, in milliseconds since 1970, when the monotonic clock of
   * this process was at 0; `undefined` if the relay does not tell its time.
   */
  readonly zeroUnixMs?: number | undefined;
}

/**
 * The same as of now, if the relay has given its `time` again: its clock may have
 * been set since its hello.
 */
export function zeroUnixMsOf(
  { zeroUnixMs }: Pick<RelaySession, "zeroUnixMs">,
  time: number | undefined,
): number | undefined {
  return time === undefined ? zeroUnixMs : time - performance.now();
}

/** Connects to one relay, any number of times. */
export class RelayDialer {
  readonly relay: RelayAddress;
  readonly #options: RelayDialerOptions;
  #peer: PeerIdentity | null = null;
  #metId: string | null = null;
  #reportedMotd = "";
  #reportedVersion = VERSION;
  #isOpenReported = false;

  /**
   * Does not dial yet.
   *
   * @throws {Failure} of kind `usage` for an address with an id but without
   * encryption.
   */
  constructor(relay: RelayAddress, options: RelayDialerOptions) {
    if (options.plaintext && relay.id !== undefined) {
      throw new Failure("usage", {
        what: "Cannot use plaintext",
        where: formatEndpoint(relay),
        why: "a relay address with an id requires encryption",
        remedyCode: "encrypt_or_no_id",
      });
    }
    this.relay = relay;
    this.#options = options;
  }

  /**
   * Reaches the same relay at another address, that of one of its instances:
   * the one that answers there must have the id that this one has met.
   */
  at(endpoint: Endpoint): RelayDialer {
    const { plaintext, knownRelays: _, ...options } = this.#options;
    const connectMs = options.limits.instanceConnectMs;
    // One attempt: the relay's own address leads there too.
    const limits = { ...options.limits, connectMs, turnedAwayMs: 0 };
    const id = this.relay.id ?? this.#metId;
    const relay = plaintext || id === null ? endpoint : { ...endpoint, id };
    return new RelayDialer(relay, { ...options, plaintext, limits });
  }

  /** The credentials for a private relay. */
  get access(): Access {
    return this.#options.access ?? {};
  }

  /**
   * Connects and says hello. The session ends when the relay is silent for
   * `idleMs`. By default that is the time that a handshake may take. A client
   * that is refused for lack of room tries again for a while; a node has its
   * own pace.
   *
   * @throws {Failure} of kind `relay`, for any cause.
   */
  async open(
    signal?: AbortSignal,
    { idleMs = this.#options.limits.handshakeMs } = {},
  ): Promise<RelaySession> {
    const { role, limits } = this.#options;
    const attempt = () => this.#open({ signal, idleMs });
    try {
      return role === "node" ? await attempt() : await whenAdmitted(attempt, {
        limits,
        signal,
        isTurnedAway: (error) =>
          isHangUp(error) || (this.#isItself() && isEnded(error)),
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (isBug(error)) throw error;
      throw failureToReach(this.relay, error, this.#options);
    }
  }

  /**
   * Whether the relay has proved an id that was expected of it. One that then
   * ends the connection before its hello is busy; another program that does so
   * is not the relay, however often it is asked.
   */
  #isItself(): boolean {
    if (this.#peer === null) return false;
    if (this.relay.id !== undefined || this.#metId !== null) return true;
    const { knownRelays } = this.#options;
    return knownRelays?.compare(this.relay, this.#peer.id).kind === "same";
  }

  async #open(
    { signal, idleMs }: { signal: AbortSignal | undefined; idleMs: number },
  ): Promise<RelaySession> {
    const met = this.#options.plaintext
      ? { conn: await this.#dial(null, signal), id: null }
      : await this.#dialPinned(signal);
    try {
      const session = await this.#greet(met, { signal, idleMs });
      if (met.id !== null) await this.#meet(met.id);
      this.#heed(session.hello);
      return session;
    } catch (error) {
      met.conn.close();
      throw error;
    }
  }

  #dial(
    peer: PeerIdentity | null,
    signal: AbortSignal | undefined,
  ): Promise<Conn> {
    const timeoutMs = this.#options.limits.connectMs;
    return dial(this.relay, { peer, timeoutMs, signal });
  }

  /**
   * Dials with the certificate met before; if there is none, learns it with the
   * same connection.
   */
  async #dialPinned(
    signal: AbortSignal | undefined,
  ): Promise<{ conn: Conn; id: string }> {
    const known = this.#peer;
    if (known !== null) {
      try {
        return { conn: await this.#dial(known, signal), id: known.id };
      } catch (error) {
        const code = error instanceof ProtocolError ? error.code : undefined;
        // A TLS dial that is given up leaves its socket open (Deno 2.9.6). From
        // now on this relay is dialled in a way that closes it.
        if (code === "timed_out") this.#peer = null;
        if (code !== "identity_mismatch") throw error;
        this.#peer = null; // the relay restarted with another certificate
      }
    }
    const { certificate, conn } = await dialToLearn(this.relay, {
      timeoutMs: this.#options.limits.connectMs,
      signal,
    });
    try {
      const id = certificateId(certificate);
      if (id === undefined) {
        throw new ProtocolError(
          "wrong_service",
          "Cannot verify relay: its certificate is not of a P-256 key",
        );
      }
      this.#verify(id);
      this.#requireInTime(certificate);
      this.#peer = { id, certificate };
      return { conn, id };
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** Throws if the relay must not have this `id`. */
  #verify(id: string): void {
    const expected = this.relay.id;
    if (expected !== undefined) {
      if (expected === id) return; // the user named it: no file overrules that
      throw notItself(
        this.relay,
        { expected, found: id, why: "the relay address names another" },
        "use its new relay address",
      );
    }
    const { knownRelays } = this.#options;
    const met = knownRelays?.compare(this.relay, id);
    if (met?.kind === "changed") throw this.#notTheKnown(met.knownId, id);
  }

  #notTheKnown(expected: string, found: string): Failure {
    const path = show(this.#options.knownRelays?.path ?? "");
    return notItself(
      this.relay,
      { expected, found, why: `${path} remembers another` },
      `remove its line from ${path}`,
    );
  }

  /** A certificate outside of its period means that a clock is wrong. */
  #requireInTime(certificate: Uint8Array): void {
    const { from, to } = certificateTimes(certificate);
    const now = Date.now();
    if (now >= from && now <= to) return;
    const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
    throw new ClockFailure("relay", {
      what: "Cannot trust relay",
      where: formatEndpoint(this.relay),
      why: `its certificate is valid from ${day(from)} to ${
        day(to)
      }, and the date here is ${day(now)}`,
      remedy: "set this machine's clock, or the relay's",
    });
  }

  /**
   * Remembers the relay, and reports what is new about it. What the file
   * remembers already stays: a relay address may come from a stranger.
   */
  async #meet(id: string): Promise<void> {
    const { knownRelays, onEvent } = this.#options;
    const relay = formatEndpoint(this.relay);
    const isNamed = this.relay.id !== undefined;
    const compared = knownRelays?.compare(this.relay, id);
    const acquaintance = compared?.kind === "unknown"
      ? await knownRelays!.remember(this.relay, id)
      : compared;
    if (acquaintance?.kind === "changed" && !isNamed) {
      throw this.#notTheKnown(acquaintance.knownId, id);
    }
    const previousId = this.#metId;
    this.#metId = id;
    if (previousId === id) return;
    if (previousId !== null) {
      onEvent({ event: "relay_changed", relay, id, previousId });
    } else if (!isNamed && acquaintance === undefined) {
      onEvent({ event: "relay_unverified", relay, id });
    } else if (!isNamed && acquaintance?.kind === "unknown") {
      onEvent({
        event: "relay_remembered",
        relay,
        id,
        path: knownRelays!.path,
      });
    }
  }

  /**
   * Passes on the relay's announcements. Throws if it requires a later version.
   */
  #heed({ motd = "", minVersion = "", version = VERSION }: Hello): void {
    if (version !== this.#reportedVersion) {
      this.#reportedVersion = version;
      this.#options.onEvent({
        event: "relay_version_differs",
        relay: formatEndpoint(this.relay),
        version,
        ownVersion: VERSION,
      });
    }
    if (motd !== "" && motd !== this.#reportedMotd) {
      const relay = formatEndpoint(this.relay);
      this.#options.onEvent({ event: "relay_motd", relay, text: motd });
      this.#reportedMotd = motd;
    }
    if (!isVersion(minVersion) || !isEarlier(VERSION, minVersion)) return;
    throw new OutdatedFailure("relay", {
      what: "Cannot use relay",
      where: formatEndpoint(this.relay),
      why: `it requires version ${minVersion} or later, and this is ${VERSION}`,
      remedy: "update relay-p2p here",
    });
  }

  async #greet(
    met: { conn: Conn; id: string | null },
    { signal, idleMs }: { signal: AbortSignal | undefined; idleMs: number },
  ): Promise<RelaySession> {
    const { limits, role } = this.#options;
    const channel = new Channel(met.conn, {
      limits,
      writeStallMs: limits.controlWriteStallMs,
      idleMs,
    });
    using _signal = channel.endOn(signal);
    // One deadline for all of it; trickling bytes do not extend it.
    using _deadline = channel.endOn(AbortSignal.timeout(limits.handshakeMs));
    const outcome = await greet(channel, { role });
    if (outcome.kind === "refused") {
      throw refusedBy(this.relay, outcome);
    }
    const { id, nonce, greeting, tunnelPort, time } = outcome.hello;
    const { private: isPrivate = false } = outcome.hello;
    if (outcome.hello.role === "node") throw isNode(this.relay);
    if (
      outcome.hello.role !== "relay" || id === undefined || nonce === undefined
    ) {
      throw new ProtocolError(
        "wrong_service",
        "Cannot greet relay: it is not a relay",
      );
    }
    if (met.id !== null && id !== met.id) {
      throw new ProtocolError(
        "bad_message",
        "Cannot greet relay: its claimed id differs from the id that it proved",
      );
    }
    const credentials = credentialsFor({ isPrivate, id, nonce }, {
      role,
      access: this.access,
      where: formatEndpoint(this.relay),
    });
    if (
      !isPrivate && this.access.token !== undefined && !this.#isOpenReported
    ) {
      this.#isOpenReported = true;
      const relay = formatEndpoint(this.relay);
      this.#options.onEvent({ event: "relay_open", relay });
    }
    // These are sent without waiting, because they have no answer.
    if (credentials !== undefined) await channel.send(credentials);
    return {
      channel,
      id,
      isPrivate,
      isEncrypted: !this.#options.plaintext,
      nonce,
      hello: outcome.hello,
      zeroUnixMs: time === undefined ? undefined : time - performance.now(),
      greeting: greeting ?? "",
      entrances: tunnelPort === undefined ? [] : this.#entrances(tunnelPort),
    };
  }

  /**
   * A firewall may block the second port; the relay's own port has just worked.
   */
  #entrances(tunnelPort: number): Endpoint[] {
    const { host, port } = this.relay;
    const cheap = { host, port: tunnelPort };
    return this.#options.plaintext ? [cheap] : [cheap, { host, port }];
  }
}
