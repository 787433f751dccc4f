/**
 * The relay's side of a conversation with another instance of itself, which
 * asks for a tunnel for one of its clients.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import type { Channel } from "../protocol/channel.ts";
import { refusal } from "../protocol/hello.ts";
import { DIRECTION } from "../protocol/messages.ts";
import type { RelayContext } from "./context.ts";

/** Answers one request. */
export async function handleInstance(
  channel: Channel,
  { nonce, relay, giveTurnBack }: {
    readonly nonce: string;
    /** Called for an instance: it has limited its clients itself. */
    readonly giveTurnBack: () => void;
    readonly relay: Pick<RelayContext, "cluster" | "tunnels" | "limits">;
  },
): Promise<void> {
  const { cluster, tunnels, limits } = relay;
  // Anybody can claim to be an instance; no gate has asked for a token.
  using _deadline = channel.endOn(AbortSignal.timeout(limits.handshakeMs));
  const message = await channel.receive(DIRECTION.instanceToRelay);
  if (message === null) return;
  if (!cluster?.tunnels.isOfInstance(message, nonce)) {
    throw new ProtocolError(
      "wrong_service",
      "Cannot open tunnel: no instance of this relay has asked",
    );
  }
  giveTurnBack();
  const { id, from: host } = message;
  // Only to a node that is attached here: no tunnel is passed on twice.
  await channel.send(
    tunnels?.open(id, { host, port: 0 }) ??
      refusal("no_tunnels", "this relay offers no tunnels"),
  );
}
