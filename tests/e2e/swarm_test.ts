/**
 * Machines that fetch one file together, as people at terminals meet it: real
 * processes with the documented permissions.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { dirname, join } from "@std/path";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { assertBytes } from "../client/_outcomes.ts";
import { ROOT } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";

const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
const IMAGE = randomBytes(12 * 1024 * 1024, seededRandom(17));
// Slow until all machines know each other, so that none needs to be quick.
const SLOW = 300_000;
const USUAL = 3_000_000;

testWith(
  ["script"],
  "At three terminals get --swarm shows the bytes from other machines, and Ctrl-C ends serving with 0",
  async () => {
    await using stack = new AsyncDisposableStack();
    const share = stack.use(await tempShare({ "disk.img": IMAGE }));
    const relay = stack.use(await relayHere());
    const node = stack.use(
      await nodeHere(relay, share.path, { name: "seed", limitRate: SLOW }),
    );
    const machines: { pty: Pty; path: string }[] = [];
    for (let machine = 0; machine < 3; machine++) {
      const { path } = stack.use(await tempShare());
      const pty = Pty.type(
        `exec deno run --allow-net --allow-read=. --allow-write=. ` +
          `${ROOT}peer_client.ts ${relay.address} get --swarm --linger 10m disk.img`,
        { cwd: path, env: { PATH } },
      );
      machines.push({ pty: stack.use(pty), path });
    }
    const { server } = relay;
    const met = async () => {
      while (server.stats().holderCount < machines.length) await delay(20);
      // Each asks every few seconds who else holds the file.
      const enough = server.stats().holderLookups + 2 * machines.length;
      while (server.stats().holderLookups < enough) await delay(20);
    };
    await within(met(), "three holders that know each other", 120_000);
    await node.server.change({ limitRate: USUAL });

    await Promise.all(machines.map(async ({ pty }) => {
      await pty.untilShown(/for up to .*, Ctrl-C ends it/, 120_000);
      // One that nobody reads from for some seconds ends by itself.
      await pty.press("\x03").catch(() => {});
    }));
    for (const { pty, path } of machines) {
      assertEquals(await within(pty.code, "the end"), 0, pty.text);
      assertMatch(pty.text, /saved disk\.img, 12582912 bytes, from /);
      assertMatch(
        pty.text,
        /1 file, 12\.6 MB in .*\/s\), from [12] machines? [\d.]+ MB, from the seed [\d.]+ MB$/m,
      );
      assertMatch(
        pty.text,
        /(serving [12] machines?|waiting for other machines) for up to (10:00|9:\d\d), Ctrl-C ends it/,
      );
      assert(!QUESTION.test(pty.text), pty.text);
      assertBytes(await Deno.readFile(join(path, "disk.img")), IMAGE);
    }
  },
);
