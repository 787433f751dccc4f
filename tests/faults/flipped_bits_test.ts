/**
 * Bits that flip on the way between a client and a node.
 */

import { assert, assertEquals } from "@std/assert";
import { fetchFile } from "../../lib/client/fetch.ts";
import { Failure } from "../../lib/base/errors.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import {
  FILE,
  getInTime,
  LIMITS,
  MIDDLE,
  onEachConnection,
  startGood,
  startNetwork,
  towardsClient,
} from "./_proxied.ts";

Deno.test("Fault proxy: a bit that flips on the way ends a connection under TLS, and the client continues", async () => {
  const faults = towardsClient({ flipAt: 200_000 });
  await using network = await startNetwork({ faults });
  await using folder = await tempShare();
  const alone = await getInTime(network, folder);
  assertEquals(alone.failed, { "f": "undelivered" });
  assertEquals(alone.log.trouble.includes("faulty lied, out"), false);
  await using _good = await startGood(network.relay, "TLS");
  const { saved } = await getInTime(network, folder);
  assertEquals(Object.keys(saved), ["f"]);
});

Deno.test("Fault proxy: a bit that flips in plaintext is caught by the piece's hash, and the node is named", async () => {
  const faults = towardsClient({ flipAt: MIDDLE });
  await using network = await startNetwork({ mode: "plaintext", faults });
  await using folder = await tempShare();
  const alone = await getInTime(network, folder, { mode: "plaintext" });
  assertEquals(alone.failed, { "f": "corrupt" });
  assertEquals(alone.log.trouble, ["faulty lied, out"]);
  assertEquals(
    alone.log.of("node_trouble")[0]?.node.id,
    network.faulty.server.id,
  );
  await using _good = await startGood(network.relay, "plaintext");
  const { saved, log } = await getInTime(network, folder, {
    mode: "plaintext",
  });
  assertEquals(Object.keys(saved), ["f"]);
  // It may have been asked for other pieces this time, that passed unchanged.
  assert(log.trouble.every((words) => words === "faulty lied, out"));
});

// Hellos, what was found, the head of a manifest, its hashes, the head of a
// data frame: wherever the bit is, a wrong file is not what comes of it.
for (const at of [0, 3, 9, 60, 200, 300, 500, 700, 1_000, 1_500, 3_000]) {
  Deno.test(`Fault proxy: a bit that flips in byte ${at} in plaintext makes no wrong file`, async () => {
    const faults = towardsClient({ flipAt: at });
    await using network = await startNetwork({ mode: "plaintext", faults });
    await using folder = await tempShare();
    const { saved, failed } = await getInTime(network, folder, {
      mode: "plaintext",
      limits: { sourceFailureCount: 1 },
    });
    assertEquals(Object.keys({ ...saved, ...failed }), ["f"]);
  });
}

for (const flipAt of [undefined, MIDDLE]) {
  const what = flipAt === undefined ? "cut off" : "changed on the way";
  Deno.test(`Fault proxy: a stream that is ${what} has delivered no wrong byte`, async () => {
    const faults = flipAt === undefined
      ? onEachConnection({ cutAfter: MIDDLE })
      : towardsClient({ flipAt });
    await using network = await startNetwork({ mode: "plaintext", faults });
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reading = async () => {
      await using file = await fetchFile({
        relay: network.relay.server.address,
        name: "f",
        plaintext: true,
        limits: LIMITS,
      });
      for await (const part of file.pieces()) parts.push(part.slice());
    };
    const failure = await within(
      reading().then(() => undefined, (error) => error),
      "the end of the stream",
    );
    assert(failure instanceof Failure, String(failure));
    assertEquals(
      failure.kind,
      flipAt === undefined ? "undelivered" : "corrupt",
    );
    const given = new Uint8Array(await new Blob(parts).arrayBuffer());
    assert(given.length > 0);
    assertEquals(given, FILE.subarray(0, given.length));
  });
}
