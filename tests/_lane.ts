/**
 * A lane in the thread of the test: its code, where breakpoints, replaced
 * functions and the test's own errors reach it.
 */

import { createHash } from "node:crypto";
import { LaneHasher, type LanePort } from "../lib/transfer/lane.ts";
import {
  type LaneOrder,
  type LaneScope,
  runLane,
} from "../lib/transfer/lane_code.ts";

/** Orders and answers are copied or moved, as between threads. */
export function laneHere(): LaneHasher {
  const orders: LaneOrder[] = [];
  let isEnded = false;
  const port: LanePort = {
    onmessage: null,
    onerror: null,
    postMessage: (order, transfer) => {
      orders.push(structuredClone(order, { transfer }));
      queueMicrotask(() => {
        const data = orders.shift();
        if (!isEnded && data) scope.onmessage?.({ data });
      });
    },
    terminate: () => isEnded = true,
  };
  const scope: LaneScope = {
    onmessage: null,
    postMessage: (reply, transfer) => {
      const data = structuredClone(reply, { transfer });
      queueMicrotask(() =>
        port.onmessage?.(new MessageEvent("message", { data }))
      );
    },
  };
  runLane(scope, { createHash });
  return new LaneHasher(port);
}
