/**
 * Receipts by real processes: written by `get`, checked by `verify`.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import {
  readReceipt,
  type Receipt,
  ReceiptWriter,
} from "../../../lib/cli/commands/receipt.ts";
import type { ListedNode } from "../../../lib/client/nodes.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { createSha256 } from "../../../lib/base/hash.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { accessTo, namesIn } from "../../e2e/_transfer.ts";
import { type HostAnswer, RoleHost } from "../../e2e/_role_host.ts";
import { runRoleHere } from "../../_here.ts";
import { describeBytes } from "../../_lies.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { runRole, spawnRole } from "../../e2e/_processes.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { type TempFolder, tempShare } from "../../_temp_share.ts";

const CONTENT = randomBytes(1_500_000, seededRandom(7));

function read(path: string): Receipt {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** A process that runs `verify` with nothing but leave to read a folder. */
class Verifier extends RoleHost {
  constructor(readonly folder: TempFolder) {
    super([`--allow-read=${folder.path}`]);
  }

  verify(...args: string[]): Promise<HostAnswer> {
    const words = ["verify", ...args];
    return this.run({ script: "peer_client.ts", words, cwd: this.folder.path });
  }
}

/** A relay, two nodes with the same files, and `get --receipt` from them. */
async function startNodes() {
  await using stack = new AsyncDisposableStack();
  const files = { "disk.img": CONTENT, "sub/empty": "" };
  const share = stack.use(await tempShare(files));
  const folder = stack.use(await tempShare({ "all/sub/empty": "" }));
  const relay = stack.use(await relayHere());
  const start = (name: string) => nodeHere(relay, share.path, { name });
  const alpha = stack.use(await start("alpha"));
  const beta = stack.use(await start("beta"));
  const moved = stack.move();
  const receiptPath = join(folder.path, "receipt.json");
  return {
    ...{ folder, relay, alpha, beta, receiptPath },
    getArgs: (...words: string[]) => [
      ...[relay.address, "get", ...words, "--receipt", receiptPath],
    ],
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

Deno.test("get --receipt records which node sent what, and never replaces a receipt", async () => {
  await using nodes = await startNodes();
  const { folder, relay, alpha, beta, receiptPath, getArgs } = nodes;
  const { path } = folder;
  const got = await runRole(
    "peer_client.ts",
    getArgs("**", "-o", `${path}/all/`),
    accessTo(folder),
  );
  assertEquals([got.code, got.text], [0, ""], got.stderr.join("\n"));
  assertEquals(got.stderr.at(-1), `receipt of 2 files: ${receiptPath}`);
  const { v, receipt, encrypted, relay: from, files } = read(receiptPath);
  assertEquals([v, receipt, encrypted], [1, "relay-p2p", true]);
  assertEquals(from, relay.address);
  const [empty, disk] = files.toSorted((a, b) => a.bytes - b.bytes);
  assertEquals(
    [disk!.name, disk!.path, disk!.bytes, disk!.verified],
    ["disk.img", `${path}/all/disk.img`, CONTENT.length, "received"],
  );
  assertEquals(disk!.sha256, createSha256().update(CONTENT).digest("hex"));
  const received = disk!.from.reduce((sum, { bytes }) => sum + bytes, 0);
  assertEquals(received, CONTENT.length);
  for (const { id, name, bytes, paths } of disk!.from) {
    assertEquals(id, { alpha: alpha.id, beta: beta.id }[name]);
    assertEquals(paths, { direct: bytes, tunnel: 0 });
  }
  assertEquals(
    [empty!.bytes, empty!.verified, empty!.from],
    [0, "present", []],
  );
  // The digest is that of the protocol, which the nodes sent too.
  const asEvents = await runRoleHere("peer_client.ts", [
    ...[relay.address, "cat", "disk.img", "--json"],
  ]);
  assertMatch(
    asEvents.text,
    new RegExp(`"event":"file_received".*"content":"${disk!.content}"`),
  );

  const again = await runRoleHere(
    "peer_client.ts",
    getArgs("disk.img", "-o", `${path}/other`),
  );
  assertEquals([again.code, again.stderr], [8, [
    `error: Cannot write receipt (${receiptPath}): already exists; use --overwrite to replace it, or choose another name`,
  ]]);
  assertEquals(namesIn(folder), ["all", "receipt.json"], "nothing was fetched");
});

Deno.test("verify compares a file with its receipt, and finds every change", async () => {
  await using nodes = await startNodes();
  const { folder, receiptPath, getArgs } = nodes;
  const { path } = folder;
  const args = getArgs("**", "-o", `${path}/all/`);
  assertEquals((await runRoleHere("peer_client.ts", args)).code, 0);
  const [disk] = read(receiptPath).files.filter(({ bytes }) => bytes > 0);

  await using verifier = new Verifier(folder);
  const good = await verifier.verify("all/disk.img", "receipt.json");
  assertEquals([good.code, good.stderr], [0, []]);
  assertEquals(
    good.text,
    `all/disk.img is unchanged since it was received on ${
      disk!.receivedAt
    }: 1500000 bytes, SHA-256 ${disk!.sha256}\n`,
  );
  await Deno.rename(`${path}/all/disk.img`, `${path}/disk.img`);
  assertEquals((await verifier.verify("disk.img", "receipt.json")).code, 0);

  const bytes = CONTENT.slice();
  bytes[1_499_999]! ^= 1;
  await Deno.writeFile(`${path}/disk.img`, bytes);
  const flipped = await verifier.verify("disk.img", "receipt.json");
  assertEquals([flipped.code, flipped.text], [6, ""]);
  assertMatch(
    flipped.stderr.join("\n"),
    /^error: Cannot verify file \(disk\.img\): its SHA-256 is [0-9a-f]{64}, but [0-9a-f]{64} was received; fetch it again$/,
  );
  await Deno.writeFile(`${path}/disk.img`, CONTENT.slice(1));
  const cut = await verifier.verify("disk.img", "receipt.json");
  assertEquals([cut.code, cut.stderr], [6, [
    "error: Cannot verify file (disk.img): it has 1499999 bytes, but 1500000 were received; fetch it again",
  ]]);
  await Deno.rename(`${path}/disk.img`, `${path}/renamed`);
  const other = await verifier.verify("renamed", "receipt.json");
  assertEquals([other.code, other.stderr], [8, [
    "error: Cannot verify file (renamed): receipt.json describes 2 files, but none with that name; name the file as it was saved",
  ]]);
});

Deno.test("A receipt records what an earlier run had saved, and which nodes sent the rest", async () => {
  const content = randomBytes(2_600_000, seededRandom(8)); // three pieces
  await using share = await tempShare({ "f": content });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path, { limitRate: 2e6 });
  const receiptPath = join(folder.path, "r.json");
  const args = [
    ...["--json", relay.address, "get", "f", "-o", `${folder.path}/`],
    ...["--receipt", receiptPath],
  ];
  await using first = spawnRole("peer_client.ts", args, accessTo(folder));
  // The second piece is there: the first has been written, and not only received.
  await first.stdout.until(/"event":"progress","received":2/);
  first.signal("SIGKILL");
  await first.exitCode;
  assertEquals(
    namesIn(folder),
    [".f.p2p-part"],
    "no receipt of what is not there",
  );
  const second = await runRoleHere("peer_client.ts", args);
  assertEquals(second.code, 0);
  const [entry] = read(receiptPath).files;
  assert(entry!.earlierBytes > 0, JSON.stringify(entry));
  assertEquals(entry!.earlierBytes + entry!.from[0]!.bytes, content.length);
  assertMatch(
    second.text,
    /"event":"receipt_written","path":".*r\.json","files":1\}\n$/,
  );
});

Deno.test("verify reports what is missing, without a network", async () => {
  await using folder = await tempShare({
    "f": "x",
    "no.json": "{",
    "other.json": "{}",
  });
  await using verifier = new Verifier(folder);
  for (
    const [words, code, line] of [
      [
        [],
        2,
        /verify needs a file and its receipt; usage: peer_client\.ts verify FILE RECEIPT$/,
      ],
      [["f"], 2, /verify needs a file and its receipt/],
      [["f", "a", "b"], 2, /verify needs a file and its receipt/],
      [
        ["f", "--overwrite", "no.json"],
        2,
        /--overwrite\): verify does not use it; use it with get$/,
      ],
      [
        ["f", "none.json"],
        8,
        /Cannot read receipt \(none\.json\): no such file or folder; name a file that get --receipt wrote$/,
      ],
      [
        ["f", "no.json"],
        8,
        /Cannot read receipt \(no\.json\): it is not JSON; name a file that get --receipt wrote$/,
      ],
      [
        ["f", "other.json"],
        8,
        / \(other\.json\): it is not a receipt: .* must be /,
      ],
      [
        ["f", "../outside.json"],
        7,
        /did not give this process the permission; grant it with --allow-read=\.\.\/outside\.json$/,
      ],
    ] as const
  ) {
    const outcome = await verifier.verify(...words);
    assertEquals(
      [outcome.code, outcome.text],
      [code, ""],
      outcome.stderr.join(),
    );
    assertEquals(outcome.stderr.length, 1);
    assertMatch(outcome.stderr[0]!, line);
  }
});

Deno.test("get refuses a receipt that it could not write, before any request", async () => {
  await using folder = await tempShare({ "taken/x": "" });
  await using host = new RoleHost([
    ...["--allow-net", "--allow-read", `--allow-write=${folder.path}`],
  ]);
  // Nobody listens there: that is not noticed.
  const get = (receipt: string, ...words: string[]) =>
    host.run({
      script: "peer_client.ts",
      words: ["127.0.0.1:1", "get", "f", "--receipt", receipt, ...words],
      cwd: folder.path,
    });
  for (
    const [receipt, words, code, line] of [
      [
        "taken",
        [],
        8,
        /Cannot write receipt \(taken\): it is a folder; choose another path$/,
      ],
      [
        "../r.json",
        [],
        7,
        /Cannot write receipt \(\.\.\/r\.json\): .*did not give this process the permission; grant it with --allow-write=\.\.$/,
      ],
      [
        "r.json",
        ["-o", "-"],
        2,
        /Cannot use --receipt \(r\.json\): with -o - there is no file/,
      ],
    ] as const
  ) {
    const outcome = await get(receipt, ...words);
    assertEquals(outcome.code, code, outcome.stderr.join("\n"));
    assertMatch(outcome.stderr.at(-1)!, line);
  }
});

const ENTRY = {
  name: "f",
  path: "f",
  bytes: 1,
  sha256: "a".repeat(64),
  content: "b".repeat(64),
  verified: "received",
  receivedAt: "2026-01-02T03:04:05.678Z",
  earlierBytes: 0,
  from: [{ id: "c".repeat(52), name: "n", bytes: 1, paths: { direct: 1 } }],
};
const RECEIPT = {
  v: 1,
  receipt: "relay-p2p",
  program: "relay-p2p 0.1.0",
  relay: "p2p://nas:1700",
  encrypted: true,
  files: [ENTRY],
};

Deno.test("readReceipt accepts known receipts, and refuses everything else", async () => {
  await using folder = await tempShare({ r: JSON.stringify(RECEIPT) });
  const path = join(folder.path, "r");
  assertEquals((await readReceipt(path)).files[0]!.sha256, ENTRY.sha256);
  const [from] = ENTRY.from;
  for (
    const wrong of [
      null,
      [],
      { ...RECEIPT, v: 2 },
      { ...RECEIPT, receipt: "other" },
      { ...RECEIPT, files: [] },
      { ...RECEIPT, files: [{ ...ENTRY, sha256: "A".repeat(64) }] },
      { ...RECEIPT, files: [{ ...ENTRY, content: "b".repeat(63) }] },
      { ...RECEIPT, files: [{ ...ENTRY, bytes: -1 }] },
      { ...RECEIPT, files: [{ ...ENTRY, bytes: 2 ** 41 }] },
      { ...RECEIPT, files: [{ ...ENTRY, verified: "no" }] },
      { ...RECEIPT, files: [{ ...ENTRY, receivedAt: "\x1b[2J" }] },
      { ...RECEIPT, files: [{ ...ENTRY, path: "x".repeat(4097) }] },
      { ...RECEIPT, files: [{ ...ENTRY, from: [{ ...from, bytes: "1" }] }] },
      { ...RECEIPT, files: [{ ...ENTRY, from: [{ ...from, id: "short" }] }] },
    ]
  ) {
    await Deno.writeTextFile(path, JSON.stringify(wrong));
    const error = await assertRejects(() => readReceipt(path), Failure);
    assertEquals(error.kind, "local");
    assertMatch(error.message, /: it is not a receipt: .* must .*; name /);
  }
  await Deno.writeTextFile(path, "[".repeat(1_000_000));
  await assertRejects(() => readReceipt(path), Failure, "it is not JSON");
});

Deno.test("readReceipt reads no more than its limit", async () => {
  await using folder = await tempShare({ r: JSON.stringify(RECEIPT) });
  const path = join(folder.path, "r");
  using file = await Deno.open(path, { write: true });
  await file.truncate(LIMITS.receiptBytes + 1);
  const error = await assertRejects(() => readReceipt(path), Failure);
  assertMatch(
    error.message,
    /it must have at most 67108864 bytes; name a file that get --receipt wrote$/,
  );
  await file.truncate(LIMITS.receiptBytes);
  await assertRejects(() => readReceipt(path), Failure, "it is not JSON");
});

Deno.test("A receipt that cannot be written is reported before anything is fetched", async () => {
  await using share = await tempShare({ "a.txt": "a" });
  await using folder = await tempShare({ "into/kept": "" });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const { path } = folder;
  const into = join(path, "into");
  for (
    const [receipt, why] of [
      [
        `${path}/no/r.json`,
        `there is no folder ${path}/no; create it first, or choose another path`,
      ],
      [`${path}/into`, "it is a folder; choose another path"],
      [`${path}/into/kept/r`, "not a folder; choose another path"],
      [
        `${path}/into/../into/a.txt`,
        "a.txt will be saved there; choose another path",
      ],
    ] as const
  ) {
    const args = ["get", "a.txt", "-o", `${into}/`, "--receipt", receipt];
    const { code, stderr } = await runRoleHere("peer_client.ts", [
      relay.address,
      ...args,
    ]);
    assertEquals([code, stderr], [8, [
      `error: Cannot write receipt (${receipt}): ${why}`,
    ]]);
    assertEquals(namesIn({ path: into }), ["kept"]);
  }
});

Deno.test("ReceiptWriter refuses more files than a receipt has room for, before they are fetched", () => {
  const writer = new ReceiptWriter({
    path: "r.json",
    overwrite: false,
    relay: { host: "nas", port: 1700 },
    encrypted: true,
  });
  const name = "n".repeat(1_000);
  const mostFiles = Math.floor(LIMITS.receiptBytes / 2_360);
  for (let file = 0; file < mostFiles; file++) writer.expect(name, name);
  assertThrows(
    () => {
      for (let file = 0; file < 1_000; file++) writer.expect(name, name);
    },
    Failure,
    `it would have more than ${LIMITS.receiptBytes} bytes; fetch fewer files at a time`,
  );
});

/** What a receipt of one file of 10 bytes says of its sources. */
const SOURCES = [
  { id: "a".repeat(52), name: "alpha", bytes: 4 },
  { id: "b".repeat(52), name: "client bbbbbb", bytes: 6 },
].map((source) => ({
  ...source,
  paths: { direct: source.bytes, tunnel: 0 },
}));

Deno.test("A receipt records for each source whether it is a node or another client", async () => {
  await using folder = await tempShare({ "f": CONTENT });
  const path = join(folder.path, "r.json");
  const relay = { host: "nas", port: 1700 };
  const options = { path, relay, overwrite: false, encrypted: true };
  const writer = new ReceiptWriter(options);
  writer.note({
    event: "file_received",
    ...{ name: "f", path: join(folder.path, "f"), bytes: 10, holders: 1 },
    content: describeBytes("f", CONTENT).manifest.contentId,
    from: SOURCES.map(({ id, name, bytes, paths }, at) => ({
      node: { id, name } as ListedNode,
      ...{ isHolder: at === 1, bytes, paths },
    })),
  });
  assertEquals(await writer.write(), 1);
  const [file] = (await readReceipt(path)).files;
  assertEquals(file?.from, [
    { kind: "node", ...SOURCES[0]! },
    { kind: "holder", ...SOURCES[1]! },
  ]);
});

Deno.test("readReceipt accepts a receipt without the kind of its sources", async () => {
  const file = {
    ...{ name: "f", path: "f", bytes: 10, earlierBytes: 0 },
    ...{ sha256: "0".repeat(64), content: "0".repeat(64) },
    ...{ verified: "received", receivedAt: "2026-11-22T20:11:34.225Z" },
    from: SOURCES,
  };
  const receipt = {
    ...{ v: 1, receipt: "relay-p2p", program: "relay-p2p 0.1.0" },
    ...{ relay: "p2p://nas:1700", encrypted: true, files: [file] },
  };
  await using folder = await tempShare({ "r.json": JSON.stringify(receipt) });
  const read = await readReceipt(join(folder.path, "r.json"));
  assertEquals(read.files[0]?.from, SOURCES);
});
