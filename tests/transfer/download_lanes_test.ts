import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Work } from "../../lib/transfer/connection.ts";
import { DownloadLanes } from "../../lib/transfer/download_lanes.ts";
import { Plan } from "../../lib/transfer/plan.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import { Source } from "../../lib/transfer/source.ts";
import { Sources } from "../../lib/transfer/sources.ts";
import { within } from "../_event_log.ts";

const SESSION = { path: "direct" } as NodeSession;

/** Lanes of which a node takes none, and what is known of them. */
function setUp(laneCount: number) {
  const opens: string[] = [];
  const running: Promise<void>[] = [];
  const sources = new Sources();
  const source = new Source({
    id: "node",
    open: () => Promise.reject(new Error("not asked for")),
    openInLane: () => {
      opens.push("lane");
      return Promise.reject(new Deno.errors.UnexpectedEof("no room"));
    },
  }, 1);
  sources.add(source);
  const { signal } = new AbortController();
  const work = {
    signal,
    isOver: () => false,
    track: (part: Promise<void>) => running.push(part),
  } as unknown as Work;
  const lanes = new DownloadLanes({
    limits: LIMITS,
    laneCount,
    work: () => work,
    plan: new Plan({
      openFileCount: 1,
      pieceFailureCount: 1,
      takeOverMs: 500,
      connectionQuietMs: 10_000,
    }),
    sources,
    ended: () => {},
  });
  /** The node is reached once more: how many sessions in lanes that begins. */
  const reach = async () => {
    opens.length = 0;
    lanes.opened(source, SESSION);
    await within(Promise.all(running.splice(0)), "their end");
    return opens.length;
  };
  return { source, reach };
}

Deno.test("A node without room for lanes is asked for one in each further round, and for none after the last", async () => {
  const { reach } = setUp(4);
  const begun = [await reach(), await reach(), await reach(), await reach()];
  assertEquals(begun, [4, 1, 1, 0]);
});

Deno.test("A node with room for some lanes is not asked for more in the next round", async () => {
  const { source, reach } = setUp(4);
  assertEquals(await reach(), 4);
  source.laneCount = 2;
  source.refusesLane();
  source.laneCount = 0; // they broke off
  assertEquals(await reach(), 2);
});

Deno.test("No lane is started for a node that is reached through its relay", async () => {
  const { source, reach } = setUp(4);
  Object.assign(SESSION, { path: "tunnel" });
  assertEquals([await reach(), source.laneRounds], [0, 0]);
  Object.assign(SESSION, { path: "direct" });
});
