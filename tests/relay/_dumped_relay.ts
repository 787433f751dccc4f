/**
 * A relay in a process of its own. It prints its port. With each line of its
 * input it writes all that it has in memory to the file named on the command
 * line, and says so. It stops when its input ends.
 *
 *     deno run -A tests/relay/_dumped_relay.ts FILE
 */

import { writeHeapSnapshot } from "node:v8";
import { serveRelay } from "../../lib/relay/server.ts";

async function say(text: string): Promise<void> {
  const writer = Deno.stdout.writable.getWriter();
  await writer.write(new TextEncoder().encode(`${text}\n`));
  writer.releaseLock();
}

if (import.meta.main) {
  await using relay = await serveRelay({
    host: "127.0.0.1",
    port: 0,
    plaintext: true,
    limits: { renewSeconds: 1 },
  });
  await say(`${relay.address.port}`);
  for await (const _line of Deno.stdin.readable) {
    writeHeapSnapshot(Deno.args[0]!);
    await say("written");
  }
}
