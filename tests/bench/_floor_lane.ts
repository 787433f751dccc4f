/** A lane of the floor: dials, receives, hashes and writes its part of a file. */

import { createHash } from "node:crypto";
import type { Lane } from "./_floor_client.ts";

const BUFFER_BYTES = 1024 * 1024;
const PIECE_BYTES = 256 * 1024;

const lane = self as unknown as Worker;
lane.onmessage = async ({ data }: MessageEvent<Lane>) => {
  const { port, start, end, output, ca } = data;
  using file = await Deno.open(output, { write: true });
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  tcp.setNoDelay(true);
  using conn = ca === undefined
    ? tcp
    : await Deno.startTls(tcp, { hostname: "floor.invalid", caCerts: [ca] });
  const head = new Uint8Array(16);
  const view = new DataView(head.buffer);
  view.setFloat64(0, start);
  view.setFloat64(8, end);
  await conn.write(head);
  const buffer = new Uint8Array(BUFFER_BYTES);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let at = start; at < end;) {
    let filled = 0;
    while (filled < buffer.length && at + filled < end) {
      const count = await conn.read(buffer.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    if (filled === 0) throw new Error("the server ended early");
    for (let from = 0; from < filled; from += PIECE_BYTES) {
      const piece = buffer.subarray(from, Math.min(filled, from + PIECE_BYTES));
      createHash("sha256").update(piece).digest();
    }
    for (let written = 0; written < filled;) {
      written += file.writeSync(buffer.subarray(written, filled));
    }
    at += filled;
  }
  lane.postMessage("done");
};
