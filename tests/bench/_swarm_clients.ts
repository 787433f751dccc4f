/**
 * Clients of `swarm.ts` in a process of their own: fetch `big.iso`, or a folder,
 * at the same time, and print what each needed as JSON. They begin when a line
 * comes.
 */

import { cpuUsage } from "node:process";
import { join } from "@std/path";
import { getFiles } from "../../lib/client/get.ts";
import { folderSelection } from "../../lib/client/selections.ts";
import { print } from "./_report.ts";
import type { Fetched, SwarmClients } from "./swarm.ts";

const { relay, count, swarm, limits, directory } = JSON.parse(
  Deno.args[0]!,
) as SwarmClients;

async function fetchOne(n: number): Promise<Omit<Fetched, "cpuS">> {
  const folder = await Deno.makeTempDir({ dir: Deno.args[1]! });
  const startedAt = performance.now();
  let [nodes, clients, ms, smallClients, given] = [0, 0, NaN, 0, 0];
  let endedAt = NaN;
  const getting = getFiles({
    relay,
    selections: [
      directory === undefined
        ? { kind: "name", name: "big.iso" }
        : folderSelection(directory),
    ],
    pathOf: (name) => join(folder, name),
    sync: false,
    limits,
    ...swarm === undefined ? {} : { swarm },
    onEvent: (event) => {
      if (event.event === "swarm_ended") given = event.given;
      if (event.event !== "file_received") return;
      ms = performance.now() - startedAt;
      endedAt = Date.now();
      for (const { isHolder, bytes } of event.from) {
        if (isHolder) clients += bytes;
        else nodes += bytes;
        if (isHolder && !event.name.endsWith(".iso")) smallClients += bytes;
      }
    },
  });
  const why = await getting.then(
    ({ failed }) => failed.values().next().value?.message,
    (error: Error) => error.message, // the others continue
  );
  return {
    n,
    ms,
    endedAt,
    nodes,
    clients,
    smallClients,
    given,
    ...why === undefined ? {} : { why },
  };
}

await Deno.stdin.read(new Uint8Array(1));
const fetched = await Promise.all(
  Array.from({ length: count }, (_, n) => fetchOne(n)),
);
const { user, system } = cpuUsage();
const cpuS = (user + system) / 1e6;
for (const one of fetched) print(JSON.stringify({ ...one, cpuS }));
