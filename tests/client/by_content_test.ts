/**
 * Links to files of a large relay: the nodes that have hashed the content are
 * asked first, and hide nobody.
 */

import { assertEquals } from "@std/assert";
import { fingerprintOf } from "../../lib/content/fingerprints.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { type Lie, sendRefusal, startEvilNode } from "../_evil_node.ts";
import {
  describeBytes,
  honestExcept,
  type Lies,
  sendOtherContent,
  sendWrongBytes,
} from "../_lies.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, fetch, get } from "./_outcomes.ts";
import {
  askedIn,
  BY_INDEX,
  listedIn,
  startAll,
  startIndexed,
} from "./_indexed.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const contentOf = (text: string) =>
  describeBytes("a", bytesOf(text)).manifest.contentId;

/** A node that sends the index that the test gives it. */
async function startWithIndex(
  relay: TestRelay,
  { name, lie, contents, names = ["a"] }: {
    name: string;
    lie: Lie;
    contents: readonly string[];
    names?: readonly string[];
  },
) {
  return await startEvilNode(relay, {
    ...{ name, lie, identity: await createIdentity() },
    index: (key) => [
      ...names.map((one) => fingerprintOf(key, "name", one)),
      ...contents.map((one) => fingerprintOf(key, "content", one)),
    ],
  });
}

Deno.test("A link asks only the nodes that have hashed its content", async () => {
  await using relay = await startRelay();
  await using stack = new AsyncDisposableStack();
  for (const text of ["one", "two", "three"]) {
    const lie = honestExcept({ a: bytesOf(text) });
    const contents = [contentOf(text)];
    stack.use(await startWithIndex(relay, { name: text, lie, contents }));
  }
  const options = { ...BY_INDEX, content: contentOf("two") };
  const { message, log } = await fetch(relay, "a", options);
  assertEquals([message, askedIn(log)], ["", ["two"]]);
  assertEquals(listedIn(log), [["two"], 3]);
  await using folder = await tempShare();
  const got = await get(relay, folder.path, ["a"], options);
  assertEquals([Object.keys(got.saved), askedIn(got.log)], [["a"], ["two"]]);
});

Deno.test("A node reports the contents that it has hashed, and a link finds them", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, [{ "b": "b" }, { "c": "c" }]);
  await using node = await startIndexed(relay, { "a": "hashed" }, {
    limits: { indexPauseMs: 1, renewMinSeconds: 1 },
  });
  // A name, its last part, and the content.
  await node.log.until("indexed", (event) => event.fingerprints === 3);
  const content = contentOf("hashed");
  const { message, log } = await fetch(relay, "a", { ...BY_INDEX, content });
  assertEquals([message, listedIn(log)[1], askedIn(log).length], ["", 3, 1]);
});

const WANTED = bytesOf("wanted");
const refuses = { code: "gone", text: "no" };

const LIARS: Record<string, Lie> = {
  "has no such name": honestExcept({ b: WANTED }),
  "has another content": honestExcept({ a: bytesOf("other") }),
  "does not read it": honest({
    read: (channel, message) => sendRefusal(channel, message, refuses),
  }),
  "does not describe it": honest({
    read: (channel, message) => sendRefusal(channel, message, refuses),
    describe: (channel, message) => sendRefusal(channel, message, refuses),
  }),
  "sends wrong bytes": honest({ piece: sendWrongBytes }),
  "sends another content": honest({ piece: sendOtherContent }),
};

function honest(lies: Lies): Lie {
  return honestExcept({ a: WANTED }, lies);
}

for (const [what, lie] of Object.entries(LIARS)) {
  for (const unhashed of [false, true]) {
    const who = unhashed
      ? "one that has not hashed it"
      : "one of the same name";
    Deno.test(`A node that claims a content and ${what} does not hide it at ${who}`, async () => {
      await using relay = await startRelay();
      const contents = [contentOf("wanted")];
      const liar = { name: "liar", lie, contents };
      await using _liar = await startWithIndex(relay, liar);
      await using _other = await startWithIndex(relay, {
        ...{ name: "honest", contents: [] },
        lie: honest({ unhashed }),
      });
      const options = { ...BY_INDEX, content: contents[0]! };
      await using folder = await tempShare();
      const { saved, failed } = await get(relay, folder.path, ["a"], options);
      assertEquals([Object.keys(saved), failed], [["a"], {}]);
      assertBytes(await Deno.readFile(saved["a"]!), WANTED);
      const { content, message } = await fetch(relay, "a", options);
      assertEquals(message, "");
      assertBytes(content, WANTED);
    });
  }
}

for (const isSame of [true, false]) {
  const then = isSame ? "keep the existing file" : "replace another file";
  Deno.test(`A node that claims the content of a link and does not describe it does not keep a dry run from reporting that it would ${then}`, async () => {
    await using relay = await startRelay();
    const contents = [contentOf("wanted")];
    const lie = LIARS["does not describe it"]!;
    await using _liar = await startWithIndex(relay, {
      ...{ name: "liar", lie, contents },
    });
    await using _other = await startWithIndex(relay, {
      ...{ name: "honest", contents: [], lie: honest({}) },
    });
    await using folder = await tempShare({ a: isSame ? "wanted" : "wonted" });
    const { failed, log } = await get(relay, folder.path, ["a"], {
      ...{ ...BY_INDEX, content: contents[0]! },
      ...{ dryRun: true, overwrite: true },
    });
    const planned = log.of("file_planned").map(({ action, nodes }) =>
      [action, nodes.map(({ name }) => name)] as const
    );
    const action = isSame ? "keep" : "replace";
    assertEquals([failed, planned], [{}, [[action, ["honest"]]]]);
  });
}
