/**
 * The commands `ls` and `search`, and what `get`, `cat` and `link` say of a name
 * that no node has.
 */

import { assertEquals } from "@std/assert";
import { type OutcomeHere, runRoleHere } from "../../_here.ts";
import { startNode, startRelay, type TestRelay } from "../../_network.ts";
import { namesIn } from "../../e2e/_transfer.ts";
import { tempShare } from "../../_temp_share.ts";

/** A relay, and two nodes whose files are all named here. */
async function household() {
  const stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  stack.use(
    await startNode(relay, {
      "work/report.pdf": "one",
      "work/Annual Report 2024.pdf": "annual",
      "photos/2024/summer/IMG_4001.JPG": "img",
      "photos/a10.jpg": "x",
      "photos/a2.jpg": "x",
      "docs/.secret/report.txt": "hidden",
    }, { name: "nas", hidden: true }),
  );
  stack.use(
    await startNode(relay, { "old/report.pdf": "other" }, { name: "laptop" }),
  );
  return Object.assign(relay, {
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  });
}

function run(relay: TestRelay, ...args: string[]): Promise<OutcomeHere> {
  return runRoleHere("peer_client.ts", [relay.server.relayAddress, ...args]);
}

/** The names in the rows of `ls`. */
function rowsOf({ text }: OutcomeHere): string[] {
  return text.split("\n").slice(0, -1).map((row) => row.split(/ only +/)[1]!);
}

const ALL = [
  "old/report.pdf",
  "photos/2024/summer/IMG_4001.JPG",
  "photos/a2.jpg",
  "photos/a10.jpg",
  "work/Annual Report 2024.pdf",
  "work/report.pdf",
];

for (
  const [args, names] of [
    [["ls"], ALL],
    [["ls", "photos"], ALL.slice(1, 4)],
    [["ls", "photos/2024"], ALL.slice(1, 2)],
    [["ls", "-i", "PHOTOS"], ALL.slice(1, 4)],
    [["ls", "-i", "**/*.jpg"], ALL.slice(1, 4)],
    [["ls", "**/*.jpg"], ALL.slice(2, 4)],
    [["ls", "REPORT"], [ALL[0], ALL[5], ALL[4]]],
    [["ls", "report.pdf"], [ALL[0], ALL[5]]],
    [["search", "pdf", "REPORT"], [ALL[0], ALL[5], ALL[4]]],
    [["search", "2024 pdf"], [ALL[4]]],
    [["search", "summer"], [ALL[1]]],
    [["search", ".secret"], ["docs/.secret/report.txt"]],
  ] as const
) {
  Deno.test(`${args.join(" ")} lists ${names.length} names, in their order`, async () => {
    await using relay = await household();
    const outcome = await run(relay, ...args);
    assertEquals(outcome.code, 0, outcome.stderr.join("\n"));
    assertEquals(rowsOf(outcome), names);
  });
}

for (
  const [args, error] of [
    [
      ["ls", "reprot"],
      "Cannot list files (reprot): no active node has a file that matches; did you mean old/report.pdf or work/report.pdf? if not, list all files with ls alone",
    ],
    [
      ["search", "report", "nothing"],
      "Cannot list files (report nothing): no active node has a file that matches; list all files with ls alone",
    ],
    [
      ["cat", "Report.PDF"],
      "Cannot find file (Report.PDF): none of 2 nodes has it; did you mean old/report.pdf or work/report.pdf? if not, check the name",
    ],
    [
      ["cat", "photos"],
      "Cannot find file (photos): it is a folder; get 'photos/' fetches what is in it, and ls 'photos/' lists it",
    ],
    [
      ["link", "summer"],
      "Cannot find file (summer): none of 2 nodes has it; did you mean photos/2024/summer/? if not, check the name",
    ],
  ] as const
) {
  Deno.test(`${args.join(" ")} ends with 4 and a suggestion`, async () => {
    await using relay = await household();
    const { code, stderr } = await run(relay, ...args);
    assertEquals([code, stderr.at(-1)], [4, `error: ${error}`]);
  });
}

Deno.test("search without a word is a wrong use", async () => {
  await using relay = await household();
  const { code, stderr } = await run(relay, "search", " ");
  assertEquals([code, stderr.at(-1)], [
    2,
    "error: Cannot start: search needs a word; usage: peer_client.ts RELAY search TEXT…",
  ]);
});

Deno.test("cat prints the only file that ends in a name, and names it on stderr", async () => {
  await using relay = await household();
  const { code, text, stderr } = await run(relay, "cat", "IMG_4001.JPG");
  assertEquals([code, text], [0, "img"]);
  assertEquals(stderr, [
    "taking photos/2024/summer/IMG_4001.JPG, 3 bytes",
  ]);
  const quiet = await run(relay, "--quiet", "cat", "IMG_4001.JPG");
  assertEquals([quiet.text, quiet.stderr], ["img", []]);
});

Deno.test("get lists different files that end in a name, with size, date and nodes, and fetches none", async () => {
  await using relay = await household();
  await using folder = await tempShare();
  const { code, stderr } = await run(
    relay,
    ...["get", "report.pdf", "-o", `${folder.path}/`],
  );
  const rows = stderr.map((line) =>
    line.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\dZ/g, "DATE")
  );
  assertEquals([code, rows], [4, [
    "no node has report.pdf itself, and 2 different files end in it:",
    "  old/report.pdf  5 bytes, written DATE, on laptop",
    "  work/report.pdf  3 bytes, written DATE, on nas",
    "error: Cannot choose file (report.pdf): no node has exactly that name, " +
    "and 2 different files end in it; name one of them by its whole path",
  ]]);
  assertEquals(namesIn(folder), []);
});

Deno.test("The name of a folder cannot be saved under the name of one file", async () => {
  await using relay = await household();
  await using folder = await tempShare({ "there": "x" });
  const { code, stderr } = await run(
    relay,
    ...["get", "photos", "-o", `${folder.path}/there`],
  );
  assertEquals([code, stderr.at(-1)], [
    8,
    `error: Cannot save to (${folder.path}/there): not a folder; name a folder with -o`,
  ]);
});

Deno.test("The dialogue uses a name unchanged, and looks for no part of it", async () => {
  await using relay = await household();
  const { code, stderr } = await runRoleHere(
    "peer_client.ts",
    [relay.server.relayAddress],
    { input: "IMG_4001.JPG\n" },
  );
  assertEquals(code, 4);
  assertEquals(stderr.filter((line) => line.includes("taking")), []);
});

/** Rows with a word in place of the time. */
function undated({ text }: OutcomeHere): string[] {
  return text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d/g, "DATE").split("\n")
    .slice(0, -1);
}

Deno.test("ls shows size, date, nodes and whether contents differ, and the total on stderr", async () => {
  await using relay = await startRelay();
  await using _nas = await startNode(relay, { "a": "one", "b": "x" }, {
    name: "nas",
  });
  await using _laptop = await startNode(relay, { "a": "one", "c/d": "12345" }, {
    name: "laptop",
  });
  await using _desk = await startNode(relay, { "a": "two" }, { name: "desk" });
  const all = await run(relay, "ls");
  assertEquals(undated(all), [
    "3  DATE  desk,laptop,nas  differs  a",
    "1  DATE  nas              only     b",
    "5  DATE  laptop           only     c/d",
  ]);
  assertEquals(all.stderr, ["3 files, 9 bytes"]);
  const one = await run(relay, "ls", "--depth", "1", "--sort", "size", "-r");
  assertEquals(undated(one), [
    "1  DATE  nas              only     b",
    "3  DATE  desk,laptop,nas  differs  a",
    "5  DATE  1 file                    c/",
  ]);
  const tree = await run(relay, "--quiet", "ls", "--tree", "c");
  assertEquals([undated(tree), tree.stderr], [
    ["5  DATE  laptop  only  d"],
    [],
  ]);
});

Deno.test("ls distinguishes nodes of one name, and gives their ids with --json", async () => {
  await using relay = await startRelay();
  await using one = await startNode(relay, { "a": "x" }, { name: "pi" });
  await using two = await startNode(relay, { "a": "x" }, { name: "pi" });
  const ids = [one, two].map(({ server }) => server.id).sort();
  const names = ids.map((id) => `pi.${id.slice(0, 4)}`).join(",");
  assertEquals(undated(await run(relay, "ls")), [`1  DATE  ${names}  a`]);
  const { text } = await run(relay, "--json", "ls");
  const events = text.trim().split("\n").map((line) => JSON.parse(line));
  const [file, total] = events.slice(-2);
  assertEquals([file.event, file.nodes.toSorted()], ["file", ids]);
  assertEquals(total, { v: 1, event: "files_listed", files: 1, bytes: 1 });
});

Deno.test("ls --sort none has a line for each file of each node, and a sum", async () => {
  await using relay = await startRelay();
  const files = { "a2": "x", "a10": "x", "b/c": "four" };
  await using _one = await startNode(relay, files, { name: "nas" });
  await using _two = await startNode(relay, { "b/c": "four" }, { name: "pi" });
  const outcome = await run(relay, "ls", "--sort", "none");
  assertEquals(undated(outcome).map((row) => row.trim()).sort(), [
    "1  DATE  nas  a10",
    "1  DATE  nas  a2",
    "4  DATE  nas  b/c",
    "4  DATE  pi  b/c",
  ]);
  assertEquals(outcome.stderr.at(-1), "4 files, 10 bytes");
  const { text } = await run(relay, "--json", "ls", "--sort=none", "b/");
  const events = text.trim().split("\n").map((line) => JSON.parse(line));
  const found = events.filter(({ event }) => event === "file");
  assertEquals(
    found.map(({ name, size, nodeCount }) => [name, size, nodeCount]),
    [["b/c", 4, 1], ["b/c", 4, 1]],
  );
  assertEquals(new Set(found.flatMap(({ nodes }) => nodes)).size, 2);
  assertEquals(events.at(-1).bytes, 8);
  const nothing = await run(relay, "ls", "--sort=none", "z/");
  assertEquals(nothing.code, 4);
});

for (
  const option of [
    ...["--sort=colour", "--depth=0"],
    ...["--tree", "--reverse", "--depth=1"].map((one) => `--sort=none ${one}`),
  ]
) {
  Deno.test(`ls ${option} is refused before the relay is asked`, async () => {
    const { code, stderr } = await runRoleHere("peer_client.ts", [
      ...["127.0.0.1:1", "ls", ...option.split(" ")],
    ]);
    assertEquals([code, stderr.length], [2, 1]);
  });
}
