/**
 * A node's answers to requests for many small files.
 */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Grant } from "../../lib/access/grant.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { ClientService } from "../../lib/node/client_service.ts";
import { WORK_MS } from "../../lib/node/work_ledger.ts";
import { SharedRate } from "../../lib/base/shared_rate.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { memoryPair } from "../_memory_conn.ts";
import { systemError } from "../_replaced.ts";
import { type OneService, serviceOf, TIMING } from "../_client_service.ts";

const FILES = {
  "a": "alpha",
  "b": "beta",
  "empty": "",
  "large": "x".repeat(LIMITS.smallFileBytes + 1),
  "full": "y".repeat(LIMITS.smallFileBytes),
  "z/c": "gamma",
};

type Name = keyof typeof FILES;

/** What comes for some files: text and skips, in order. */
async function answersTo(
  names: readonly (Name | "unknown")[],
  { grant, prepare = () => {} }: {
    grant?: Grant;
    prepare?: (service: OneService) => void;
  } = {},
): Promise<{ said: string[]; frames: string[] }> {
  await using stack = new AsyncDisposableStack();
  const one = await serviceOf(FILES, stack);
  prepare(one);
  const { conn, client: service, share } = one;
  await using client = new Channel(conn, { ...TIMING, acceptsData: true });
  client.openUp();
  const served = service.run(grant);
  const of = names.map((name) =>
    name === "unknown" ? "0".repeat(32) : share.named(name)!.version
  );
  await client.send({ kind: "readMany", request: 7, of });
  const said: string[] = [];
  const frames: string[] = [];
  const sizes = names.map((name) =>
    name === "unknown" ? 0 : FILES[name].length
  );
  let bytes = new Uint8Array();
  for (let at = 0; at < of.length;) {
    const message = await client.receiveOrData(["pieces", "skipped"]);
    assert(message !== null);
    assertEquals(message.request, 7);
    frames.push(message.kind);
    if (message.kind === "data") {
      const part = new Uint8Array(message.length);
      await client.readData(part);
      bytes = new Uint8Array([...bytes, ...part]);
    } else if (message.kind === "skipped") {
      assertEquals(bytes.length, 0, "what came before is vouched for");
      said.push(message.code);
      at++;
    } else {
      for (let hash = 0; hash < message.hashes.length; hash += 32) {
        const file = bytes.slice(0, sizes[at]!);
        assertEquals(message.hashes.slice(hash, hash + 32), sha256(file));
        said.push(new TextDecoder().decode(file).slice(0, 9));
        bytes = bytes.slice(sizes[at]!);
        at++;
      }
    }
  }
  await client.close();
  await served;
  return { said, frames };
}

/** Whether the disk of this machine is quick must not matter. */
function quickly({ share }: OneService): void {
  Object.defineProperty(share, "isQuick", { value: true });
}

Deno.test("A node sends small files in one answer, their bytes first and then their hashes", async () => {
  const { said, frames } = await answersTo(["a", "z/c", "b"], {
    prepare: quickly,
  });
  assertEquals(said, ["alpha", "gamma", "beta"]);
  // Whether the bytes share a frame depends on how long reading takes.
  const last = frames.filter((frame, at) => frame !== frames[at - 1]);
  assertEquals(last, ["data", "pieces"]);
  assertEquals(frames.filter((frame) => frame === "pieces").length, 1);
});

Deno.test("A node skips files that were removed, empty or large, and sends the files after them", async () => {
  const { said } = await answersTo(
    ["a", "unknown", "b", "large", "empty", "full", "z/c"],
  );
  assertEquals(said, [
    "alpha",
    "gone",
    "beta",
    "bad_range",
    "bad_range",
    "yyyyyyyyy",
    "gamma",
  ]);
});

Deno.test("A node sends files together only within the grant; others look missing", async () => {
  const grant = { expires: 2_000_000_000, prefix: "z/" };
  const { said } = await answersTo(["a", "z/c", "unknown", "b"], { grant });
  assertEquals(said, ["gone", "gamma", "gone", "gone"]);
});

Deno.test("A node skips a file that changed since it was found", async () => {
  const { said } = await answersTo(["a", "b", "z/c"], {
    prepare: ({ share }) => {
      const path = share.named("b")!.path;
      Deno.writeTextFileSync(path, "beta, and more");
    },
  });
  assertEquals(said, ["alpha", "changed", "gamma"]);
});

Deno.test("A node sends nothing that it read together while a folder was changed, but each file by itself", async () => {
  let together = 0;
  const { said } = await answersTo(["a", "z/c", "unknown", "b"], {
    prepare: (one) => {
      quickly(one);
      const { share } = one;
      share.readTogether = (read) => {
        read();
        return ++together > 1;
      };
      const { readSmall } = share;
      share.readSmall = (file, target) => {
        const outcome = readSmall.call(share, file, target);
        if (together === 0) target?.fill(0x21); // from behind a link
        return outcome;
      };
    },
  });
  assertEquals(said, ["alpha", "gamma", "gone", "beta"]);
  assert(together > 1, "it reads files together");
});

Deno.test("A node with a rate sends and confirms each file separately", async () => {
  const { said, frames } = await answersTo(["a", "b", "unknown", "z/c"], {
    prepare: (one) =>
      Object.assign(one.service, { rate: new SharedRate(1_000_000) }),
  });
  assertEquals(said, ["alpha", "beta", "gone", "gamma"]);
  assertEquals(
    frames,
    ["data", "pieces", "data", "pieces", "skipped", "data", "pieces"],
  );
});

Deno.test("A node whose disk is slow reads in threads, and sends the same", async () => {
  const { said } = await answersTo(["a", "b", "unknown", "z/c"], {
    prepare: ({ share }) =>
      Object.defineProperty(share, "isQuick", { value: false }),
  });
  assertEquals(said, ["alpha", "beta", "gone", "gamma"]);
});

Deno.test("A node without a free file descriptor for a moment still sends all files", async () => {
  const { said } = await answersTo(["a", "b", "z/c"], {
    prepare: (one) => {
      quickly(one);
      const { share } = one;
      const readSmall = share.readSmall.bind(share);
      let tries = 0;
      share.readSmall = (file, target) => {
        if (++tries === 2) throw systemError("EMFILE");
        return readSmall(file, target);
      };
    },
  });
  assertEquals(said, ["alpha", "beta", "gamma"]);
});

/** What a node charges a client for "a", "b" and "z/c" in one request. */
async function chargedForThree(
  { isHashed }: { isHashed: boolean },
): Promise<number[]> {
  await using stack = new AsyncDisposableStack();
  const one = await serviceOf(FILES, stack);
  if (isHashed) await one.hash();
  const charged: number[] = [];
  const { work } = one.service;
  const enter = work.enter.bind(work);
  work.enter = (source) => {
    const entered = enter(source);
    return {
      charge: (ms, kind) => {
        charged.push(ms);
        entered.charge(ms, kind);
      },
      turn: () => entered.turn(),
      [Symbol.dispose]: () => entered[Symbol.dispose](),
    };
  };
  const [near, far] = memoryPair();
  const channel = stack.use(new Channel(far, TIMING));
  channel.openUp();
  using service = new ClientService(channel, one.service);
  await using client = new Channel(near, { ...TIMING, acceptsData: true });
  client.openUp();
  const served = service.run();
  const of = ["a", "b", "z/c"].map((name) => one.share.named(name)!.version);
  await client.send({ kind: "readMany", request: 1, of });
  // On a busy machine the files come one by one.
  for (let vouched = 0; vouched < of.length;) {
    const answer = await client.receiveOrData(["pieces"]);
    assert(answer !== null);
    if (answer.kind === "pieces") vouched += answer.hashes.length / 32;
    else await client.readData(new Uint8Array(answer.length));
  }
  await client.close();
  await served;
  return charged;
}

for (
  const [isHashed, cost] of [[false, "hashing"], [true, "no hashing"]] as const
) {
  Deno.test(`A node charges each file of a request like a request of its own, with ${cost}`, async () => {
    const charged = await chargedForThree({ isHashed });
    assertEquals(charged.filter((ms) => ms === WORK_MS.request).length, 4);
    const bytes = "alphabetagamma".length;
    const ofBytes = charged.filter((ms) => ms !== WORK_MS.request)
      .reduce((sum, ms) => sum + ms, 0);
    const each = WORK_MS.sendByte + (isHashed ? 0 : WORK_MS.hashByte);
    assertAlmostEquals(ofBytes, bytes * each, 1e-9);
  });
}
