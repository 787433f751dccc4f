/**
 * What a relay can know of the names that nodes share: what it is sent, and what
 * it has in memory.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createIdentity } from "../../../lib/identity/identity.ts";
import { type NodeEvent, serveNode } from "../../../lib/node/server.ts";
import { EventLog } from "../../_event_log.ts";
import { describeBytes } from "../../_lies.ts";
import { startRecording } from "../../_recording_proxy.ts";
import { tempShare } from "../../_temp_share.ts";

const NAMES = ["quagga folder/zebrafinch.txt", "axolotl.pdf"];
const PARTS = ["quagga", "zebrafinch", "axolotl"];
const NODE_NAME = "okapi-display-name";

/** A text as it stands in base64, whatever precedes it. */
function inBase64(text: string): string[] {
  return [0, 1, 2].map((shift) => {
    const bytes = new TextEncoder().encode("x".repeat(shift) + text);
    // The first and the last digits depend on the neighbours.
    return bytes.toBase64().slice(shift + 1, 4 * Math.floor(bytes.length / 3));
  });
}

function allForms(text: string): string[] {
  const hex = new TextEncoder().encode(text).toHex();
  return [text, hex, ...inBase64(text)];
}

/** A relay that can be dumped, and where it listens. */
async function startDumped(file: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check"],
      ...[join(import.meta.dirname!, "../../relay/_dumped_relay.ts"), file],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  const reader = lines.getReader();
  const { value = "" } = await reader.read();
  return {
    port: Number(value),
    /** Resolves to what the relay had in memory, as a heap snapshot. */
    dump: async (): Promise<string> => {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("\n"));
      writer.releaseLock();
      assertEquals((await reader.read()).value, "written\n");
      return await Deno.readTextFile(file);
    },
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await child.status;
      await reader.cancel();
    },
  };
}

Deno.test("Neither what a node sends nor the memory of its relay holds a name, also without encryption", async () => {
  await using folder = await tempShare();
  await using share = await tempShare(
    Object.fromEntries(NAMES.map((name) => [name, "text"])),
  );
  await using relay = await startDumped(join(folder.path, "heap"));
  await using toRelay = startRecording();
  toRelay.target = relay.port;
  const log = new EventLog<NodeEvent>();
  const identity = await createIdentity();
  await using _node = await serveNode({
    relay: { host: "127.0.0.1", port: toRelay.port },
    ...{ host: "127.0.0.1", port: 0, plaintext: true, name: NODE_NAME },
    identity,
    paths: [{ path: share.path }],
    limits: { renewMinSeconds: 1 },
    onEvent: log.onEvent,
  });
  // For each name itself and its last part, where it has folders, these, and
  // the one content.
  await log.until("indexed", (event) => event.fingerprints === 6);
  await log.until("renewed");
  assert(toRelay.saw(`{"id":"${identity.id}","renewal":"`), "by its token");
  const heap = await relay.dump();
  // The same search finds what the relay does know.
  assert(toRelay.saw(`"kind":"index"`) || toRelay.saw(`"epoch":`));
  const find = (text: string) =>
    allForms(text).map((form) => [toRelay.saw(form), heap.includes(form)]);
  const known = find(NODE_NAME);
  assert(known.some(([isSent]) => isSent), "the node's name was sent");
  assert(known.some(([, isHeld]) => isHeld), "the relay holds it");
  const { manifest } = describeBytes("", new TextEncoder().encode("text"));
  for (const part of [...PARTS, manifest.contentId]) {
    assertEquals(find(part).flat().includes(true), false, part);
  }
});
