/**
 * Fetches one file with the library, and draws how far it is:
 *
 * ```sh
 * deno run --allow-net --allow-read=. --allow-write=. \
 *   examples/fetch_with_progress.ts p2p://nas:1700/RELAY_ID report.pdf
 * ```
 *
 * A private relay wants a client token: name the file that holds it as a third
 * argument. The token itself would be seen by others in the list of processes.
 *
 * @module
 */

import {
  type ClientEvent,
  Failure,
  getFiles,
  parseRelayAddress,
  parseToken,
  readSecretFile,
  show,
} from "../lib/mod.ts";

const [address, name, tokenFile] = Deno.args;
if (address === undefined || name === undefined) {
  write("usage: fetch_with_progress.ts RELAY_ADDRESS NAME [TOKEN_FILE]\n");
  Deno.exit(2);
}

// Ctrl-C stops it; what has come is kept, and the next run goes on from there.
const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());

try {
  const token = tokenFile === undefined
    ? undefined
    : parseToken(await readSecretFile(tokenFile, "token"), "client");
  const { saved, failed } = await getFiles({
    relay: parseRelayAddress(address),
    ...token && { access: { token } },
    selections: [{ kind: "name", name }],
    pathOf: (name) => name.split("/").at(-1)!,
    signal: stop.signal,
    onEvent: tell,
  });
  for (const failure of failed.values()) throw failure;
  for (const path of saved.values()) write(`${show(path)}\n`);
} catch (error) {
  // What failed, where, why and what to do, in one line; the rest is a bug.
  if (!(error instanceof Failure) && !stop.signal.aborted) throw error;
  write(`${error instanceof Failure ? error.message : "stopped"}\n`);
  Deno.exit(error instanceof Failure ? error.exitCode : 130);
}

/** Events say everything there is to show; which of it, a program decides. */
function tell(event: ClientEvent): void {
  switch (event.event) {
    case "progress": {
      const { received, total, bytesPerSecond, nodes } = event;
      const percent = total === 0 ? 100 : Math.floor(received / total * 100);
      const speed = (bytesPerSecond / 1e6).toFixed(1);
      write(`${percent} %, ${speed} MB/s from ${nodes} nodes\n`);
      break;
    }
    case "node_trouble":
      // Names come from strangers: `show` makes them safe to look at.
      write(`${show(event.node.name)}: ${event.cause}\n`);
      break;
    case "file_received":
      write(`${event.bytes} bytes, content ${event.content}\n`);
      break;
  }
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
