/**
 * Names that no node has, and what they stand for: the last part of longer
 * names, folders, or names that come near.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { makeLink } from "../../lib/client/link.ts";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { describeBytes } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { type ClientLog, fetch, get, pinned } from "./_outcomes.ts";
import { read } from "./_setting.ts";

const ANYWHERE = { anywhere: true };

/** The names that were taken in place of others. */
function takenIn(log: ClientLog): string[] {
  return log.of("found_as").map(({ name, found, paths }) =>
    `${name}: ${found.name}, ${paths}`
  );
}

/** The names that a name may stand for. */
function severalIn(log: ClientLog): string[] {
  return log.of("found_several").flatMap(({ files }) =>
    files.map(({ name, size, nodes }) => `${name} ${size} ${nodes.length}`)
  );
}

function messagesOf(log: ClientLog): string[] {
  return log.of("file_failed").map(({ error }) => error.message);
}

Deno.test("getFiles fetches the only file that ends in a missing name, and names it", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "photos/2024/summer/a.jpg": "summer",
    "photos/2024/winter/b.jpg": "winter",
    "xa.jpg": "another",
  });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    ["a.jpg", "winter/b.jpg"],
    ANYWHERE,
  );
  assertEquals(failed, {});
  assertEquals(Object.keys(saved).sort(), [
    "photos/2024/summer/a.jpg",
    "photos/2024/winter/b.jpg",
  ]);
  assertEquals(takenIn(log).sort(), [
    "a.jpg: photos/2024/summer/a.jpg, 1",
    "winter/b.jpg: photos/2024/winter/b.jpg, 1",
  ]);
  assertEquals(log.of("progress").at(-1)?.files, 2);
});

Deno.test("getFiles and fetchFile read no list if a node has the exact name", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a": "this", "d/a": "other" });
  await using folder = await tempShare();
  const got = await get(relay, folder.path, ["a"], ANYWHERE);
  const fetched = await fetch(relay, "a", ANYWHERE);
  assertEquals(Object.keys(got.saved), ["a"]);
  assertEquals(new TextDecoder().decode(fetched.content!), "this");
  for (const { log } of [got, fetched]) assertEquals(takenIn(log), []);
});

Deno.test("getFiles looks for a part of a name only if requested", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "d/a": "x" });
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, ["a"]);
  assertEquals(failed, { "a": "not_found" });
  assertEquals(takenIn(log), []);
  assertEquals((await fetch(relay, "a")).kind, "not_found");
});

Deno.test("Of different files with one last part none is fetched, and all are listed with size and nodes", async () => {
  await using relay = await startRelay();
  await using _one = await startNode(relay, { "work/r.pdf": "one" });
  await using _two = await startNode(relay, {
    "old/r.pdf": "other",
    "work/r.pdf": "one",
  });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    ["r.pdf"],
    ANYWHERE,
  );
  assertEquals([saved, failed], [{}, { "r.pdf": "not_found" }]);
  assertEquals(severalIn(log), ["old/r.pdf 5 1", "work/r.pdf 3 2"]);
  assertEquals(messagesOf(log), [
    "Cannot choose file (r.pdf): no node has exactly that name, and 2 " +
    "different files end in it; name one of them by its whole path",
  ]);
  const fetched = await fetch(relay, "r.pdf", ANYWHERE);
  assertEquals([fetched.kind, severalIn(fetched.log)], [
    "not_found",
    severalIn(log),
  ]);
  const linking = () =>
    makeLink({ relay: pinned(relay), name: "r.pdf", ...ANYWHERE });
  await assertRejects(linking, Failure, "2 different files end in it");
});

Deno.test("One name with different contents counts as different files", async () => {
  await using relay = await startRelay();
  await using _one = await startNode(relay, { "d/a": "one" });
  await using _two = await startNode(relay, { "d/a": "two" });
  await using _three = await startNode(relay, { "d/a": "two" });
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, ["a"], ANYWHERE);
  assertEquals(failed, { "a": "not_found" });
  assertEquals(severalIn(log), ["d/a 3 2", "d/a 3 1"]);
});

Deno.test("One content under several names is one file, with the name that most nodes have", async () => {
  await using relay = await startRelay();
  await using _one = await startNode(relay, { "b/a": "same", "c/a": "same" });
  await using _two = await startNode(relay, { "c/a": "same" });
  await using folder = await tempShare();
  const { saved, log } = await get(relay, folder.path, ["a"], ANYWHERE);
  assertEquals(Object.keys(saved), ["c/a"]);
  assertEquals(takenIn(log), ["a: c/a, 2"]);
});

Deno.test("A wanted SHA-256 decides between different files with one last part", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "b/a": "one", "c/a": "two" });
  await using folder = await tempShare();
  const { sha256 } = describeBytes("a", new TextEncoder().encode("two"));
  const options = { ...ANYWHERE, sha256 };
  const { saved, failed } = await get(relay, folder.path, ["a"], options);
  assertEquals([Object.keys(saved), failed], [["c/a"], {}]);
  const other = { ...ANYWHERE, sha256: "0".repeat(64) };
  const { kind, message } = await fetch(relay, "a", other);
  assertEquals([kind, message], [
    "not_found",
    "Cannot find file (a): no node has it with that SHA-256",
  ]);
});

Deno.test("The many names of one node hide no file of another with a wanted SHA-256", async () => {
  await using relay = await startRelay();
  const many = Array.from({ length: 40 }, (_, n) => [`${n}/a`, `other ${n}`]);
  await using _one = await startNode(relay, Object.fromEntries(many));
  await using _other = await startNode(relay, { "z/a": "wanted" });
  await using folder = await tempShare();
  const { sha256 } = describeBytes("a", new TextEncoder().encode("wanted"));
  const options = { ...ANYWHERE, sha256 };
  const { saved, failed } = await get(relay, folder.path, ["a"], options);
  assertEquals([Object.keys(saved), failed], [["z/a"], {}]);
});

Deno.test("A chosen node decides between different files with one last part", async () => {
  await using relay = await startRelay();
  await using _one = await startNode(relay, { "b/a": "one" }, { name: "one" });
  await using _two = await startNode(relay, { "c/a": "two" }, { name: "two" });
  const { content, log } = await fetch(relay, "a", {
    ...ANYWHERE,
    node: "two",
  });
  assertEquals(new TextDecoder().decode(content!), "two");
  assertEquals(takenIn(log), ["a: c/a, 1"]);
});

Deno.test("A name matches nothing below a hidden folder, unless it has the dot", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "work/.git/config": "hidden",
    "home/.profile": "typed",
  }, { hidden: true });
  const hidden = await fetch(relay, "config", ANYWHERE);
  assertEquals([hidden.kind, hidden.message], [
    "not_found",
    "Cannot find file (config): the only node does not have it; check the name",
  ]);
  const typed = await fetch(relay, ".profile", ANYWHERE);
  assertEquals(takenIn(typed.log), [".profile: home/.profile, 1"]);
  const folder = await fetch(relay, ".git/config", ANYWHERE);
  assertEquals(takenIn(folder.log), [".git/config: work/.git/config, 1"]);
});

Deno.test("getFiles fetches the contents of a folder by its name, with sub-folders", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "docs/a": "a",
    "docs/sub/b": "b",
    "docs/.hidden": "h",
  }, { hidden: true });
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, ["docs"], ANYWHERE);
  assertEquals(failed, {});
  assertEquals(
    log.of("file_received").map(({ path }) => path).sort(),
    ["docs/a", "docs/sub/b"].map((name) => join(folder.path, name)),
  );
  assertEquals(log.of("names_left_out").map(({ names }) => names), [1]);
  assertEquals(
    (await fetch(relay, "docs", ANYWHERE)).message,
    "Cannot find file (docs): it is a folder; get 'docs/' fetches what is in it, and ls 'docs/' lists it",
  );
});

Deno.test("A folder on one node does not replace a file on another that ends in its name", async () => {
  await using relay = await startRelay();
  await using _honest = await startNode(relay, { "sub/plain.txt": "honest" });
  await using _evil = await startNode(relay, {
    "plain.txt/a.sh": "evil",
    "plain.txt/b.sh": "evil",
  });
  await using folder = await tempShare();
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    ["plain.txt"],
    ANYWHERE,
  );
  assertEquals([saved, failed], [{}, { "plain.txt": "not_found" }]);
  const [several] = log.of("found_several");
  assertEquals([severalIn(log), several?.isFolder], [
    ["sub/plain.txt 6 1"],
    true,
  ]);
  assertEquals(messagesOf(log), [
    "Cannot choose file (plain.txt): it is the name of a folder, and one file " +
    "has a longer name that ends in it; name a file by its whole path, or the " +
    "folder with a slash at its end",
  ]);
  // A command that takes one file cannot mean the folder.
  const fetched = await fetch(relay, "plain.txt", ANYWHERE);
  assertEquals(new TextDecoder().decode(fetched.content!), "honest");
});

Deno.test("A file that is named twice, by its last part and otherwise, is fetched once", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "d/a": "x", "d/b": "y" });
  await using folder = await tempShare();
  const wanted = ["a", "d/a", "b", parseSelection("d/b*"), "d"];
  const { failed, log } = await get(relay, folder.path, wanted, ANYWHERE);
  assertEquals(failed, {});
  assertEquals(
    log.of("file_received").map(({ name }) => name).sort(),
    ["d/a", "d/b"],
  );
});

Deno.test("A name without a match is answered with at most three similar names, escaped", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "work/report.pdf": "x",
    "a/rapport.pdf": "x",
    "b/reports.pdf": "x",
    "c/REPORT.PDF": "x",
    "summer/x": "x",
  });
  const { kind, message } = await fetch(relay, "Report.pdf", ANYWHERE);
  assertEquals([kind, message], [
    "not_found",
    "Cannot find file (Report.pdf): the only node does not have it; did you " +
    "mean c/REPORT.PDF, work/report.pdf or b/reports.pdf? if not, check the name",
  ]);
  await using folder = await tempShare();
  const { log } = await get(relay, folder.path, ["sumer/x"], ANYWHERE);
  assertEquals(messagesOf(log), [
    "Cannot find file (sumer/x): the only node does not have it; did you mean summer/x? if not, check the name",
  ]);
});

Deno.test("Ignoring case, a name finds the file that differs only in case", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "d/IMG_1.JPG": "x" });
  await using folder = await tempShare();
  const options = { ...ANYWHERE, ignoreCase: true };
  const { saved } = await get(relay, folder.path, ["img_1.jpg"], options);
  assertEquals(Object.keys(saved), ["d/IMG_1.JPG"]);
  const { text, name } = await makeLink({
    relay: pinned(relay),
    name: "D/img_1.jpg",
    ...options,
  });
  assertEquals([name, text.endsWith("/d/IMG_1.JPG")], ["d/IMG_1.JPG", true]);
});

Deno.test("getFiles looks for hundreds of missing names and folders in one pass", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`deep/down/f${n}`, `${n}`]),
  );
  await using _node = await startNode(relay, { ...files, "docs/x": "x" });
  await using folder = await tempShare();
  const wanted = [...Array.from({ length: 300 }, (_, n) => `f${n}`), "docs"];
  const { saved, failed, log } = await get(
    relay,
    folder.path,
    wanted,
    ANYWHERE,
  );
  assertEquals([Object.keys(saved).length, failed], [301, {}]);
  assertEquals(log.of("found_as").length, 300);
  assertEquals(
    new TextDecoder().decode(
      await read(folder, "deep/down/f299"),
    ),
    "299",
  );
});

Deno.test("A client that waits for a name does not wait if different files end in it", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "b/a": "one", "c/a": "two" });
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, ["a"], {
    ...ANYWHERE,
    waitMs: 3_600_000,
  });
  assertEquals(failed, { "a": "not_found" });
  assertEquals(log.of("found_several").length, 1);
  assertEquals(log.of("waiting_for_files"), []);
  assertEquals(messagesOf(log).length, 1);
});
