/**
 * Every remedy that the program prints: followed by the roles, in a process of
 * their own where a permission or a terminal is what it is about, after which the
 * command succeeds.
 */

import { assertEquals } from "@std/assert";
import { OF_ACCESS } from "../../e2e/_remedies_of_access.ts";
import { OF_COMMANDS } from "../../e2e/_remedies_of_commands.ts";
import { OF_ENGINES } from "../../e2e/_remedies_of_engines.ts";
import { tryRemedy } from "../../e2e/_remedy_trials.ts";
import { RoleHost } from "../../e2e/_role_host.ts";
import { startNode, startRelay } from "../../_network.ts";

const TRIED = { ...OF_COMMANDS, ...OF_ACCESS, ...OF_ENGINES };

// As many commands at a time as a small machine starts without delay.
const AT_A_TIME = 3;

async function inTurns<Item>(
  items: readonly Item[],
  act: (item: Item, host: RoleHost) => Promise<void>,
): Promise<void> {
  const left = [...items];
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      await using host = new RoleHost();
      for (let item = left.pop(); item !== undefined; item = left.pop()) {
        await act(item, host);
      }
    }),
  );
}

Deno.test("Every remedy that a test can follow helps", async (test) => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, {
    "-x": "dashed\n",
    "a.txt": "whole\n",
    "big.bin": new Uint8Array(300_000),
    "d.txt": "of the laptop\n",
    "sub/c.txt": "deeper\n",
  }, { name: "laptop" });
  await using _other = await startNode(relay, {
    "d.txt": "of the desktop\n",
    "more/c.txt": "another\n",
  }, { name: "desktop" });
  const all = Object.entries(TRIED).flatMap(([module, trials]) =>
    Object.entries(trials).map(([words, trial]) => ({ module, words, trial }))
  );
  const failed = new Map<string, unknown[]>();
  await inTurns(all, async ({ module, words, trial }, host) => {
    await tryRemedy(words, { relay, host }, trial).catch((error) => {
      failed.set(module, [...failed.get(module) ?? [], error.stack]);
    });
  });
  for (const module of Object.keys(TRIED)) {
    await test.step(module, () => {
      assertEquals((failed.get(module) ?? []).join("\n"), "");
    });
  }
});
