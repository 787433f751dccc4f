/**
 * Keeps a node listed at each of its relays. The registrations are independent:
 * a relay that is down or refuses does not affect the others.
 *
 * @module
 */

import type { GivenKeys } from "../access/gate.ts";
import type { FurtherRelay } from "../access/further_relay.ts";
import type { RelayAddress } from "../base/address.ts";
import { Failure } from "../base/errors.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import { RelayDialer, type RelayDialEvent } from "../uplink/relay_dialer.ts";
import {
  keepRegistered,
  type RegistrarEvent,
  type RegistrarOptions,
} from "./registrar.ts";

/** Options of {@linkcode Registrations}. */
export interface RegistrationsOptions {
  readonly relays: readonly FurtherRelay[];
  readonly plaintext: boolean;
  readonly knownRelays: KnownRelays | undefined;
  readonly limits: RegistrarOptions["limits"];
  readonly onEvent: (event: RegistrarEvent | RelayDialEvent) => void;
}

/** The options of a registration that depend on its relay. */
export type AtRelay = Pick<
  RegistrarOptions,
  "addressesFrom" | "onConnected" | "index"
>;

/** The options that all registrations share. */
export type Registered =
  & Omit<
    RegistrarOptions,
    | ("dialer" | "token" | "limits" | "onEvent" | "onGrantKeys")
    | keyof AtRelay
  >
  & {
    /** Called with the grant keys of all private relays. */
    readonly onGrantKeys?: (given: Iterable<GivenKeys>) => void;
    /** Called once for each relay. */
    readonly at: (relay: RelayAddress) => AtRelay;
  };

/** The registrations of a node. */
export class Registrations {
  readonly #dialers: readonly RelayDialer[];
  readonly #options: RegistrationsOptions;
  /** The grant keys of each relay. */
  readonly #keys = new Map<RelayDialer, GivenKeys>();

  /**
   * Does not connect yet.
   *
   * @throws {Failure} of kind `usage` if there are tokens for some relays only:
   * clients of an open relay have no grants, and would be refused.
   */
  constructor(options: RegistrationsOptions) {
    const { relays, plaintext, knownRelays, limits, onEvent } = options;
    const withToken = relays.filter(({ token }) => token !== undefined);
    if (withToken.length > 0 && withToken.length < relays.length) {
      throw new Failure("usage", {
        what: "Cannot use relays",
        why:
          "there are tokens for some of them only, and a node with a token " +
          "serves no client of an open relay",
        remedy: "give a token for each relay, or for none",
      });
    }
    this.#options = options;
    this.#dialers = relays.map(({ address, token }) =>
      new RelayDialer(address, {
        role: "node",
        access: { token },
        ...{ plaintext, knownRelays, limits, onEvent },
      })
    );
  }

  /** Whether clients must show grants. */
  get arePrivate(): boolean {
    return this.#options.relays.some(({ token }) => token !== undefined);
  }

  /** Runs all of them until the signal is aborted, and then withdraws. */
  async run({ at, onGrantKeys, ...common }: Registered): Promise<void> {
    const { relays, limits, onEvent } = this.#options;
    await Promise.all(this.#dialers.map((dialer, n) =>
      keepRegistered({
        ...{ ...common, dialer, limits, onEvent },
        ...at(dialer.relay),
        token: relays[n]!.token,
        onGrantKeys: (given) => {
          this.#keys.set(dialer, given);
          onGrantKeys?.(this.#keys.values());
        },
      })
    ));
  }
}
