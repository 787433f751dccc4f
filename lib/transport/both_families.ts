/**
 * Listens at all addresses of this machine, of IPv4 and IPv6, at one port.
 *
 * Deno leaves it to the system whether a socket at `::` takes IPv4 too. Linux
 * does that by default, and also with IPv6 turned off by sysctl; Windows and
 * Linux with `net.ipv6.bindv6only` need a second socket. A kernel without IPv6
 * has no such socket at all.
 *
 * @module
 */

import { ANY_HOST } from "../base/address.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { isShortage, systemErrorCode } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { isGranted } from "../base/permission.ts";

const ANY_IPV4 = "0.0.0.0";

/** Something that listens. */
interface Listening {
  /** The address that it listens at. */
  readonly address: Endpoint;
  /** Stops it. */
  stop(): void;
}

/** How the system serves both IPv4 and IPv6. */
export type Families = "one socket" | "two sockets" | "no IPv6";

/**
 * Listens by `open`: at both families if the host is {@linkcode ANY_HOST} and
 * the system has both, otherwise at IPv4 only; at any other host as it is.
 *
 * @throws what `open` throws.
 */
export async function listenAtBoth<Server extends Listening>(
  at: Endpoint,
  open: (at: Endpoint) => Server | Promise<Server>,
  familiesOf: (port: number) => Families = familiesHere,
): Promise<Listening> {
  if (at.host !== ANY_HOST) return await open(at);
  switch (familiesOf(at.port)) {
    case "one socket":
      return await open(at);
    case "no IPv6":
      return await open({ ...at, host: ANY_IPV4 });
    case "two sockets":
      return await openBoth(at, open);
  }
}

/** Opens two sockets at one port. The system picks a port for one of them. */
async function openBoth<Server extends Listening>(
  at: Endpoint,
  open: (at: Endpoint) => Server | Promise<Server>,
): Promise<Listening> {
  for (let attempts = 1;; attempts++) {
    const first = await open(at);
    const { address } = first;
    try {
      const second = await open({ host: ANY_IPV4, port: address.port });
      const stop = () => {
        first.stop();
        second.stop();
      };
      return { address, stop };
    } catch (error) {
      first.stop();
      const isTaken = error instanceof Deno.errors.AddrInUse ||
        systemErrorCode(error) === "EADDRINUSE";
      const isLast = attempts === LIMITS.bothFamiliesAttemptCount;
      if (at.port !== 0 || !isTaken || isLast) throw error;
    }
  }
}

/** Binds two unused sockets to find out. */
function familiesHere(port: number): Families {
  // A permission for some addresses alone may leave out IPv6.
  const may = (host: string, port: number) =>
    isGranted({ name: "net", host: formatEndpoint({ host, port }) });
  if (!may(ANY_HOST, port) && may(ANY_IPV4, port)) return "no IPv6";
  if (!may(ANY_HOST, 0) || !may(ANY_IPV4, 0)) return "one socket";
  try {
    using six = Deno.listen({ hostname: ANY_HOST, port: 0 });
    return isFree((six.addr as Deno.NetAddr).port)
      ? "two sockets"
      : "one socket";
  } catch (error) {
    return isShortage(error) ? "one socket" : "no IPv6";
  }
}

function isFree(port: number): boolean {
  try {
    using _four = Deno.listen({ hostname: ANY_IPV4, port });
    return true;
  } catch {
    return false; // the socket at `::` takes IPv4 too
  }
}
