/**
 * Clients of `swarm.ts` in a process of their own: fetch `big.iso` at the same
 * time, and print what each needed as JSON. They begin when a line comes.
 */

import { cpuUsage } from "node:process";
import { join } from "@std/path";
import { getFiles } from "../../lib/client/get.ts";
import { say } from "./_report.ts";
import type { SwarmClients } from "./swarm.ts";

const { relay, count, swarm, limits } = JSON.parse(
  Deno.args[0]!,
) as SwarmClients;

async function fetchOne(n: number) {
  const folder = await Deno.makeTempDir({ dir: Deno.args[1]! });
  const startedAt = performance.now();
  let [nodes, clients, ms] = [0, 0, NaN];
  const { failed } = await getFiles({
    relay,
    selections: [{ kind: "name", name: "big.iso" }],
    pathOf: () => join(folder, "big.iso"),
    sync: false,
    limits,
    ...swarm === undefined ? {} : { swarm },
    onEvent: (event) => {
      if (event.event !== "file_received") return;
      ms = performance.now() - startedAt;
      for (const { isHolder, bytes } of event.from) {
        if (isHolder) clients += bytes;
        else nodes += bytes;
      }
    },
  });
  const why = failed.get("big.iso")?.message;
  return { n, ms, nodes, clients, why };
}

await Deno.stdin.read(new Uint8Array(1));
const fetched = await Promise.all(
  Array.from({ length: count }, (_, n) => fetchOne(n)),
);
const { user, system } = cpuUsage();
const cpuS = (user + system) / 1e6;
for (const one of fetched) say(JSON.stringify({ ...one, cpuS }));
