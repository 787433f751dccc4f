/**
 * A relay that announces the id of another: `_lying_relay.ts ID`.
 */

import { announce } from "../../lib/transport/announce.ts";
import { serveRelay } from "../../lib/relay/server.ts";

const [id = ""] = Deno.args;
const relay = await serveRelay({ port: 0, host: "0.0.0.0" });
const { port } = relay.address;
await announce({ id, port, name: "nas", isPrivate: false });
Deno.stdout.writeSync(new TextEncoder().encode(`lying on ${port}\n`));
