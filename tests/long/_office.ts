/**
 * An office: clients behind one router, which the relay and the seed see at one
 * address, and whose limits are the usual ones.
 */

import { TextLineStream } from "@std/streams";
import type { Fetched, SwarmClients } from "../bench/swarm.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { spawnRole } from "../e2e/_processes.ts";
import { openNatNetwork } from "./_nat.ts";

const PORT = 1700;
const CLIENTS = new URL("../bench/_swarm_clients.ts", import.meta.url).pathname;

/** Who fetches what. */
export interface Office {
  readonly count: number;
  readonly processes: number;
  /** Bytes a second that the seed and each client send. */
  readonly rate: number;
  readonly bytes: number;
}

/** All clients of the office fetch one file together. */
export async function fetchInOffice(
  { count, processes, rate, bytes }: Office,
): Promise<Fetched[]> {
  await using stack = new AsyncDisposableStack();
  const { core, coreHost, hidden } = stack.use(await openNatNetwork(1));
  const file = randomBytes(bytes, seededRandom(17));
  const share = stack.use(await tempShare({ "big.iso": file }));
  const relay = stack.use(
    spawnRole("relay.ts", [`${PORT}`], { prefix: core }),
  );
  const [, id = ""] = await relay.stdout.until(/^relay id (\w{52})$/);
  const address = `p2p://${coreHost}:${PORT}/${id}`;
  const seed = stack.use(
    spawnRole(
      "peer_node.ts",
      ["--limit-rate", `${rate}`, address, "0", share.path],
      { permissions: [`--allow-read=${share.path}`], prefix: core },
    ),
  );
  await seed.stdout.until(/^registered with /);
  const folder = stack.use(await tempShare());
  const clients: SwarmClients = {
    relay: { host: coreHost, port: PORT, id },
    count: 0,
    swarm: { limitUpload: rate, lingerMs: 30_000 },
    // Here all machines together have two cores.
    limits: { connectMs: 60_000 },
  };
  const all = await Promise.all(
    Array.from({ length: processes }, (_, n) => {
      const reported = {
        ...clients,
        count: Math.floor((count + n) / processes),
      };
      return fetchedBy(hidden[0]!, reported, folder.path);
    }),
  );
  return all.flat();
}

/** What the clients of one process fetched. */
async function fetchedBy(
  [program = "", ...entering]: readonly string[],
  clients: SwarmClients,
  folder: string,
): Promise<Fetched[]> {
  const words = ["run", "-A", CLIENTS, JSON.stringify(clients), folder];
  const process = new Deno.Command(program, {
    args: [...entering, Deno.execPath(), ...words],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new Uint8Array(1));
  await writer.close();
  const lines = process.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  const fetched: Fetched[] = [];
  for await (const line of lines) fetched.push(JSON.parse(line));
  await process.status;
  return fetched;
}
