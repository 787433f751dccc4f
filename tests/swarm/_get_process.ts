/** A client in a process of its own: `startGet` of a relay, until it is killed. */

import { join } from "@std/path";
import { getFiles } from "../../lib/client/get.ts";

const [relay, folder] = Deno.args;
const write = (line: string) =>
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

await getFiles({
  relay: JSON.parse(relay!),
  selections: [{ kind: "name", name: "big.iso" }],
  pathOf: () => join(folder!, "big.iso"),
  sync: false,
  swarm: { lingerMs: 600_000 },
  limits: { swarmRequestEveryMs: 100, swarmQuietMs: 600_000 },
  onEvent: ({ event }) => event === "swarm_lingers" && write(event),
});
