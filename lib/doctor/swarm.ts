/**
 * Examines whether other clients of a swarm can fetch from this one: whether
 * the relay accepts it as a holder, and can dial its port. The doctor is listed
 * for a moment, for a content that nobody has, and serves nothing.
 *
 * @module
 */

import { ANY_HOST } from "../base/address.ts";
import { within } from "../base/waiting.ts";
import { createIdentity } from "../identity/identity.ts";
import { HolderServer } from "../swarm/holder.ts";
import { type HolderEvent, HolderLease } from "../uplink/holder_lease.ts";
import type { Findings } from "./check.ts";
import { openPort } from "./port.ts";
import type { ExaminationOptions, MetRelay } from "./relay.ts";

/** Runs the examination. Adds one check, `swarm`. */
export async function checkSwarm(
  { session: { isPrivate }, dialer }: MetRelay,
  { options, findings }: { options: ExaminationOptions; findings: Findings },
): Promise<void> {
  const { limits, plaintext, signal } = options;
  const identity = await createIdentity();
  const at = { host: ANY_HOST, port: 0 };
  const open = () =>
    HolderServer.open({ identity, plaintext, at, limits, isPrivate });
  // A holder of nothing.
  await using holder = await openPort(open, findings, {
    check: "swarm",
    what: "Cannot open a port to serve files",
    at,
  });
  if (holder === undefined) return;
  const outcome = Promise.withResolvers<HolderEvent>();
  await using lease = new HolderLease({
    dialer,
    serving: {
      identity,
      addressesFrom: (local) => [
        { host: local.host, port: holder.address.port },
      ],
    },
    limits,
    onEvent: (event) => {
      if (event.event !== "holder_listed") outcome.resolve(event);
    },
  });
  lease.hold(crypto.getRandomValues(new Uint8Array(32)).toHex());
  // The relay dials for up to `reachMs`, and is asked again at that interval.
  const reported = await within(outcome.promise, 5 * limits.reachMs, signal);
  report(reported, { port: holder.address.port, findings });
}

function report(
  reported: HolderEvent | undefined,
  { port, findings }: { port: number; findings: Findings },
): void {
  switch (reported?.event) {
    case undefined:
      return findings.warn(
        "swarm",
        "the relay did not try to dial this machine: it is busy",
        "run it again in a few seconds",
      );
    case "holder_refused":
      return findings.warn(
        "swarm",
        `this machine cannot serve others: ${reported.why}`,
        "until then, files come only from nodes",
      );
    case "holder_reached":
      if (reported.outcome === "alive") {
        return findings.ok(
          "swarm",
          `the relay can dial this machine, at port ${port} for now: it can serve others`,
        );
      }
      return findings.warn(
        "swarm",
        "the relay cannot dial this machine: it serves only machines that " +
          "it can dial itself",
        "let deno accept connections in the firewall",
      );
  }
}
