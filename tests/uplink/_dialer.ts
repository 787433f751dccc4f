/** Dialers, and what comes of them. */

import { assertEquals, assertRejects } from "@std/assert";
import type { RelayAddress } from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import type { KnownRelays } from "../../lib/identity/known_relays.ts";
import {
  RelayDialer,
  type RelayDialEvent,
} from "../../lib/uplink/relay_dialer.ts";

/** A dialer to a relay. */
export function dialerTo(
  relay: RelayAddress,
  options: {
    role?: "node" | "client";
    plaintext?: boolean;
    knownRelays?: KnownRelays;
    events?: RelayDialEvent[];
    timeoutMs?: number;
    limits?: Limits;
  } = {},
): RelayDialer {
  const ms = options.timeoutMs;
  return new RelayDialer(relay, {
    role: options.role ?? "client",
    plaintext: options.plaintext ?? false,
    knownRelays: options.knownRelays,
    limits: options.limits ??
      (ms === undefined ? LIMITS : limitsWith(allAfter(ms))),
    onEvent: (event) => options.events?.push(event),
  });
}

/** Each limit that ends an attempt. */
export function allAfter(ms: number): Partial<Limits> {
  return { connectMs: ms, handshakeMs: ms, turnedAwayMs: ms };
}

/** Opens and closes a session; returns the relay's id. */
export async function openOnce(dialer: RelayDialer): Promise<string> {
  const session = await dialer.open();
  await session.channel.close();
  return session.id;
}

/** The failure of a dialer that cannot open a session. */
export async function failureOf(dialer: RelayDialer): Promise<Failure> {
  const failure = await assertRejects(() => openOnce(dialer), Failure);
  assertEquals(failure.kind, "relay");
  assertEquals(failure.message.includes("\n"), false);
  return failure;
}
