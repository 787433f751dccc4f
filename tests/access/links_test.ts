/**
 * Links: how they are made, and what their receivers can do.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { parseLink } from "../../lib/access/link.ts";
import { fromBase64Url } from "../../lib/access/keys.ts";
import { decodePass, formatPass, linkKeyOf } from "../../lib/access/pass.ts";
import { makeLink } from "../../lib/client/link.ts";
import { listFiles } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { fetch, get } from "../client/_outcomes.ts";
import {
  linkTo,
  listedBy,
  MEMBER,
  SECRET,
  startMember,
  startPrivate,
} from "./_private.ts";

const BIG = randomBytes(3 * 256 * 1024 + 5, seededRandom(7));

Deno.test("A link fetches its file, from all nodes that have it, without a token", async () => {
  await using relay = await startPrivate();
  await using _a = await startMember(relay, { "b/big": BIG }, { name: "a" });
  await using _b = await startMember(relay, { "b/big": BIG }, {
    name: "b",
    which: 1,
  });
  const { access, content } = await linkTo(relay, "b/big");
  const found = await fetch(relay, "b/big", { access: access(), content });
  assertEquals(found.kind, null, found.message);
  assertEquals(found.content, BIG);
  assertEquals(found.log.answers.toSorted(), ["1 found", "2 found"]);
});

Deno.test("A link is valid for one fetch; continuing with that one is the same use", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { access, content } = await linkTo(relay, "a.txt");
  const kindOf = async (id: string) =>
    (await fetch(relay, "a.txt", { access: access(id), content })).kind;
  assertEquals(await kindOf("first-fetch-of-all"), null);
  assertEquals(await kindOf("first-fetch-of-all"), null);
  assertEquals(await kindOf("second-fetch-of-all"), "not_allowed");
  const listing = () => listedBy(relay, access("third-fetch-of-all"));
  const error = await assertRejects(listing, Failure, "it has no uses left");
  assertEquals(error.exitCode, 7);
});

Deno.test("A link for two uses is valid for two fetches", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { access, content } = await linkTo(relay, "a.txt", { uses: 2 });
  const kinds = [];
  for (
    const id of [
      "first-fetch-of-all",
      "second-fetch-of-all",
      "third-fetch-of-all",
    ]
  ) {
    const { kind } = await fetch(relay, "a.txt", {
      access: access(id),
      content,
    });
    kinds.push(kind);
  }
  assertEquals(kinds, [null, null, "not_allowed"]);
});

Deno.test("A link for another file gets nothing: not its name, not its bytes", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, {
    "a.txt": "abc",
    "b.txt": "top",
  });
  const { access } = await linkTo(relay, "a.txt");
  const other = await fetch(relay, "b.txt", { access: access() });
  assertEquals(other.kind, "not_allowed", other.message);
  const missing = await fetch(relay, "c.txt", { access: access() });
  assertEquals(missing.kind, "not_allowed");
  assertEquals(
    other.message.replace("b.txt", "c.txt"),
    missing.message,
  );
  const files = await listFiles({
    relay: relay.server.address,
    access: access(),
  });
  assertEquals(files.map(({ name }) => name), ["a.txt"]);
});

Deno.test("A link whose file has another content now says so, and fetches nothing", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  const { access, content } = await linkTo(relay, "a.txt");
  await Deno.writeTextFile(join(node.directory, "a.txt"), "something else");
  const { kind, message } = await fetch(relay, "a.txt", {
    access: access(),
    content,
  });
  assertEquals(kind, "not_found", message);
  assert(message.includes("different content"), message);
});

Deno.test("A link of an open relay fetches its file, and no other content", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a.txt": "abc" });
  const { text, isHeld } = await makeLink({
    relay: relay.server.address,
    name: "a.txt",
  });
  assertEquals(isHeld, false);
  const { relay: at, name, content, pass } = parseLink(text);
  assertEquals(pass, undefined);
  assertEquals(at.id, relay.identity.id);
  assertEquals((await fetch(relay, name, { content })).kind, null);
  await Deno.writeTextFile(join(node.directory, "a.txt"), "something else");
  await using folder = await tempShare();
  const one = await fetch(relay, name, { content });
  const { kind, message } = one;
  assertEquals(kind, "not_found", message);
  assert(message.includes("nodes have different content under that name now"));
  const { failed } = await get(relay, folder.path, [name], { content });
  assertEquals(failed, { [name]: "not_found" });
});

Deno.test("makeLink waits for the node to hash a large file, and links the content most nodes have", async () => {
  await using relay = await startPrivate();
  const large = { hashOnFindBytes: 0 };
  await using _a = await startMember(relay, { "f": BIG }, { limits: large });
  await using _b = await startMember(relay, { "f": BIG }, { which: 1 });
  await using _c = await startMember(relay, { "f": "other" }, { which: 2 });
  const { content, access } = await linkTo(relay, "f");
  const found = await fetch(relay, "f", { access: access(), content });
  assertEquals(found.kind, null, found.message);
  assertEquals(found.content, BIG);
});

Deno.test("makeLink says that no node has the file, and that its name is too long", async () => {
  await using relay = await startPrivate();
  const long = `${"a".repeat(200)}/${"b".repeat(200)}`;
  await using _node = await startMember(relay, { [long]: "abc" });
  const make = (name: string) =>
    makeLink({ relay: relay.server.address, access: MEMBER, name });
  const missing = await assertRejects(() => make("nothing"), Failure);
  assertEquals(missing.exitCode, 4);
  const tooLong = await assertRejects(
    () => make(long),
    Failure,
    "and the limit is 512",
  );
  assertEquals(tooLong.exitCode, 2);
  assertEquals((await assertRejects(() => make("../a"), Failure)).exitCode, 2);
});

Deno.test("An expired link gets nothing", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  // Made by the relay's own secret, an hour ago.
  const { access, content } = await linkTo(relay, "a.txt");
  const { pass } = access().link!;
  assert(pass !== undefined);
  const terms = decodePass(fromBase64Url(pass)!)!;
  assert("serial" in terms);
  const ended = formatPass(
    { ...terms, expires: terms.expires - 3_601 },
    { name: "a.txt", key: linkKeyOf(SECRET) },
  );
  const link = { ...access().link!, pass: ended };
  const { kind, message } = await fetch(relay, "a.txt", {
    access: { link },
    content,
  });
  assertEquals(kind, "not_allowed", message);
  assert(message.includes("it has expired"), message);
  assert(!message.includes(ended));
});
