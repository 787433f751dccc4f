import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Connection } from "../../lib/transfer/connection.ts";
import type { HolderFiles } from "../../lib/transfer/holder_files.ts";
import { Plan } from "../../lib/transfer/plan.ts";
import { Source } from "../../lib/transfer/source.ts";
import { SourceTroubles } from "../../lib/transfer/source_troubles.ts";
import { Sources } from "../../lib/transfer/sources.ts";

const { lowestBytesPerSecond } = LIMITS;
const SECONDS = 40;

/** A source that takes part, and is waited for all the time. */
function addTo(sources: Sources, id: string, isHolder: boolean): Source {
  const open = () => Promise.reject(new Error("nobody opens it"));
  const source = new Source({ id, isHolder, open }, 1);
  const waitedMs = (now: number) => now;
  sources.add(source);
  sources.addConnection(
    { id: source.connections[0]!, waitedMs } as unknown as Connection,
  );
  return source;
}

/** Which source is too slow beside another, if one is, and after how long. */
function slowOf({ hasHelp, isSwarm }: { hasHelp: boolean; isSwarm: boolean }) {
  const sources = new Sources();
  const slow = addTo(sources, "slow", false);
  const quick = addTo(sources, "quick", hasHelp);
  const troubles = new SourceTroubles({
    ...{ sources, limits: LIMITS, describe: undefined },
    plan: new Plan({
      ...{ openFileCount: 1, pieceFailureCount: 1 },
      ...{ takeOverMs: 1, connectionQuietMs: 1 },
    }),
    holders: { isSeed: () => isSwarm } as unknown as HolderFiles,
    settle: () => {},
    onOut: () => {},
    onTrouble: () => {},
  });
  let found: Source | undefined;
  let foundAt = 0;
  for (let second = 1; second <= SECONDS && !found; second++) {
    foundAt = second;
    quick.received(4 * lowestBytesPerSecond);
    found ??= sources.secondPassed({
      lowestBytesPerSecond,
      now: 1_000 * second,
      isBusy: () => true,
      isExempt: (source) => troubles.hasManyReaders(source),
    });
  }
  return { which: found && (found === slow ? "slow" : "quick"), foundAt };
}

Deno.test("Sources keeps a slow seed while clients of its swarm help, because the seed serves others", () => {
  assertEquals(slowOf({ hasHelp: true, isSwarm: true }).which, undefined);
});

Deno.test("Sources detects a slow node if no client helps, and if its file is in no swarm", () => {
  assertEquals(slowOf({ hasHelp: false, isSwarm: true }).which, "slow");
  assertEquals(slowOf({ hasHelp: true, isSwarm: false }).which, "slow");
});

Deno.test("Sources judges a source after waiting for it for slowMs", () => {
  const { foundAt } = slowOf({ hasHelp: false, isSwarm: false });
  assertEquals(foundAt, LIMITS.slowMs / 1_000);
});
