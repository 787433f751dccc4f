/** What one member of a swarm may suffer or do, while the others finish. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { folderSelection } from "../../../lib/client/selections.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { LIMITS, type Limits } from "../../../lib/base/limits.ts";
import { sha256 } from "../../../lib/base/hash.ts";
import { cannot } from "../../../lib/disk/disk_failure.ts";
import { PartialFile } from "../../../lib/disk/partial.ts";
import { createIdentity } from "../../../lib/identity/identity.ts";
import { HolderLease } from "../../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../../lib/uplink/relay_dialer.ts";
import { describeBytes, sendWrongBytes } from "../../_lies.ts";
import { honestExcept, type Lies } from "../../_lies.ts";
import { type Lie, startEvilNode, staySilent } from "../../_evil_node.ts";
import { within } from "../../_event_log.ts";
import { startNode, startRelay, type TestRelay } from "../../_network.ts";
import { replaced, systemError } from "../../_replaced.ts";
import { tempShare } from "../../_temp_share.ts";
import { type Getting, IMAGE, PIECE, startGet } from "../../swarm/_getting.ts";

const FILES = { "big.iso": IMAGE };
const LINGER = { lingerMs: 600_000 };
// So slow that others must give most of a file.
const TRICKLE = 500_000;
const QUICK = 20_000_000;
const MOST = Math.ceil(0.6 * IMAGE.length);

async function assertRight(...clients: readonly Getting[]): Promise<void> {
  for (const { result, path } of clients) {
    const { failed } = await within(result, "the end");
    assertEquals([...failed.values()].map(({ message }) => message), []);
    const saved = await Deno.readFile(path);
    assertEquals(sha256(saved).toHex(), sha256(IMAGE).toHex());
  }
}

/** Resolves when a client has so many bytes. */
async function hasSome({ log }: Getting, bytes: number): Promise<void> {
  await log.until("progress", ({ received }) => received >= bytes);
}

/** Lists a holder that has all of the file, and is not honest. */
async function startEvilHolder(
  relay: TestRelay,
  lies: Lies,
  stack: AsyncDisposableStack,
) {
  const identity = await createIdentity();
  const read = Promise.withResolvers<void>();
  const says = honestExcept(FILES, lies);
  const lie: Lie = (channel, message) => {
    if (message.kind === "read") read.resolve();
    return says(channel, message);
  };
  const evil = stack.use(
    await startEvilNode(relay, { identity, lie, isListed: false }),
  );
  const listed = Promise.withResolvers<void>();
  const lease = stack.use(
    new HolderLease({
      dialer: new RelayDialer(
        { ...relay.server.address, id: relay.identity.id },
        {
          ...{ role: "client", plaintext: false, access: {} },
          ...{ limits: LIMITS, onEvent: () => {} },
        },
      ),
      serving: { identity, addressesFrom: () => [evil.address] },
      limits: LIMITS,
      onEvent: ({ event }) => event === "holder_listed" && listed.resolve(),
    }),
  );
  lease.hold(describeBytes("big.iso", IMAGE).manifest.contentId);
  await within(listed.promise, "its lease");
  return { read: read.promise };
}

for (
  const [what, lies] of [
    ["sends wrong bytes", { piece: sendWrongBytes }],
    ["announces everything and sends nothing", { read: staySilent }],
  ] as const
) {
  Deno.test(`Clients of a swarm finish although one of them ${what}`, async () => {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await startRelay());
    const limitRate = TRICKLE;
    const seed = stack.use(await startNode(relay, FILES, { limitRate }));
    const evil = await startEvilHolder(relay, lies, stack);
    const clients = [
      await startGet({ relay, swarm: LINGER }, stack),
      await startGet({ relay, swarm: LINGER }, stack),
    ];
    await within(evil.read, "a request to it");
    await seed.server.change({ limitRate: QUICK });
    for (const { log } of clients) await log.until("swarm_lingers");
    for (const { abort } of clients) abort();
    await assertRight(...clients);
  });
}

Deno.test("Clients of a swarm finish from each other when the seed is killed after it has sent each piece once", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const seed = await startNode(relay, FILES);
  const first = await startGet({ relay, swarm: LINGER }, stack);
  await first.log.until("swarm_lingers");
  await seed.server.change({ limitRate: TRICKLE });
  const others = [
    await startGet({ relay, swarm: { limitUpload: 5_000_000 } }, stack),
    await startGet({ relay, swarm: { limitUpload: 5_000_000 } }, stack),
  ];
  await Promise.all(others.map((other) => hasSome(other, PIECE)));
  await seed[Symbol.asyncDispose]();
  await assertRight(...others);
});

Deno.test("Clients whose seed is killed at 60 % report which pieces nobody has, and finish when it is back", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const identity = await createIdentity();
  // Slow enough that both have what the seed has sent, on a busy machine too.
  const options = { identity, limitRate: 1_000_000 };
  const seed = await startNode(relay, FILES, options);
  const limits: Partial<Limits> = {
    ...{ swarmSeedPatienceMs: 1_000, swarmNowhereMs: 1_000 },
  };
  const begin = () => startGet({ relay, limits }, stack);
  const clients = [await begin(), await begin()];
  await Promise.race(clients.map((client) => hasSome(client, MOST)));
  await seed[Symbol.asyncDispose]();
  const paths: string[] = [];
  for (const { result, log, path } of clients) {
    const { failed } = await within(result, "the end");
    const failure = failed.get("big.iso")!;
    assertEquals(failure.kind, "undelivered");
    assertMatch(failure.message, /no node or client has \d+ pieces?: \d/);
    const count = Number(
      /no node or client has (\d+)/.exec(failure.message)![1],
    );
    const { from } = await log.until("file_failed");
    const here = from.reduce((sum, { bytes }) => sum + bytes, 0) / PIECE;
    assert(count <= IMAGE.length / PIECE - here, failure.message);
    paths.push(path);
  }
  stack.use(await startNode(relay, FILES, { identity }));
  await assertRight(
    ...await Promise.all(
      paths.map((path) => startGet({ relay, limits, path }, stack)),
    ),
  );
});

Deno.test("Clients of a swarm finish when one of them is killed -9 while it sends", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const seed = stack.use(await startNode(relay, FILES));
  const folder = stack.use(await tempShare());
  const { host, port } = relay.server.address;
  const killed = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "-A", "--no-check"],
      new URL("../../swarm/_get_process.ts", import.meta.url).pathname,
      JSON.stringify({ host, port, id: relay.identity.id }),
      folder.path,
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  stack.defer(async () => {
    await killed.status;
  });
  const lines = killed.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const { value } = await within(lines.read(), "its file");
  assertEquals(value, "swarm_lingers");
  await seed.server.change({ limitRate: TRICKLE });
  const others = [
    await startGet({ relay }, stack),
    await startGet({ relay }, stack),
  ];
  const isGiven = (swarm: { bytes: number } | undefined) =>
    swarm !== undefined && swarm.bytes > 0;
  await others[0]!.log.until("progress", ({ swarm }) => isGiven(swarm));
  killed.kill("SIGKILL");
  await within(killed.status, "its end");
  await lines.cancel();
  await seed.server.change({ limitRate: QUICK });
  await assertRight(...others);
});

Deno.test("Clients of a swarm finish when the disk of one of them is full", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const limitRate = 4_000_000;
  stack.use(await startNode(relay, FILES, { limitRate }));
  const clients = [];
  for (let n = 0; n < 3; n++) clients.push(await startGet({ relay }, stack));
  const [full, ...others] = clients as [Getting, ...Getting[]];
  let written = 0;
  const isFull = ({ path }: PartialFile) =>
    path.startsWith(full.folder) && (written += 1) > 4;
  const fails = ({ path }: PartialFile) =>
    Promise.reject(cannot("save", path, systemError("ENOSPC")));
  using _write = replaced(
    PartialFile.prototype,
    "write",
    (write) =>
      function (this: PartialFile, first, bytes) {
        return isFull(this) ? fails(this) : write.call(this, first, bytes);
      },
  );
  // Another thread would write otherwise.
  using _save = replaced(
    PartialFile.prototype,
    "save",
    () => () => undefined,
  );
  await assertRejects(
    () => within(full.result, "its end"),
    Failure,
    "no space left on the disk",
  );
  await assertRight(...others);
});

Deno.test("A client of a swarm sends no more than --limit-upload allows", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const seed = stack.use(await startNode(relay, FILES));
  const limitUpload = 4_000_000;
  const giver = await startGet(
    { relay, swarm: { ...LINGER, limitUpload } },
    stack,
  );
  await giver.log.until("swarm_lingers");
  await seed.server.change({ limitRate: 100_000 });
  const startedAt = performance.now();
  const others = [
    await startGet({ relay }, stack),
    await startGet({ relay }, stack),
  ];
  await assertRight(...others);
  const seconds = (performance.now() - startedAt) / 1_000;
  giver.abort();
  const { given } = await giver.log.until("swarm_ended");
  assert(given > IMAGE.length / 2, `${given}`);
  // What may go at once after a pause: a quarter of a second, and one step.
  const most = limitUpload * (seconds + 0.25 + 0.125);
  assert(given <= most, `${given} in ${seconds} s`);
});

Deno.test("Of a folder with many small files and some large ones, only the large ones go through the swarm", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const large = ["a", "b", "c"].map((name, n) =>
    [
      `set/${name}.img`,
      IMAGE.subarray(n * 4 * PIECE, (n + 1) * 4 * PIECE),
    ] as const
  );
  const small = Array.from(
    { length: 300 },
    (_, n) => [`set/${n}.txt`, `text ${n}`] as const,
  );
  const files = Object.fromEntries([...large, ...small]);
  const seed = stack.use(await startNode(relay, files));
  // Until then nobody knows which contents the files have.
  const count = large.length + small.length;
  await seed.log.until("hashed", ({ files }) => files === count);
  const fetching = {
    relay,
    selections: [folderSelection("set")],
    limits: { swarmFromBytes: 4 * PIECE },
    swarm: LINGER,
  } as const;
  const first = await startGet(fetching, stack);
  await first.log.until("swarm_lingers");
  await seed.server.change({ limitRate: 200_000 });
  const second = await startGet(fetching, stack);
  await second.log.until("swarm_lingers");
  for (const client of [first, second]) client.abort();
  const { saved, failed } = await within(second.result, "the end");
  assertEquals([saved.size, failed.size], [count, 0]);
  for (const [name, bytes] of [...large, ...small]) {
    const is = await Deno.readFile(saved.get(name)!);
    const wanted = typeof bytes === "string"
      ? new TextEncoder().encode(bytes)
      : bytes;
    assertEquals(sha256(is).toHex(), sha256(wanted).toHex(), name);
  }
  const fromClients = second.log.events
    .flatMap((one) => one.event === "file_received" ? [one] : [])
    .filter(({ from }) => from.some(({ isHolder }) => isHolder));
  assert(fromClients.length > 0, "some came from the first");
  const largeNames: string[] = large.map(([name]) => name);
  assert(fromClients.every(({ name }) => largeNames.includes(name)));
  const { given } = await first.log.until("swarm_ended");
  assert(given <= 3 * 4 * PIECE, `${given}`);
});
