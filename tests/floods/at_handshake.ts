/**
 * Floods of TLS handshakes, from one address and from many: begun and left,
 * finished and then closed, sent in crumbs, and followed by garbage.
 */

import { connect, type Socket } from "node:net";
import type { Endpoint } from "../../lib/base/conn.ts";
import { clientHello, inSingleBytes } from "../_client_hello.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { dialFrom, hostOf } from "../bench/_big_relay.ts";
import { aborted, ATTACKER, pause, print, untilClosed } from "./_attacker.ts";
import type { Attack, Flood, Target } from "./_flood.ts";
import { openBareScene } from "./bare_server.ts";
import { openNodeScene } from "./at_node.ts";
import { openRelayScene } from "./at_relay.ts";

const ONE = [ATTACKER];
/** As many as have the handshakes of a whole process to themselves. */
const MANY = Array.from({ length: 64 }, (_, n) => hostOf(n, 1));

/** What one connection does once it stands. */
type Part = (socket: Socket, signal: AbortSignal) => Promise<void>;

/** Resolves when the victim has closed the connection, or the attack is over. */
function hungUp(socket: Socket, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socket.destroyed) resolve();
  socket.once("close", () => resolve());
  return Promise.race([promise, aborted(signal)]);
}

/** Several connections of each host, each played again when it was cut off. */
function playing(
  { hosts, each, part }: {
    hosts: readonly string[];
    each: number;
    part: (hello: Uint8Array) => Part;
  },
): Attack {
  return async ({ at }, signal) => {
    const play = part(await clientHello());
    let count = 0;
    const one = async (host: string) => {
      while (!signal.aborted) {
        const socket = await standing(at, host);
        count++;
        if (!socket.destroyed) await play(socket, signal);
        socket.destroy();
        await pause(20);
      }
    };
    const crowd = hosts.flatMap((host) => Array<string>(each).fill(host));
    const startedAt = performance.now();
    await Promise.all(crowd.map(one));
    const seconds = (performance.now() - startedAt) / 1_000;
    print(`  ${(count / seconds).toFixed(0)} connections a second`);
  };
}

/** A socket from `localAddress` that has connected, or was refused. */
async function standing(at: Endpoint, localAddress: string): Promise<Socket> {
  const socket = connect({ ...at, localAddress });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => {}); // "close" reports it too
  socket.once("connect", resolve);
  socket.once("close", () => resolve());
  socket.resume();
  await promise;
  return socket;
}

const silence = (hello: Uint8Array): Part => async (socket, signal) => {
  socket.write(hello);
  await hungUp(socket, signal);
};

const crumbs = (hello: Uint8Array): Part => {
  const records = inSingleBytes(hello);
  return async (socket, signal) => {
    for (const record of records) {
      if (socket.destroyed || signal.aborted) return;
      socket.write(record);
      await pause(25);
    }
    await hungUp(socket, signal);
  };
};

const garbage = (hello: Uint8Array): Part => {
  const random = seededRandom(17);
  return async (socket, signal) => {
    socket.write(hello);
    while (!socket.destroyed && !signal.aborted) {
      socket.write(randomBytes(16 * 1024, random));
      await pause(1);
    }
  };
};

/** Whole handshakes, after each of which the attacker closes the connection. */
function finishing(hosts: readonly string[], each: number): Attack {
  return async (target: Target, signal) => {
    let count = 0;
    const one = async (host: string) => {
      while (!signal.aborted) {
        await untilClosed(async () => {
          using _conn = await dialFrom(host, target);
          count++;
        });
      }
    };
    const startedAt = performance.now();
    const crowd = hosts.flatMap((host) => Array<string>(each).fill(host));
    await Promise.all(crowd.map(one));
    const seconds = (performance.now() - startedAt) / 1_000;
    print(`  ${(count / seconds).toFixed(0)} handshakes a second`);
  };
}

const ATTACKS: readonly (readonly [string, Attack])[] = [
  [
    "client hellos and silence",
    playing({ hosts: ONE, each: 64, part: silence }),
  ],
  [
    "client hellos and silence, 64 addresses",
    playing({ hosts: MANY, each: 16, part: silence }),
  ],
  [
    "client hellos in small parts, 64 addresses",
    playing({ hosts: MANY, each: 16, part: crumbs }),
  ],
  [
    "client hellos and garbage, 64 addresses",
    playing({ hosts: MANY, each: 4, part: garbage }),
  ],
  ["whole handshakes", finishing(ONE, 16)],
  ["whole handshakes, 64 addresses", finishing(MANY, 2)],
];

const VICTIMS = [
  ["relay", () => openRelayScene(false)],
  ["node", () => openNodeScene(10)],
  ["bare node:tls", openBareScene],
] as const;

export const OF_HANDSHAKES: readonly Flood[] = VICTIMS.flatMap(
  ([victim, open]) =>
    ATTACKS.map(([name, attack]) => ({
      name: `${victim}: ${name}`,
      open,
      attack,
      isFloor: open === openBareScene,
    })),
);
