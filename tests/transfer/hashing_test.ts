import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  type Hasher,
  hashParts,
  PlainHasher,
} from "../../lib/transfer/hashing.ts";
import { startLane } from "../../lib/transfer/lane.ts";
import { within } from "../_event_log.ts";
import { laneHere } from "../_lane.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

/** SHA-256 of each part by the other implementation that the platform has. */
async function digests(
  bytes: Uint8Array<ArrayBuffer>,
  partBytes: number,
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) {
    const part = bytes.slice(at, at + partBytes);
    hashes.push(new Uint8Array(await crypto.subtle.digest("SHA-256", part)));
  }
  return hashes;
}

const CASES = [
  [0, 10],
  [1, 10],
  [9, 10],
  [10, 10],
  [11, 10],
  [30, 10],
  [31, 10],
  [100, 1],
  [300_000, 1_000_000],
  [300_000, 65_536],
] as const;

const KINDS: readonly { name: string; open: () => Hasher }[] = [
  { name: "PlainHasher", open: () => new PlainHasher() },
  { name: "A lane in this thread", open: laneHere },
  { name: "A lane in a worker", open: startLane },
];

for (const { name, open } of KINDS) {
  Deno.test(`${name} hashes each part, even if the last is shorter`, async () => {
    using hasher = open();
    for (const [length, partBytes] of CASES) {
      const bytes = randomBytes(length, seededRandom(length));
      const expected = await digests(bytes, partBytes);
      const { hashes } = await hasher.hash(bytes.slice(), partBytes);
      assertEquals(hashes, expected, `${length} in parts of ${partBytes}`);
    }
  });

  Deno.test(`${name} returns the bytes, with their whole buffer`, async () => {
    using hasher = open();
    const slab = randomBytes(1_000, seededRandom(1));
    const copy = slab.slice();
    const { bytes, hashes } = await hasher.hash(slab.subarray(10, 60), 20);
    assertEquals(bytes, copy.slice(10, 60));
    assertEquals(hashes, await digests(copy.slice(10, 60), 20));
    assertEquals(bytes.byteOffset, 10);
    assertEquals(new Uint8Array(bytes.buffer), copy);
  });

  Deno.test(`${name} answers every call with its own hashes, even if others are running`, async () => {
    using hasher = open();
    const random = seededRandom(2);
    const buffers = Array.from(
      { length: 50 },
      () => randomBytes(1 + Math.floor(random() * 100_000), random),
    );
    const expected = await Promise.all(
      buffers.map((buffer) => digests(buffer, 4_096)),
    );
    const hashed = await Promise.all(
      buffers.map((buffer) => hasher.hash(buffer.slice(), 4_096)),
    );
    assertEquals(hashed.map(({ hashes }) => [...hashes]), expected);
    assertEquals(hashed.map(({ bytes }) => bytes), buffers);
  });
}

Deno.test("hashParts hashes nothing in no parts", () => {
  assertEquals(hashParts(new Uint8Array(), 10), []);
});

Deno.test("LaneHasher takes the buffer over: it is not copied", async () => {
  using hasher = startLane();
  const bytes = randomBytes(1_000, seededRandom(3));
  const hashing = hasher.hash(bytes, 1_000);
  assertEquals(bytes.length, 0, "detached");
  assertEquals((await hashing).bytes.length, 1_000);
});

Deno.test("LaneHasher rejects waiting calls when it is disposed of", async () => {
  const hasher = startLane();
  const waiting = [1, 2, 3].map((n) => hasher.hash(new Uint8Array(n), 1));
  const judged = waiting.map((one) =>
    assertRejects(() => within(one, "the end"), Error, "disposed of")
  );
  hasher[Symbol.dispose]();
  hasher[Symbol.dispose]();
  await Promise.all(judged);
});

Deno.test("LaneHasher that is disposed of does not change earlier answers", async () => {
  const hasher = startLane();
  const hashing = hasher.hash(new Uint8Array(3), 3);
  const { hashes } = await hashing;
  hasher[Symbol.dispose]();
  assertEquals(hashes, await digests(new Uint8Array(3), 3));
});

Deno.test("LaneHasher rejects a call that comes after it was disposed of", async () => {
  const hasher = startLane();
  hasher[Symbol.dispose]();
  await assertRejects(
    () => within(hasher.hash(new Uint8Array(3), 3), "an answer"),
    Error,
    "disposed of",
  );
});

Deno.test("LaneHasher works in a process without any permission", async () => {
  const code = `
    import { startLane } from ${
    JSON.stringify(
      new URL("../../lib/transfer/lane.ts", import.meta.url).href,
    )
  };
    using hasher = startLane();
    const { hashes } = await hasher.hash(new Uint8Array(5), 5);
    console.log(hashes[0].toHex());
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--cached-only",
      "--ext=ts",
      "-",
    ],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  assert(success, new TextDecoder().decode(stderr));
  const [expected] = await digests(new Uint8Array(5), 5);
  assertEquals(new TextDecoder().decode(stdout).trim(), expected!.toHex());
});
