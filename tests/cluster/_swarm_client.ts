/** A client of a swarm that speaks with one instance, message by message. */

import { assertEquals } from "@std/assert";
import { contentFingerprint } from "../../lib/content/fingerprints.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { DIRECTION, type Message } from "../../lib/protocol/messages.ts";
import {
  type NodeRecord,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";
import { greetedBy } from "../access/_private.ts";
import type { TestRelay } from "../_network.ts";

/** The record with which a client enters. */
export function signedHolder(
  relay: TestRelay,
  identity: Identity,
  record: Partial<NodeRecord> = {},
) {
  return signRegistration({
    ...{ purpose: "hold", relay: relay.identity.id, nonce: "nonce" },
    ...{ instance: "AAECAwQFBgcICQoL", sequence: 0, name: "" },
    addresses: [{ host: "127.0.0.1", port: 9 }],
    ...record,
  }, identity);
}

/** A client of one instance. */
export class SwarmClient implements AsyncDisposable {
  readonly identity: Identity;
  readonly #relay: TestRelay;
  readonly #channel: Channel;

  private constructor(relay: TestRelay, channel: Channel, identity: Identity) {
    this.#relay = relay;
    this.#channel = channel;
    this.identity = identity;
  }

  /** Enters a swarm. */
  static async enter(
    relay: TestRelay,
    identity?: Identity,
  ): Promise<SwarmClient> {
    const { channel, nonce } = await greetedBy(relay, "client", "127.0.0.1");
    identity ??= await createIdentity();
    const client = new SwarmClient(relay, channel, identity);
    const entering = await signedHolder(relay, identity, { nonce });
    assertEquals(await client.#ask({ kind: "enter", ...entering }), "entered");
    return client;
  }

  async hold(...contents: string[]): Promise<void> {
    const { id } = this.#relay.identity;
    const fingerprints = contents.map((it) => contentFingerprint(id, it));
    const message = { kind: "hold", contents: fingerprints } as const;
    assertEquals(await this.#ask(message), "held");
  }

  async #ask(message: Message): Promise<string | undefined> {
    await this.#channel.send(message);
    return (await this.#channel.receive(DIRECTION.relayToClient))?.kind;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#channel.close();
  }
}

/** How many hold a content, as an instance counts. */
export async function holdersAt(
  relay: TestRelay,
  content: string,
): Promise<number> {
  const { channel } = await greetedBy(relay, "client", "127.0.0.1");
  await using _end = { [Symbol.asyncDispose]: () => channel.close() };
  await channel.send({
    kind: "holders",
    content: contentFingerprint(relay.identity.id, content),
  });
  const answer = await channel.receive(["holderList"]);
  return answer?.holders.length ?? -1;
}
