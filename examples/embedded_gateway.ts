/**
 * A program that has a gateway of its own: any part of it that speaks HTTP gets
 * all files of all nodes, verified. This one prints a file, and what each node
 * sent of it.
 *
 * ```sh
 * deno run --allow-net examples/embedded_gateway.ts p2p://nas:1700/RELAY_ID report.txt
 * ```
 *
 * A private relay wants a client token: give its file as a third argument, and
 * `--allow-read=FILE` to Deno.
 *
 * @module
 */

import {
  parseRelayAddress,
  parseToken,
  readSecretFile,
  serveGateway,
} from "../lib/mod.ts";

const [address, name, tokenFile] = Deno.args;
if (address === undefined || name === undefined) {
  say("usage: embedded_gateway.ts RELAY_ADDRESS NAME [TOKEN_FILE]");
  Deno.exit(2);
}
const access = tokenFile === undefined
  ? {}
  : { token: parseToken(await readSecretFile(tokenFile, "token"), "client") };

// Ends at the end of this block. Only this machine can connect; the system picks
// the port.
await using gateway = await serveGateway({
  relay: parseRelayAddress(address),
  access,
  listen: { host: "127.0.0.1", port: 0 },
});
const file = new URL(
  `files/${name.split("/").map(encodeURIComponent).join("/")}`,
  gateway.url,
);
const answer = await fetch(file);
const text = await answer.text();
if (answer.ok) {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  const told = await fetch(new URL("api/transfers", gateway.url));
  const { transfers } = await told.json();
  for (const { sent, nodes } of transfers) {
    say(`${sent} bytes from ${nodes.join(", ")}`);
  }
} else {
  say(text); // which node answered what
  Deno.exitCode = 1;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}
