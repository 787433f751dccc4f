/**
 * A lane in the thread of the test: its code, where breakpoints, replaced
 * functions and the test's own errors reach it.
 */

import { createHash } from "node:crypto";
import { LANE_TERMS, LaneHasher, type LanePort } from "../lib/transfer/lane.ts";
import {
  type LaneOrder,
  type LaneScope,
  runLane,
} from "../lib/transfer/lane_code.ts";
import { runLaneConns } from "../lib/transfer/lane_conn_code.ts";
import {
  CELL,
  type LaneConnOrder,
} from "../lib/transfer/lane_conn_messages.ts";
import { laneDialler } from "../lib/transport/lane_dialler.ts";
import { startPinned } from "../lib/transport/pinned.ts";

/** Orders and answers are copied or moved, as between threads. */
export function laneHere(): LaneHasher {
  const orders: (LaneOrder | LaneConnOrder)[] = [];
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
  const terms = LANE_TERMS;
  runLane(scope, {
    createHash,
    connsOf: (files) =>
      runLaneConns(scope, files, {
        dialler: laneDialler(startPinned),
        terms,
        cell: CELL,
      }),
  });
  return new LaneHasher(port);
}
