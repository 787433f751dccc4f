/**
 * A program that does something else, and shares what it makes: here a file with
 * the time, every ten seconds.
 *
 * ```sh
 * deno run --allow-net --allow-read=clock,state --allow-write=clock,state \
 *   examples/embedded_node.ts p2p://nas:1700/RELAY_ID clock state
 * ```
 *
 * A private relay wants a node token: name the file that holds it, such as
 * `state/token`, as a fourth argument. The token itself would be seen by others
 * in the list of processes.
 *
 * @module
 */

import {
  loadIdentity,
  type NodeEvent,
  NodeMetrics,
  parseRelayAddress,
  parseToken,
  readSecretFile,
  serveNode,
  show,
} from "../lib/mod.ts";

const [address, directory, state, tokenFile] = Deno.args;
if (address === undefined || directory === undefined || state === undefined) {
  write("usage: embedded_node.ts RELAY_ADDRESS DIR STATE [TOKEN_FILE]\n");
  Deno.exit(2);
}

const stop = new AbortController();
Deno.addSignalListener("SIGINT", () => stop.abort());
const metrics = new NodeMetrics();
const token = tokenFile === undefined
  ? undefined
  : parseToken(await readSecretFile(tokenFile, "token"), "node");

{
  // Withdraws and closes at the end of this block, whatever happens in it.
  await using node = await serveNode({
    relay: parseRelayAddress(address),
    port: 0,
    directory,
    name: "clock",
    identity: await loadIdentity(state), // the same node in every run
    ...token && { token },
    onEvent: tell,
  });
  write(`${node.id} serves ${node.fileCount} files\n`);

  while (!stop.signal.aborted) {
    await makeFile(directory);
    await pause(10_000, stop.signal);
  }
  write(`sent ${node.stats().sentBytes} bytes\n`);
}

/** A file is there whole or not at all, so that no client sees half of it. */
async function makeFile(folder: string): Promise<void> {
  const temporary = await Deno.makeTempFile({ dir: folder, prefix: ".now-" });
  await Deno.writeTextFile(temporary, `${new Date().toISOString()}\n`);
  await Deno.rename(temporary, `${folder}/now.txt`);
}

function tell(event: NodeEvent): void {
  metrics.onEvent(event, performance.now());
  switch (event.event) {
    case "registered":
      write(`listed by ${event.relay}\n`);
      break;
    case "registration_failed":
      write(`${event.error.message}\n`); // it tries again by itself
      break;
    case "served":
      write(`sent ${show(event.name ?? "several files")} to ${event.to}\n`);
      break;
  }
}

/** Resolves after `ms`, or as soon as `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
