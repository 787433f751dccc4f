/**
 * Lists of nodes that are handed over page by page, and not kept.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { browseFiles } from "../../lib/client/listing.ts";
import { startNode, startRelay } from "../_network.ts";
import { pinned } from "./_outcomes.ts";

Deno.test("browseFiles hands over the files of a list of any length, and keeps none", async () => {
  await using relay = await startRelay();
  const contents = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`f${n}`, "four"]),
  );
  await using node = await startNode(relay, contents);
  const taken: string[] = [];
  const files = await browseFiles({
    relay: pinned(relay),
    limits: { listingNodeBytes: 500 },
    take: (page, { id }) => {
      for (const { name } of page) taken.push(`${name} ${id}`);
      return Promise.resolve();
    },
  });
  const { id } = node.server;
  assertEquals(
    taken.sort(),
    Object.keys(contents).map((name) => `${name} ${id}`).sort(),
  );
  assertEquals([files.incomplete, files.isEmpty], [[], false]);
  assertEquals([...files], []);
});

Deno.test("browseFiles ends with the error of its callback", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "x" });
  await assertRejects(
    () =>
      browseFiles({
        relay: pinned(relay),
        take: () =>
          Promise.reject(
            new Failure("local", {
              what: "Cannot write",
              why: "no room",
            }),
          ),
      }),
    Failure,
    "no room",
  );
});
