/**
 * A role as its script starts it, which says on stderr how many timers it has
 * when it is sent SIGUSR2, as `timers NTH COUNT`, and collects its garbage when
 * it is sent SIGHUP, as `collected NTH BYTES`. Its first argument is the script. Wants
 * `--v8-flags=--expose-gc`.
 */

import { timerCount } from "./_timers.ts";
import { collectGarbage } from "./_garbage.ts";
import { main as node } from "../lib/cli/roles/node.ts";
import { main as relay } from "../lib/cli/roles/relay.ts";

const MAIN = { "relay.ts": relay, "peer_node.ts": node };

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

let asked = 0;
Deno.addSignalListener("SIGUSR2", () => {
  say(`timers ${++asked} ${timerCount()}`);
});
let collected = 0;
Deno.addSignalListener("SIGHUP", () => {
  say(`collected ${++collected} ${collectGarbage()}`);
});

const [script, ...args] = Deno.args;
Deno.exit(await MAIN[script as keyof typeof MAIN](args));
