/** Relays that keep a client waiting on purpose. */

import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { linkTo } from "../../lib/client/link.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { MEMBER } from "../access/_private.ts";
import { within } from "../_event_log.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";
import { fetch } from "./_outcomes.ts";

Deno.test("fetchFile from a node chosen by its id does not wait for another relay once one has listed that node", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": "one" });
  const left = Promise.withResolvers<void>();
  await using silent = await startScriptedRelay(IDENTITIES[1]!, {
    talk: async (channel) => {
      await channel.receive(["list"]);
      await left.promise;
    },
  });
  const limits = { handshakeMs: 600_000, listingMs: 600_000 };
  const relays = [{ address: silent.address }];
  const options = { relays, node: node.server.id, limits };
  const fetched = await within(fetch(relay, "f", options), "the fetch");
  left.resolve();
  assertEquals(fetched.message, "");
  assertEquals(new TextDecoder().decode(fetched.content!), "one");
});

Deno.test("linkTo gives up a relay that sends only messages to skip", async () => {
  const skipped = encodeFrame(0x7e, new Uint8Array(1));
  let timer: ReturnType<typeof setInterval> | undefined;
  await using relay = await startScriptedRelay(IDENTITIES[1]!, {
    says: { private: true },
    talk: async (channel) => {
      await channel.receive(["authenticate"]);
      await channel.receive(["mint"]);
      // Fewer in a minute than end the connection.
      const skip = () => channel.sendFrames(skipped).catch(() => {});
      timer = setInterval(skip, 1_000);
      await channel.receive(["mint"]);
    },
  });
  const options = {
    relay: relay.address,
    access: MEMBER,
    name: "f",
    content: "0".repeat(64),
    limits: { handshakeMs: 2_000 },
  };
  const made = assertRejects(() => linkTo(options), Failure);
  await within(made, "the link fails").finally(() => clearInterval(timer));
});
