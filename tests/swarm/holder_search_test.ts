/** The search for holders, with sessions that only end. */

import { assertRejects } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  HolderSearch,
  type HolderSource,
} from "../../lib/swarm/holder_search.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import { SourceExhausted } from "../../lib/transfer/source.ts";
import type { ListedHolder } from "../../lib/uplink/listed_holders.ts";
import { within } from "../_event_log.ts";

Deno.test("HolderSearch ends a connection that sends nothing, dials another holder for it, and may dial it again", async () => {
  const holders = ["first", "second"].map((id, n) => ({
    id,
    addresses: [{ host: `192.0.2.${n}`, port: 1 }],
    signed: {},
  } as unknown as ListedHolder));
  const found: HolderSource[] = [];
  const replaced = Promise.withResolvers<void>();
  const returned = Promise.withResolvers<void>();
  const stop = new AbortController();
  const search = new HolderSearch({
    content: "c",
    id: "me",
    limits: {
      ...LIMITS,
      swarmDialCount: 1,
      swarmConnectionIdleMs: 0,
      swarmRequestFirstMs: 1,
      swarmRequestEveryMs: 1,
      swarmFirstRetryMs: 1,
    },
    request: () => Promise.resolve(holders),
    dial: () => {
      const session = {
        endOn: (signal: AbortSignal) => {
          if (signal.aborted) replaced.resolve();
          signal.addEventListener("abort", () => replaced.resolve());
        },
      };
      return Promise.resolve(session as unknown as NodeSession);
    },
    onSource: (one) => {
      found.push(one);
      if (found.length === 1) void one.source.open(stop.signal);
      else one.source.ended?.({ mayReturn: true });
      const ids = found.slice(1).map(({ holder }) => holder.id);
      if (new Set(ids).size === 2) returned.resolve();
    },
    onMet: () => {},
    mustOffer: () => false,
    random: () => 0,
  });
  const running = search.run(stop.signal);
  await within(replaced.promise, "the end of the idle connection");
  const { source } = found[0]!;
  await assertRejects(() => source.open(stop.signal), SourceExhausted);
  source.ended?.({ mayReturn: false });
  await within(returned.promise, "the other one, and it once more");
  stop.abort();
  await running;
});
