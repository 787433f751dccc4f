/**
 * Where a gateway hashes what it reads.
 */

import { assert, assertEquals } from "@std/assert";
import { Hashers } from "../../lib/gateway/hashers.ts";
import { PlainHasher } from "../../lib/transfer/hashing.ts";
import { hasRoomForWorker } from "../../lib/transport/descriptors.ts";
import { replaced, systemError } from "../_replaced.ts";

const LARGE = { start: 0, end: 64 * 1024 * 1024 };

Deno.test("Hashers starts no worker while descriptors are short, which would end the process", () => {
  let isShort = true;
  using hashers = new Hashers(() => !isShort);
  assert(hashers.for(LARGE) instanceof PlainHasher);
  isShort = false;
  const lane = hashers.for(LARGE);
  assert(!(lane instanceof PlainHasher));
  isShort = true; // it has its descriptors
  assertEquals(hashers.for(LARGE), lane);
});

Deno.test("hasRoomForWorker tries to open as many descriptors as a worker takes, and closes them", () => {
  const open = new Set<object>();
  let left = 20;
  using _listen = replaced(
    Deno,
    "listen",
    () =>
      (() => {
        if (open.size === left) throw systemError("EMFILE");
        const one = { [Symbol.dispose]: () => void open.delete(one) };
        open.add(one);
        return one;
      }) as unknown as typeof Deno.listen,
  );
  assertEquals([hasRoomForWorker(), open.size], [true, 0]);
  left = 15;
  assertEquals([hasRoomForWorker(), open.size], [false, 0]);
});
