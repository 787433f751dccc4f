/**
 * Examines what a node needs: a folder to share, a port, and a relay that lists
 * it, can dial it, and offers tunnels to it. For this the doctor registers for
 * a moment under the node's own name, with an identity of its own: the node may
 * be running. It serves no files.
 *
 * @module
 */

import { AccessFailure } from "../access/credentials.ts";
import { ANY_HOST, isUnspecified } from "../base/address.ts";
import { Channel } from "../protocol/channel.ts";
import type { ListedNode } from "../client/nodes.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure, isBug } from "../base/errors.ts";
import { receivePeer } from "../protocol/hello.ts";
import { createIdentity, type Identity } from "../identity/identity.ts";
import { Incidents } from "../guard/incidents.ts";
import { Registrant } from "../uplink/registrant.ts";
import { RelayDialer } from "../uplink/relay_dialer.ts";
import { RelayCalls } from "../uplink/relay_calls.ts";
import { show } from "../base/text.ts";
import { acceptTunnel } from "../transport/accept_tunnel.ts";
import { listen, type Listener } from "../transport/listen.ts";
import type { Findings } from "./check.ts";
import { familyOf, meetByOtherFamily } from "./families.ts";
import { reportIndex } from "./index.ts";
import { openPort } from "./port.ts";
import {
  checkRelay,
  type ExaminationOptions,
  type MetRelay,
  reportAccess,
} from "./relay.ts";
import { checkEntrances, checkTunnel } from "./tunnels.ts";

/** Options of {@linkcode examineNode}. */
export interface NodeExaminationOptions extends ExaminationOptions {
  /** The identity of the node. */
  readonly identity: Identity;
  /** Display name of the node. */
  readonly name: string;
  /** Address to bind; by default all addresses of the machine. */
  readonly host?: string | undefined;
  /** Port to listen on; 0 lets the system pick. */
  readonly port: number;
  /** The host and port that clients should dial instead. */
  readonly advertise?: { host: string; port?: number } | undefined;
}

/**
 * Listens, registers, asks the relay for a dial-back and a tunnel, and
 * withdraws.
 *
 * @throws {Failure} of kind `usage` for options that exclude each other, of
 * kind `interrupted` if `signal` was aborted.
 */
export async function examineNode(
  { identity: { id }, ...given }: NodeExaminationOptions,
  findings: Findings,
): Promise<void> {
  // Not under the node's identity: that would end the lease and the index of a
  // running node.
  const options = { ...given, identity: await createIdentity() };
  const listener = await checkPort(options, findings);
  try {
    const met = await checkRelay(options, { role: "node", findings });
    if (met === undefined) return;
    if (listener === undefined) await met.session.channel.close();
    else await new Trial(met, { options, id, listener, findings }).run();
  } finally {
    await listener?.close();
  }
}

async function checkPort(
  options: NodeExaminationOptions,
  findings: Findings,
): Promise<Listener | undefined> {
  const { identity, limits, plaintext, port } = options;
  const host = options.host ?? ANY_HOST;
  const incidents = new Incidents(limits.refusalPauseMs, () => {});
  const open = () =>
    listen({
      at: { host, port },
      identity: plaintext ? null : identity,
      limits,
      connectionsPerAddressCount: limits.nodeConnectionsPerAddressCount,
      incidents,
      handle: async ({ conn, settle }) => {
        await using channel = new Channel(conn, {
          limits,
          writeStallMs: limits.controlWriteStallMs,
          idleMs: limits.idleMs,
        });
        const introduction = { role: "node", id: identity.id };
        const reception = { introduction, settle, incidents };
        await receivePeer(channel, reception, () => Promise.resolve());
      },
    });
  const listener = await openPort(open, findings, {
    check: "port",
    what: "Cannot listen",
    at: { host, port },
    remedy: "choose another port, or stop the node if it runs already",
  });
  if (listener !== undefined) {
    findings.ok("port", `listens on ${formatEndpoint(listener.address)}`);
  }
  return listener;
}

/** One trial registration, and the checks that depend on it. */
class Trial {
  readonly #met: MetRelay;
  readonly #options: NodeExaminationOptions;
  /** The id of the examined node. */
  readonly #id: string;
  readonly #listener: Listener;
  readonly #findings: Findings;
  readonly #registrant: Registrant;
  /** The node's ends of tunnels. */
  readonly #ends: Promise<void>[] = [];
  readonly #over = new AbortController();

  constructor(
    met: MetRelay,
    { options, id, listener, findings }: {
      options: NodeExaminationOptions;
      id: string;
      listener: Listener;
      findings: Findings;
    },
  ) {
    this.#met = met;
    this.#options = options;
    this.#id = id;
    this.#listener = listener;
    this.#findings = findings;
    this.#registrant = new Registrant({
      dialer: met.dialer,
      identity: options.identity,
      name: options.name,
      addressesFrom: (local) => [this.#address(local)],
      token: options.access.token,
    });
  }

  async run(): Promise<void> {
    const { signal, limits } = this.#options;
    const { session } = this.#met;
    using _end = session.channel.endOn(signal);
    await using calls = new RelayCalls(session, {
      answerMs: limits.handshakeMs,
      limits,
      onRefused: (refused) => this.#registrant.denied(refused),
      onInvite: ({ key, from }) => this.#comeTo(key, from),
    });
    try {
      if (!await this.#register(calls)) return;
      await reportIndex(this.#id, { calls, findings: this.#findings });
      const hasTunnels = await checkEntrances(this.#met, {
        options: this.#options,
        findings: this.#findings,
      });
      await this.#reach(calls, hasTunnels);
      await this.#reachByOtherFamily();
      if (hasTunnels) await this.#tunnel(calls);
      await this.#registrant.withdraw(calls);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AccessFailure) {
        return this.#findings.failed("access", error);
      }
      if (isBug(error) || error instanceof Failure) throw error;
      this.#findings.failed(
        "registration",
        this.#registrant.failure(describeCause(error)),
      );
    } finally {
      this.#over.abort();
      await Promise.all(this.#ends);
    }
  }

  async #register(calls: RelayCalls): Promise<boolean> {
    const answer = await this.#registrant.register(calls).catch((error) => {
      if (error instanceof AccessFailure || !(error instanceof Failure)) {
        throw error;
      }
      this.#findings.failed("registration", error);
    });
    if (answer === undefined) return false;
    const { leaseSeconds } = answer;
    reportAccess(this.#met, this.#findings);
    this.#findings.ok(
      "registration",
      `listed as ${show(this.#options.name)} at ${
        formatEndpoint(this.#address())
      }, lease ${leaseSeconds} s`,
    );
    return true;
  }

  async #reach(calls: RelayCalls, hasTunnels: boolean): Promise<void> {
    const findings = this.#findings;
    const answer = await calls.request({ kind: "reach" });
    const outcome = answer.kind === "reached" ? answer.outcome : "unchecked";
    if (outcome === "alive") {
      return findings.ok("reach", "the relay can dial this node");
    }
    if (outcome === "unchecked") {
      return findings.warn(
        "reach",
        "the relay did not try: it tried a moment ago, or is busy",
        "run it again in a few seconds",
      );
    }
    const says = "the relay cannot dial this node";
    if (hasTunnels) {
      return findings.warn(
        "reach",
        `${says}: clients connect through the relay, which is slower`,
        { remedyCode: "open_port" },
      );
    }
    findings.failed(
      "reach",
      new Failure("relay", {
        what: "Cannot be reached",
        where: formatEndpoint(this.#address()),
        why: `${says}, and there are no tunnels`,
        remedyCode: "open_port",
      }),
    );
  }

  /** Registers by the relay's other family too, and asks for a dial-back there. */
  async #reachByOtherFamily(): Promise<void> {
    const options = this.#options;
    const { signal, limits } = options;
    const findings = this.#findings;
    // A node that listens at one address has one family.
    if (!isUnspecified(this.#listener.address.host)) return;
    const parts = { options, role: "node", findings } as const;
    const session = await meetByOtherFamily(this.#met, parts);
    if (session === undefined) return;
    using _end = session.channel.endOn(signal);
    await using calls = new RelayCalls(session, {
      answerMs: limits.handshakeMs,
      limits,
      onRefused: () => {},
      onInvite: () => {},
    });
    await this.#registrant.register(calls);
    const answer = await calls.request({ kind: "reach" });
    const outcome = answer.kind === "reached" ? answer.outcome : "unchecked";
    const family = familyOf(session.channel.conn.local.host);
    if (outcome === "alive") {
      findings.ok("reach", `the relay can dial this node by ${family} too`);
    } else if (outcome === "gone") {
      findings.warn(
        "reach",
        `the relay cannot dial this node by ${family}: clients that have only ` +
          `${family} connect through the relay`,
        { remedyCode: "open_port" },
      );
    }
  }

  /** Opens a tunnel to itself, as a client would. */
  async #tunnel(calls: RelayCalls): Promise<void> {
    const answer = await calls.request({ kind: "attach" });
    if (answer.kind !== "attached") {
      return this.#findings.failed("tunnel", this.#registrant.refused(answer));
    }
    const options = this.#options;
    const { relay, plaintext, limits, identity, name } = options;
    const { session } = this.#met;
    if (session.isPrivate) {
      return this.#findings.ok(
        "tunnel",
        "the node can be attached; only a client with a token can try a tunnel",
      );
    }
    const dialer = new RelayDialer(
      plaintext ? relay : { ...relay, id: session.id },
      {
        role: "client",
        plaintext,
        limits,
        onEvent: () => {}, // reported already
      },
    );
    const node: ListedNode = {
      number: 1,
      id: identity.id,
      name,
      addresses: [this.#address()],
      certificate: identity.certificate,
      isAttached: true,
      signed: await this.#registrant.sign("register", session),
    };
    await checkTunnel([node], { dialer, options, findings: this.#findings });
  }

  /** Joins the node's end of a tunnel. TLS proves the identity of both ends. */
  #comeTo(key: string, from: string): void {
    const { identity, plaintext, limits } = this.#options;
    const { signal } = this.#over;
    const join = async () => {
      const conn = await acceptTunnel({
        entrances: this.#met.session.entrances,
        key,
        identity: plaintext ? null : identity,
        remote: { host: from, port: 0 },
        timeoutMs: limits.handshakeMs,
        signal,
      });
      signal.addEventListener("abort", () => conn.close());
      if (signal.aborted) conn.close();
    };
    this.#ends.push(join().catch(() => {})); // the other end reports the error
  }

  /** The address for clients, given this end of a connection to the relay. */
  #address(local: Endpoint = this.#met.session.channel.conn.local): Endpoint {
    const { advertise } = this.#options;
    const { host, port } = this.#listener.address;
    const bound = isUnspecified(host) ? local.host : host;
    return { host: advertise?.host ?? bound, port: advertise?.port ?? port };
  }
}
