/**
 * The floor, on the receiving side: lanes, each a worker that dials, receives,
 * hashes and writes its part. What a program in Deno cannot do faster.
 *
 *     deno run -A _floor_client.ts PORT LANES BYTES OUTPUT [CERT]
 */

/** What a lane is to do. */
export interface Lane {
  readonly port: number;
  /** From this byte of the file. */
  readonly start: number;
  /** To this one, without it. */
  readonly end: number;
  readonly output: string;
  /** The server's certificate in PEM, where it speaks TLS. */
  readonly ca: string | undefined;
}

const ALIGNMENT = 1024 * 1024;

async function main(args: string[]): Promise<void> {
  const [port, lanes, size, output = "", cert] = args;
  const count = Number(lanes);
  const bytes = Number(size);
  const ca = cert === undefined ? undefined : await Deno.readTextFile(cert);
  await Deno.create(output).then(async (file) => {
    await file.truncate(bytes);
    file.close();
  });
  const part = Math.ceil(bytes / count / ALIGNMENT) * ALIGNMENT;
  await Promise.all(Array.from({ length: count }, (_, n) => {
    const start = Math.min(bytes, n * part);
    const end = Math.min(bytes, start + part);
    return run({ port: Number(port), start, end, output, ca });
  }));
}

function run(lane: Lane): Promise<void> {
  const url = new URL("./_floor_lane.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = () => {
      worker.terminate();
      resolve();
    };
    worker.postMessage(lane);
  });
}

if (import.meta.main) await main(Deno.args);
