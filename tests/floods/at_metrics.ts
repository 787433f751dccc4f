/**
 * Floods of the port at which a role serves its metrics and its health.
 */

import { assertEquals } from "@std/assert";
import { spawnRelay } from "../e2e/_processes.ts";
import { ATTACKER, Crowd, pause } from "./_attacker.ts";
import type { Attack, Flood, Scene } from "./_flood.ts";

/** A relay process with `--metrics`, and a monitor that asks for its health. */
async function openMetricsScene(): Promise<Scene> {
  const relay = await spawnRelay(["--metrics", "0.0.0.0:0", "0"]);
  const [, port] = await relay.stdout.until(/^metrics on http:\/\/.*:(\d+)\//);
  const at = { host: "127.0.0.1", port: Number(port) };
  return {
    target: { at, plaintext: true },
    pids: [relay.pid],
    ask: async () => {
      const startedAt = performance.now();
      const url = `http://${at.host}:${at.port}/healthz`;
      const signal = AbortSignal.timeout(5_000);
      const answer = await fetch(url, { signal });
      assertEquals((await answer.json()).status, "ok");
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

/** So many connections a second that say nothing. */
function silentlyConnecting(perSecond: number): Attack {
  return async ({ at }, signal) => {
    using crowd = new Crowd(at);
    const startedAt = performance.now();
    for (let count = 0; !signal.aborted; await pause(5)) {
      const due = (performance.now() - startedAt) / 1_000 * perSecond;
      for (; count < due; count++) crowd.add(ATTACKER);
    }
  };
}

export const AT_METRICS: readonly Flood[] = [
  {
    name: "metrics: 50 silent connections a second",
    open: openMetricsScene,
    attack: silentlyConnecting(50),
  },
  {
    name: "metrics: 1,000 silent connections a second",
    open: openMetricsScene,
    attack: silentlyConnecting(1_000),
  },
];
