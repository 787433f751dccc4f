import { assert } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  DIRECTION,
  type MessageOf,
  type NodeToRelay,
  type RelayToNode,
} from "../../lib/protocol/messages.ts";
import { readRegistration } from "../../lib/protocol/signed_record.ts";
import {
  type Invitation,
  keepRegistered,
  type RegistrarEvent,
  type RegistrarOptions,
} from "../../lib/node/registrar.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { EventLog } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";
import { IDENTITIES } from "../_network.ts";

const identity: Identity = {
  ...IDENTITIES[1]!,
  // Without the thread pool: fake time must not overtake it.
  sign: () => Promise.resolve(new Uint8Array(64)),
};

const HELLO = { kind: "hello", protocol: 1, role: "relay" } as const;

/** What a dialer learns of each relay in memory. */
const MET = { id: IDENTITIES[0]!.id, nonce: "AAAA", greeting: "" };

function notReached(): Promise<never> {
  const failed = { what: "Cannot reach relay", why: "refused" };
  return Promise.reject(new Failure("relay", failed));
}

/** Open channels of the node and of the relay. */
function channelPair(): [node: Channel, relay: Channel] {
  const options = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
  const [node, relay] = memoryPair().map((conn) => new Channel(conn, options));
  node!.openUp();
  relay!.openUp();
  return [node!, relay!];
}

type Handler = (message: NodeToRelay) => RelayToNode | null;

/**
 * A dialer to a relay in memory, which answers as `handler` says; with `null` it
 * closes the connection. While `away` is set, the relay cannot be reached.
 */
function fakeDialer(handler: Handler): RelayDialer & { away: boolean } {
  const dialer = {
    relay: { host: "relay", port: 1700 },
    away: false,
    open: () => {
      if (dialer.away) return notReached();
      const [channel, relay] = channelPair();
      (async () => {
        const message = await relay.receive(DIRECTION.nodeToRelay);
        const answer = message && handler(message);
        if (answer) await relay.send(answer);
        await relay.close();
      })();
      const met = { channel, ...MET, entrances: [], hello: HELLO };
      return Promise.resolve(met);
    },
  };
  return dialer as unknown as RelayDialer & { away: boolean };
}

interface Run {
  readonly log: EventLog<RegistrarEvent>;
  readonly sequences: number[];
  readonly kinds: string[];
  readonly dialer: RelayDialer & { away: boolean };
  answer: RelayToNode | null;
  stop(): Promise<void>;
}

export const GRANTED: MessageOf<"registered"> = {
  kind: "registered",
  leaseSeconds: 60,
  renewSeconds: 20,
};

export function start(random: () => number, away = false): Run {
  const log = new EventLog<RegistrarEvent>();
  const leaving = new AbortController();
  const run: Run = {
    log,
    sequences: [],
    kinds: [],
    answer: GRANTED,
    dialer: fakeDialer((message) => {
      assert(message.kind === "register" || message.kind === "withdraw");
      const verdict = readRegistration(message);
      if (verdict.kind === "opened") {
        run.sequences.push(verdict.registration.sequence);
      }
      run.kinds.push(message.kind);
      return message.kind === "withdraw" ? { kind: "withdrawn" } : run.answer;
    }),
    stop: async () => {
      leaving.abort();
      await done;
    },
  };
  run.dialer.away = away;
  const done = keepRegistered({
    dialer: run.dialer,
    identity,
    name: "alpha",
    addressesFrom: () => [{ host: "127.0.0.1", port: 1500 }],
    limits: LIMITS,
    signal: leaving.signal,
    onEvent: log.onEvent,
    random,
  });
  return run;
}

/** What a relay in memory does with a node that may stay. */
interface StayingRelay {
  /** Whether it carries tunnels. */
  carries: boolean;
  /** What it answers to whether the node can be dialled. */
  reached: "alive" | "gone" | "unchecked";
  /** Whether it cannot be reached. */
  away: boolean;
  /** Whether it wants nodes to stay. */
  stay: boolean;
  /** What it answers to every registration. */
  refuses: RelayToNode | null;
  /** The host that it sees the node come from. */
  observed: string;
  /** The addresses that were registered, each time. */
  readonly addresses: string[];
  /** What it was asked, in order. */
  readonly asked: string[];
  /** The conversations that are open. */
  readonly channels: Set<Channel>;
}

interface Stay {
  readonly relay: StayingRelay;
  readonly log: EventLog<RegistrarEvent>;
  readonly invitations: Invitation[];
  /** Whether the node lets clients in. */
  lets: boolean;
  /** The names of the events about being attached. */
  readonly reported: string[];
  stop(): Promise<void>;
}

/** Keeps the addresses that were registered. */
function note(
  relay: StayingRelay,
  message: NodeToRelay & { kind: "register" },
): void {
  const verdict = readRegistration(message);
  if (verdict.kind !== "opened") return;
  const { addresses } = verdict.registration;
  relay.addresses.push(addresses.map(formatEndpoint).join(" "));
}

function answerOf(
  relay: StayingRelay,
  message: NodeToRelay,
): RelayToNode | null {
  relay.asked.push(message.kind);
  switch (message.kind) {
    case "register":
      note(relay, message);
      return relay.refuses ??
        (relay.stay ? { ...GRANTED, stay: true } : GRANTED);
    case "withdraw":
      return { kind: "withdrawn" };
    case "reach":
      return { kind: "reached", outcome: relay.reached };
    case "attach":
      return { kind: "attached" };
    default:
      return null;
  }
}

/** A dialer that reaches `relay`, which answers until the node leaves. */
function dialerTo(relay: StayingRelay): RelayDialer {
  const open = () => {
    if (relay.away) return notReached();
    const [channel, there] = channelPair();
    relay.channels.add(there);
    (async () => {
      for (;;) {
        const message = await there.receive(DIRECTION.nodeToRelay);
        if (message === null) break;
        const said = answerOf(relay, message);
        if (said !== null) await there.send(said);
      }
    })().catch(() => {}).finally(() => {
      relay.channels.delete(there);
      return there.close();
    });
    return Promise.resolve({
      ...{ channel, ...MET },
      entrances: relay.carries ? ENTRANCES : [],
      hello: { ...HELLO, observed: relay.observed },
    });
  };
  const dialer = { relay: { host: "relay", port: 1700 }, open };
  return dialer as unknown as RelayDialer;
}

/** A registrar, and a relay in memory to which it stays attached. */
export function startAttached(
  options: Partial<RegistrarOptions> = {},
  start: Partial<StayingRelay> = {},
): Stay {
  const relay: StayingRelay = {
    carries: true,
    reached: "gone",
    away: false,
    stay: false,
    refuses: null,
    observed: "127.0.0.1",
    addresses: [],
    asked: [],
    channels: new Set(),
    ...start,
  };
  const log = new EventLog<RegistrarEvent>();
  const leaving = new AbortController();
  const stay: Stay = {
    relay,
    log,
    invitations: [],
    lets: true,
    get reported() {
      return log.events.flatMap((event) =>
        "why" in event ? [`${event.event} ${event.why}`] : []
      );
    },
    stop: async () => {
      leaving.abort();
      await done;
    },
  };
  const done = keepRegistered({
    dialer: dialerTo(relay),
    identity,
    name: "alpha",
    addressesFrom: () => [{ host: "127.0.0.1", port: 1500 }],
    onInvite: (invitation) => {
      stay.invitations.push(invitation);
      return stay.lets;
    },
    limits: LIMITS,
    signal: leaving.signal,
    onEvent: log.onEvent,
    random: () => 0.5,
    ...options,
  });
  return stay;
}

export const ENTRANCES = [
  { host: "relay", port: 1701 },
  { host: "relay", port: 1700 },
];
