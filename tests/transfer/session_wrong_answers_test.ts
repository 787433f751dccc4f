import { assertEquals, assertRejects } from "@std/assert";
import {
  ProtocolError,
  type ProtocolErrorCode,
} from "../../lib/base/errors.ts";
import {
  DIRECTION,
  type ListedFile,
  type NodeToClient,
} from "../../lib/protocol/messages.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import { sendData } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes } from "../_lies.ts";
import { asked, openSessionPair } from "../_session.ts";
import {
  type Answer,
  found,
  Keeper,
  piecesOf,
  refused,
  reply,
  VERSION,
} from "./_session.ts";

const LIST: readonly ListedFile[] = [];

/** A request, a wrong answer to it, and the resulting error. */
const NO_ANSWERS: Readonly<
  Record<
    string,
    readonly [
      (session: NodeSession) => Promise<unknown>,
      Answer,
      ProtocolErrorCode,
    ]
  >
> = {
  "a find by an answer to another request": [
    (session) => session.find("f"),
    reply(found(999)),
    "wrong_phase",
  ],
  "a find by file bytes": [
    (session) => session.find("f"),
    (node, request) => sendData(node, { request }, new Uint8Array(3)),
    "wrong_phase",
  ],
  "a find by a piece": [
    (session) => session.find("f"),
    (node, request) => node.send(piecesOf(request)),
    "wrong_phase",
  ],
  "a find by a listing": [
    (session) => session.find("f"),
    (node, request) =>
      node.send({ kind: "files", request, files: [...LIST], more: false }),
    "wrong_phase",
  ],
  "a read by bytes for which its receiver has no room": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 1 }, {
        target: () => Promise.resolve(new Uint8Array(0)),
        filled: () => {},
        pieces: () => {},
      }),
    (node, request) => sendData(node, { request }, new Uint8Array(3)),
    "wrong_phase",
  ],
  "a read by words that a file was found": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 1 }, new Keeper()),
    (node, request) => node.send(found(request)),
    "corrupt_piece",
  ],
  "a read by the hashes of more pieces than it asked for": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 2 }, new Keeper()),
    (node, request) => node.send(piecesOf(request, 3)),
    "corrupt_piece",
  ],
  "a read by the hashes of more pieces than are left": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 2 }, new Keeper()),
    (node, request) => node.send(piecesOf(request), piecesOf(request, 2)),
    "corrupt_piece",
  ],
  "a read by hashes after the last": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 2 }, new Keeper())
        .then(() => session.find("f")),
    (node, request) => node.send(piecesOf(request, 2), piecesOf(request)),
    "wrong_phase",
  ],
  "a read by the bytes of another request": [
    (session) =>
      session.read({ of: VERSION, first: 0, count: 1 }, new Keeper()),
    (node) => sendData(node, { request: 999 }, new Uint8Array(3)),
    "wrong_phase",
  ],
  "a describe by bytes without a manifest": [
    (session) => session.describe(VERSION),
    (node, request) => sendData(node, { request }, new Uint8Array(32)),
    "corrupt_piece",
  ],
  "a describe by two manifests": [
    (session) => session.describe(VERSION),
    async (node, request) => {
      const { manifest, sha256 } = describeBytes("f", new Uint8Array(3));
      const { size, contentId: content } = manifest;
      const said = {
        kind: "manifest",
        request,
        size,
        content,
        sha256,
      } as const;
      await node.send(said, said);
    },
    "wrong_phase",
  ],
  "a describe by more hashes than it has pieces": [
    (session) => session.describe(VERSION),
    async (node, request) => {
      const { manifest, sha256 } = describeBytes("f", new Uint8Array(3));
      const { size, contentId: content } = manifest;
      await node.send({ kind: "manifest", request, size, content, sha256 });
      await sendData(node, { request }, new Uint8Array(33));
    },
    "corrupt_piece",
  ],
  "a describe by a size that no file can have": [
    (session) => session.describe(VERSION),
    (node, request) =>
      node.send({
        kind: "manifest",
        request,
        size: 2 ** 40 + 1,
        content: "0".repeat(64),
        sha256: "0".repeat(64),
      }),
    "corrupt_piece",
  ],
  "a browse by words that a file was found": [
    (session) => Array.fromAsync(session.browse("")),
    (node, request) => node.send(found(request)),
    "wrong_phase",
  ],
  "a browse by pages that hold nothing and do not end": [
    (session) => Array.fromAsync(session.browse("")),
    async (node, request) => {
      for (let n = 0; n < 100; n++) {
        await node.send({ kind: "files", request, files: [], more: true });
      }
    },
    "corrupt_piece",
  ],
};

for (const [what, [ask, answer, code]] of Object.entries(NO_ANSWERS)) {
  Deno.test(`NodeSession ends a node that answers ${what}`, async () => {
    await using talking = await openSessionPair();
    const { session, node, conns } = talking;
    const asking = assertRejects(() => ask(session), ProtocolError);
    const next = assertRejects(() => session.find("g"), ProtocolError);
    const first = await within(node.receive(DIRECTION.clientToNode), "it");
    // It may close the connection in the middle of this.
    await answer(node, first!.request).catch(() => {});
    assertEquals((await within(asking, "the end")).code, code);
    // And so does everything that waits, and comes later.
    assertEquals((await within(next, "the end")).code, code);
    const later = await assertRejects(() => session.find("h"), ProtocolError);
    assertEquals(later.code, code);
    await assertRejects(() => conns[0].write(Uint8Array.of(0)));
  });
}

Deno.test("NodeSession refuses an answer that came before its request", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  await node.send(piecesOf(2));
  const error = await assertRejects(() => session.find("f"), ProtocolError);
  assertEquals(error.code, "wrong_phase");
});

for (
  const [what, message, code] of [
    ["ends the conversation", refused(), "wrong_phase"],
    ["sends a relay's message", { kind: "withdrawn" }, "wrong_phase"],
    ["closes the connection", null, "truncated"],
  ] as const
) {
  Deno.test(`NodeSession rejects all waiting calls when the node ${what}`, async () => {
    await using talking = await openSessionPair();
    const { session, node } = talking;
    const waiting = [
      session.read({ of: VERSION, first: 0, count: 1 }, new Keeper()),
      session.find("f"),
    ].map((answer) => assertRejects(() => answer, ProtocolError));
    await asked(node, "read");
    if (message === null) await node.close();
    else await node.send(message as NodeToClient);
    for (const failing of waiting) {
      assertEquals((await within(failing, "the end")).code, code);
    }
  });
}
