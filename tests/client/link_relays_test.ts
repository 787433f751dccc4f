import { assertEquals } from "@std/assert";
import { parseLink } from "../../lib/access/link.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { linkTo, makeLink } from "../../lib/client/link.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { contentOf } from "./_outcomes.ts";

Deno.test("makeLink names the relay that made it when the first of several is away, and the file comes by it", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const away = { host: "127.0.0.1", port: listener.addr.port };
  listener.close();
  await using relay = await startRelay();
  await using _node = await startNode(relay, { f: "hello" });
  const { text } = await makeLink({
    ...{ name: "f", relay: away },
    relays: [{ address: relay.server.address }],
  });
  const link = parseLink(text);
  assertEquals(link.relay.port, relay.server.address.port);
  assertEquals(link.relay.id, relay.identity.id);
  await using file = await fetchFile({ relay: link.relay, name: link.name });
  assertEquals(new TextDecoder().decode(await contentOf(file)), "hello");
});

// The node of `send` is at the first relay.
Deno.test("linkTo names the first of several relays", async () => {
  await using first = await startRelay();
  await using second = await startRelay({ identity: IDENTITIES[1]! });
  const { text } = await linkTo({
    ...{ name: "f", content: "0".repeat(64) },
    relay: first.server.address,
    relays: [{ address: second.server.address }],
  });
  assertEquals(parseLink(text).relay.id, first.identity.id);
});
