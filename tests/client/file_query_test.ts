/**
 * Asking nodes for many files.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { makeLink } from "../../lib/client/link.ts";
import { Failure } from "../../lib/base/errors.ts";
import { PeerSlots } from "../../lib/client/peer_slots.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { sendRefusal, startEvilNode, staySilent } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { honestExcept } from "../_lies.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, fetch, filesIn, get, pinned } from "./_outcomes.ts";
import { startLyingNode, TRUDY } from "./_setting.ts";

const [, MALLORY] = IDENTITIES as [Identity, Identity];

/** So many small files: their names are their contents. */
function small(count: number): Record<string, Uint8Array> {
  const names = Array.from({ length: count }, (_, n) => `n${n}`);
  return Object.fromEntries(
    names.map((name) => [name, new TextEncoder().encode(name)]),
  );
}

Deno.test("getFiles asks a node for hundreds of names over one connection, and fetches over another", async () => {
  await using relay = await startRelay();
  const files = small(300);
  const names = Object.keys(files);
  await using one = await startNode(relay, {});
  await using two = await startNode(relay, files);
  await using three = await startNode(relay, { "n7": "n7" });
  await using folder = await tempShare();
  const { saved, failed } = await get(relay, folder.path, names);
  assertEquals(failed, {});
  assertEquals(Object.keys(saved).length, 300);
  assertEquals(await Deno.readTextFile(`${folder.path}/n299`), "n299");
  for (const { server } of [one, two, three]) {
    const { counts } = server.stats().handshakes;
    const count = counts.reduce((sum, one) => sum + one, 0);
    assertEquals(count <= 2, true, `${count} connections`);
  }
});

Deno.test("getFiles saves files that it has found while it asks for more", async () => {
  await using relay = await startRelay();
  const files = small(9);
  const log = new ClientLog();
  await using _node = await startLyingNode(relay, files, {
    find: async (channel, message) => {
      // Not before the first three are there.
      if (message.name === "n3") {
        await log.until("file_received", ({ name }) => name === "n2");
      }
      await honestExcept(files)(channel, message);
    },
  });
  await using folder = await tempShare();
  const { saved, failed } = await within(
    get(relay, folder.path, Object.keys(files), {
      log,
      limits: { queryBatchCount: 3 },
    }),
    "the files",
  );
  assertEquals([Object.keys(saved).length, failed], [9, {}]);
});

Deno.test("getFiles counts a node once for a name that is given twice", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "x" });
  await using folder = await tempShare();
  const { saved, log } = await get(relay, folder.path, ["f", "f"]);
  assertEquals(Object.keys(saved), ["f"]);
  assertEquals(log.of("file_received").map(({ holders }) => holders), [1]);
});

Deno.test("getFiles asks again if a node closes the connection, but does not dial a node forever", async () => {
  await using relay = await startRelay();
  const files = small(60);
  let answered = 0;
  await using closeEarly = await startLyingNode(relay, files, {
    find: async (channel, message) => {
      if (++answered === 30) throw new Error("closes the connection");
      await honestExcept(files)(channel, message);
    },
  });
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, Object.keys(files));
  assertEquals(failed, {});
  assertEquals(filesIn(folder.path).length, 60);
  const finds = closeEarly.asked.filter(({ kind }) => kind === "find");
  assertEquals(finds.length >= 61, true);
});

Deno.test("getFiles dials a dead node once, for any number of names", async () => {
  await using relay = await startRelay();
  let dialCount = 0;
  await using _mute = await startEvilNode(relay, {
    identity: MALLORY,
    helloId: "not its id",
    lie: (channel, message) => {
      dialCount++;
      return sendRefusal(channel, message, { code: "not_found" });
    },
  });
  await using _good = await startLyingNode(relay, small(20), {
    identity: TRUDY,
  });
  await using folder = await tempShare();
  const { failed, log } = await get(
    relay,
    folder.path,
    Object.keys(small(21)),
  );
  assertEquals(failed, { n20: "not_found" });
  assertEquals(dialCount, 1);
  const answers = log.of("node_answered").filter(({ node }) =>
    node.id === MALLORY.id
  );
  assertEquals(answers.length, 21);
  assertEquals(new Set(answers.map(({ answer }) => answer.kind)).size, 1);
});

Deno.test("getFiles reaches the last node although eight before it are silent", async () => {
  await using relay = await startRelay({ limits: { reregisterCount: 99 } });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 8; n++) {
    const identity = await createIdentity();
    stack.use(
      await startEvilNode(relay, {
        identity,
        lie: honestExcept({}, { find: staySilent }),
      }),
    );
  }
  await using _good = await startNode(relay, { "f": "x" });
  await using folder = await tempShare();
  const { saved } = await within(
    get(relay, folder.path, ["f"], { limits: { queryPatienceMs: 50 } }),
    "the file",
  );
  assertEquals(Object.keys(saved), ["f"]);
});

Deno.test("Turns gives a limited number at once, and more if some are slow", async () => {
  const turns = new PeerSlots({ count: 2, mostCount: 3, patienceMs: 1 });
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const third = Promise.withResolvers<void>();
  const all = turns.each(ends.keys(), (n) => {
    begun.push(n);
    if (n === 2) third.resolve();
    return ends[n]!.promise;
  });
  await third.promise;
  assertEquals(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await all;
  assertEquals(begun, [0, 1, 2, 3, 4]);
});

Deno.test("Turns begins nothing after a failure, and throws it when running work has ended", async () => {
  const turns = new PeerSlots({ count: 1, mostCount: 1, patienceMs: 60_000 });
  const begun: number[] = [];
  const outcome = await turns.each([0, 1, 2], (n) => {
    begun.push(n);
    return n === 1 ? Promise.reject(new Error("one")) : Promise.resolve();
  }).catch((error) => error.message);
  assertEquals([outcome, begun], ["one", [0, 1]]);
});

Deno.test("A folder or a pattern instead of a name is reported as such", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "sub/a": "x", "ab": "x" });
  await using folder = await tempShare();
  const { log } = await get(relay, folder.path, ["sub", "none"]);
  assertEquals(log.of("file_failed").map(({ error }) => error.message), [
    "Cannot find file (sub): it is a folder; " +
    "get 'sub/' fetches what is in it, and ls 'sub/' lists it",
    "Cannot find file (none): the only node does not have it; check the name",
  ]);
  const pattern =
    "Cannot find file (a*): no node has a file with exactly that name, " +
    "and this command takes one file; " +
    "list the matches with ls 'a*', and take one of them";
  assertEquals((await fetch(relay, "a*")).message, pattern);
  const linking = makeLink({ relay: pinned(relay), name: "a*" });
  const error = await assertRejects(() => linking, Failure);
  assertEquals(error.message, pattern);
});
