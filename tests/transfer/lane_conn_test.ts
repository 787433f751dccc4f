import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  DATA_HEADER_BYTES,
  encodePieces,
  writeDataHeader,
} from "../../lib/protocol/bulk.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { hashParts } from "../../lib/transfer/hashing.ts";
import { startLane } from "../../lib/transfer/lane.ts";
import type { LaneConn } from "../../lib/transfer/lane_conn.ts";
import { pinOf } from "../../lib/transport/dial.ts";
import { LANE_DIALLER } from "../../lib/transport/lane_dialler.ts";
import { within } from "../_event_log.ts";
import { laneHere } from "../_lane.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const PART = 1_000;
/** Three parts, the last of them short. */
const BYTES = randomBytes(2 * PART + 7, seededRandom(1));
const HASHES = joined(...hashParts(BYTES, PART));
const OTHER = encodeFrame(0x55, new TextEncoder().encode("something else"));
const WHERE = { hostname: "127.0.0.1", port: 1, pin: null };

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function dataFrame(request: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(DATA_HEADER_BYTES + bytes.length);
  writeDataHeader(frame, 0, { request, length: bytes.length });
  frame.set(bytes, DATA_HEADER_BYTES);
  return frame;
}

/** A peer of conns that `Deno.connect` opens in this thread until disposed of. */
class Peer implements Disposable {
  readonly #connect = Deno.connect;
  /** What it sends, one read each. */
  readonly sends: Uint8Array[] = [];
  readonly got: number[] = [];
  readBytes = 0;
  isClosed = false;
  #wake = () => {};

  constructor() {
    const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
    const conn = {
      remoteAddr: address,
      localAddr: address,
      setNoDelay: () => {},
      read: async (target: Uint8Array) => {
        while (this.sends.length === 0) {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
        const next = this.sends[0]!;
        const count = Math.min(next.length, target.length);
        target.set(next.subarray(0, count));
        if (count === next.length) this.sends.shift();
        else this.sends[0] = next.subarray(count);
        this.readBytes += count;
        return count === 0 ? null : count;
      },
      write: (bytes: Uint8Array) => {
        this.got.push(...bytes);
        return Promise.resolve(bytes.length);
      },
      close: () => this.isClosed = true,
    };
    Deno.connect = (() => Promise.resolve(conn)) as unknown as typeof Deno[
      "connect"
    ];
  }

  send(...parts: readonly Uint8Array[]): void {
    this.sends.push(...parts);
    this.#wake();
  }

  [Symbol.dispose](): void {
    Deno.connect = this.#connect;
  }
}

/** Reads `bytes` from a conn. */
async function read(conn: LaneConn, bytes: number): Promise<Uint8Array> {
  const target = new Uint8Array(bytes);
  for (let filled = 0; filled < bytes;) {
    const count = await within(conn.read(target.subarray(filled)), "bytes");
    assert(count !== null, "it ended");
    filled += count;
  }
  return target;
}

/** A file that is open in a lane, and a conn of that lane. */
async function setUp() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await tempShare({ file: "" }));
  const peer = stack.use(new Peer());
  const lane = stack.use(laneHere());
  const path = join(folder.path, "file");
  const file = await within(lane.open(path, await Deno.stat(path)), "the file");
  assert(file !== undefined);
  const conn = lane.dial(WHERE);
  stack.defer(() => conn.close());
  stack.defer(() => file.close());
  await within(conn.dialled.promise, "the conn");
  return {
    peer,
    file,
    conn,
    path,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const PIECES = {
  position: 0,
  bytes: BYTES.length,
  partBytes: PART,
  hashes: HASHES,
};

Deno.test("A lane saves the pieces that it receives, and passes on everything else in order", async () => {
  await using to = await setUp();
  const { peer, conn, file, path } = to;
  const saved = file.expect(conn, 7, PIECES);
  const vouched = encodePieces({ request: 7, hashes: HASHES });
  const [head, tail] = [BYTES.subarray(0, 1_500), BYTES.subarray(1_500)];
  const frames = [OTHER, dataFrame(7, head), dataFrame(7, tail), vouched];
  // Every other byte by itself.
  const bytes = joined(...frames);
  for (let at = 0; at < bytes.length; at += 333) {
    peer.send(bytes.subarray(at, at + 333));
  }
  assertEquals(await read(conn, OTHER.length), OTHER);
  const first = await read(conn, DATA_HEADER_BYTES);
  assertEquals(first, frames[1]!.subarray(0, DATA_HEADER_BYTES));
  await read(conn, head.length); // without a meaning
  const second = await read(conn, DATA_HEADER_BYTES);
  assertEquals(second, frames[2]!.subarray(0, DATA_HEADER_BYTES));
  await read(conn, tail.length);
  assertEquals(await read(conn, vouched.length), vouched);
  const { right, isWrong, hasName, error } = saved!;
  assertEquals([right, isWrong, hasName, error], [3, false, true, undefined]);
  assertEquals(await Deno.readFile(path), BYTES);
});

Deno.test("A lane saves pieces that span frames, and more of them than its buffer holds", async () => {
  await using to = await setUp();
  const { peer, conn, file, path } = to;
  const partBytes = 400_000;
  const bytes = randomBytes(6 * partBytes - 1, seededRandom(3));
  const hashes = joined(...hashParts(bytes, partBytes));
  const saved = file.expect(conn, 7, {
    position: 5,
    bytes: bytes.length,
    partBytes,
    hashes,
  });
  let sent = 0;
  for (let at = 0; at < bytes.length; at += LIMITS.frameDataBytes) {
    const body = bytes.subarray(at, at + LIMITS.frameDataBytes);
    peer.send(dataFrame(7, body));
    sent += DATA_HEADER_BYTES + body.length;
  }
  peer.send(OTHER);
  await read(conn, sent + OTHER.length);
  assertEquals([saved?.right, saved?.isWrong], [6, false]);
  const written = await Deno.readFile(path);
  assert(written.subarray(5).every((byte, at) => byte === bytes[at]));
});

Deno.test("A lane writes no bytes beyond the pieces of a request", async () => {
  await using to = await setUp();
  const { peer, conn, file, path } = to;
  const saved = file.expect(conn, 1, PIECES);
  const more = joined(BYTES, BYTES);
  peer.send(dataFrame(1, more), OTHER);
  await read(conn, DATA_HEADER_BYTES + more.length + OTHER.length);
  assertEquals([saved?.right, saved?.isWrong], [3, false]);
  assertEquals(await Deno.readFile(path), BYTES);
});

for (let wrong = 0; wrong < 3; wrong++) {
  Deno.test(`A lane writes what it receives up to piece ${wrong}, which is wrong`, async () => {
    await using to = await setUp();
    const { peer, conn, file, path } = to;
    const bytes = BYTES.slice();
    bytes[wrong * PART] = bytes[wrong * PART]! ^ 1;
    const saved = file.expect(conn, 1, PIECES);
    peer.send(dataFrame(1, bytes), OTHER);
    await read(conn, DATA_HEADER_BYTES + bytes.length + OTHER.length);
    assertEquals([saved?.right, saved?.isWrong], [wrong, true]);
    const expected = BYTES.subarray(0, wrong * PART);
    assertEquals(await Deno.readFile(path), expected);
  });
}

Deno.test("A lane drops bytes for a closed file, and blames nobody", async () => {
  await using to = await setUp();
  const { peer, conn, file, path } = to;
  const saved = file.expect(conn, 1, PIECES);
  await within(file.close(), "its end");
  peer.send(dataFrame(1, BYTES), OTHER);
  await read(conn, DATA_HEADER_BYTES + BYTES.length);
  assertEquals(await read(conn, OTHER.length), OTHER);
  assertEquals([saved?.right, saved?.isWrong], [0, false]);
  assertEquals(await Deno.readFile(path), new Uint8Array());
});

Deno.test("A lane passes on the bytes of an unknown request unchanged", async () => {
  await using to = await setUp();
  const { peer, conn } = to;
  const frame = dataFrame(3, BYTES);
  peer.send(frame);
  assertEquals(await read(conn, frame.length), frame);
});

Deno.test("A lane reads only as far ahead as the main thread allows", async () => {
  await using to = await setUp();
  const { peer, conn } = to;
  const body = randomBytes(4 * LIMITS.laneUnusedBytes, seededRandom(2));
  const frame = encodeFrame(0x55, body);
  peer.send(frame);
  for (let turn = 0; turn < 10_000; turn++) await Promise.resolve();
  const ahead = peer.readBytes;
  assert(ahead >= LIMITS.laneUnusedBytes, `${ahead} bytes`);
  assert(ahead <= LIMITS.laneUnusedBytes + 8_192, `${ahead} bytes`);
  assertEquals(await read(conn, frame.length), frame);
});

Deno.test("A conn in a lane sends its bytes, and reports the end of the other side", async () => {
  await using to = await setUp();
  const { peer, conn } = to;
  assertEquals(await conn.write(Uint8Array.of(1, 2)), 2);
  assertEquals(await conn.write(Uint8Array.of(3)), 1);
  peer.send(OTHER, new Uint8Array());
  assertEquals(await read(conn, OTHER.length), OTHER);
  assertEquals(await within(conn.read(new Uint8Array(1)), "the end"), null);
  assertEquals(peer.got, [1, 2, 3]);
  conn.close();
  await assertRejects(() => conn.read(new Uint8Array(1)));
  await assertRejects(() => conn.write(Uint8Array.of(4)));
});

Deno.test("A conn in a lane that is closed rejects pending calls, in the lane too", async () => {
  await using to = await setUp();
  const { peer, conn } = to;
  const waiting = conn.read(new Uint8Array(1));
  conn.close();
  await assertRejects(
    () => within(waiting, "its end"),
    Deno.errors.Interrupted,
  );
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  assertEquals(peer.isClosed, true);
});

Deno.test("A lane that ends closes its conns", async () => {
  using _peer = new Peer();
  const lane = laneHere();
  const conn = lane.dial(WHERE);
  await within(conn.dialled.promise, "the conn");
  const waiting = conn.read(new Uint8Array(1));
  lane[Symbol.dispose]();
  await assertRejects(() => within(waiting, "its end"), Error, "disposed of");
  const late = lane.dial(WHERE);
  await assertRejects(() => late.dialled.promise, Error, "disposed of");
});

Deno.test("A lane in a worker reaches the node that has the pinned certificate, and no other", async () => {
  await using relay = await startRelay();
  const [, identity, other] = IDENTITIES;
  await using node = await startNode(relay, {}, { identity: identity! });
  using lane = startLane(LANE_DIALLER);
  const { port } = node.server.address;
  const dial = (peer: typeof identity) =>
    lane.dial({ hostname: "127.0.0.1", port, pin: pinOf(peer!) });
  using right = dial(identity);
  await within(right.dialled.promise, "the node");
  assertEquals(right.remote, { host: "127.0.0.1", port });
  using wrong = dial(other);
  await assertRejects(
    () => within(wrong.dialled.promise, "the refusal"),
    Deno.errors.InvalidData,
  );
});
