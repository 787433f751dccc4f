/**
 * A role as its script starts it, which says on stderr how many timers it has
 * when it is sent SIGUSR2: `timers NTH COUNT`. Its first argument is the script.
 */

import { timerCount } from "./_timers.ts";
import { main as node } from "../lib/cli/node.ts";
import { main as relay } from "../lib/cli/relay.ts";

const MAIN = { "relay.ts": relay, "peer_node.ts": node };

let asked = 0;
Deno.addSignalListener("SIGUSR2", () => {
  const line = `timers ${++asked} ${timerCount()}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
});

const [script, ...args] = Deno.args;
Deno.exit(await MAIN[script as keyof typeof MAIN](args));
