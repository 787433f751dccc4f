/** Clients that flood a holder with messages of a swarm, while it gives. */

import { assert, assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { HASH_BYTES } from "../../lib/base/hash.ts";
import type { Message } from "../../lib/protocol/messages.ts";
import type { PieceReceiver } from "../../lib/transfer/answers.ts";
import { within } from "../_event_log.ts";
import { collectGarbage } from "../_garbage.ts";
import type { Flood } from "../swarm/_flooder.ts";
import { runHolder } from "../swarm/_holders.ts";
import { contentOf, PIECE } from "../swarm/_holding.ts";

const COUNT = 64;
const CONTENT = contentOf(COUNT);
const OF = CONTENT.manifest.contentId;
const HAVE = [...Array(COUNT - 1).keys()];
const ROUNDS = 16;
/** What the holder may keep more, without garbage. */
const GROWTH_BYTES = 64 * 1024 ** 2;

const FLOODS: Readonly<Record<string, Message>> = {
  "requests for its pieces": { kind: "holding", request: 1, of: OF },
  "offers": { kind: "offer", request: 1, of: OF, id: "i".repeat(52) },
  "reads of a piece that it lacks": {
    ...{ kind: "read", request: 1, of: OF, first: COUNT - 1, count: 1 },
  },
};

/** Takes pieces, and counts them. */
class Counter implements PieceReceiver {
  count = 0;
  readonly #buffer = new Uint8Array(PIECE);

  target(length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#buffer.subarray(0, Math.min(length, PIECE)));
  }

  filled(): void {}

  pieces(hashes: Uint8Array): void {
    this.count += hashes.length / HASH_BYTES;
  }
}

/** Begins a flood by four connections, and waits until they are there. */
async function startFlood(
  flood: Omit<Flood, "connections">,
): Promise<AsyncDisposable> {
  const script = new URL("../swarm/_flooder.ts", import.meta.url).pathname;
  const reported = JSON.stringify({ ...flood, connections: 4 });
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", script, reported],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  assertEquals((await within(lines.read(), "a flooder")).value, "floods");
  return {
    [Symbol.asyncDispose]: async () => {
      await lines.cancel();
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

for (const [what, message] of Object.entries(FLOODS)) {
  for (const reads of [true, false]) {
    const how = reads ? "and read the answers" : "and read no answer";
    Deno.test(`A holder serves others while clients flood it with ${what}, ${how}`, async () => {
      await using stack = new AsyncDisposableStack();
      const { holder, identity, meet } = await runHolder(
        CONTENT,
        { have: HAVE },
        stack,
      );
      const session = stack.use(await meet());
      const before = collectGarbage();
      stack.use(
        await startFlood({
          ...{ port: holder.address.port, id: holder.id, message, reads },
          certificate: identity.certificate.toBase64(),
        }),
      );
      const counter = new Counter();
      for (let round = 0; round < ROUNDS; round++) {
        const task = { of: OF, first: 4 * (round % 8), count: 4 };
        const refused = await within(session.read(task, counter), "pieces");
        assertEquals(refused, undefined);
      }
      assertEquals(counter.count, 4 * ROUNDS);
      const growth = collectGarbage() - before;
      assert(growth < GROWTH_BYTES, `${growth}`);
    });
  }
}
