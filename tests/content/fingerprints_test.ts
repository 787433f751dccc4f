import { assert, assertEquals } from "@std/assert";
import { FingerprintCounts } from "../../lib/content/fingerprint_counts.ts";
import {
  baseOf,
  decodeFingerprints,
  encodeFingerprints,
  fingerprintOf,
  foldersOf,
} from "../../lib/content/fingerprints.ts";
import { seededRandom } from "../_random.ts";
import { replaced } from "../_replaced.ts";

const KEY = new Uint8Array(32).fill(7);
const LARGEST = 2 ** 40 - 1;

Deno.test("fingerprintOf gives the first 5 bytes of the HMAC that PROTOCOL.md names", async () => {
  const key = await crypto.subtle.importKey(
    "raw",
    KEY,
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const text = new TextEncoder().encode("relay-p2p index 1\nbase\nGrüße.txt");
  const code = new Uint8Array(await crypto.subtle.sign("HMAC", key, text));
  const wanted = parseInt(code.subarray(0, 5).toHex(), 16);
  assertEquals(fingerprintOf(KEY, "base", "Grüße.txt"), wanted);
});

Deno.test("fingerprintOf differs by key, kind and text", () => {
  const other = new Uint8Array(32).fill(8);
  const all = new Set([
    fingerprintOf(KEY, "name", "a"),
    fingerprintOf(KEY, "base", "a"),
    fingerprintOf(KEY, "folder", "a"),
    fingerprintOf(KEY, "name", "b"),
    fingerprintOf(other, "name", "a"),
  ]);
  assertEquals(all.size, 5);
});

Deno.test("A name has a last part, and folders from the innermost out", () => {
  assertEquals([baseOf("a/b/c"), baseOf("c")], ["c", "c"]);
  assertEquals(foldersOf("a/b/c"), ["a/b/", "a/"]);
  assertEquals(foldersOf("c"), []);
});

Deno.test("decodeFingerprints reads what encodeFingerprints writes, and only rising ones", () => {
  for (const list of [[], [0], [0, 1, 255, 256, 2 ** 32, LARGEST]]) {
    const text = encodeFingerprints(list);
    assertEquals([...decodeFingerprints(text)!], list);
  }
  for (const list of [[1, 1], [2, 1], [LARGEST, 0]]) {
    assertEquals(decodeFingerprints(encodeFingerprints(list)), undefined);
  }
  for (const text of ["AAAA", "AAAAAA==", "no base64!"]) {
    assertEquals(decodeFingerprints(text), undefined, text);
  }
});

for (const seed of [1, 2, 3]) {
  Deno.test(`FingerprintCounts counts like a map: seed ${seed}`, () => {
    const random = seededRandom(seed);
    const counts = new FingerprintCounts();
    const naive = new Map<number, number>();
    for (let step = 0; step < 20_000; step++) {
      // Neighbours that meet in the table, at its end too, in four parts.
      const fingerprint = Math.floor(random() * 75) * 64 + 60 +
        Math.floor(random() * 6) + Math.floor(random() * 4) * 2 ** 38;
      const before = naive.get(fingerprint) ?? 0;
      if (random() < (step % 4_000 < 2_000 ? 0.7 : 0.3)) {
        assertEquals(counts.add(fingerprint), before === 0);
        naive.set(fingerprint, before + 1);
      } else {
        assertEquals(counts.remove(fingerprint), before === 1);
        if (before > 1) naive.set(fingerprint, before - 1);
        else naive.delete(fingerprint);
      }
    }
    assertEquals(counts.size, naive.size);
    assertEquals(
      [...counts.sortedParts()].flatMap(({ part }) => Array.from(part)),
      [...naive.keys()].sort((a, b) => a - b),
    );
    for (const fingerprint of naive.keys()) {
      assertEquals(counts.has(fingerprint), true);
      assertEquals(counts.has(fingerprint + 32), false);
    }
  });
}

Deno.test("FingerprintCounts grows a small part at a time", () => {
  const sizes: number[] = [];
  using _places = replaced(
    globalThis,
    "Uint32Array",
    (original) =>
      class extends original {
        constructor(size: number) {
          super(size);
          sizes.push(size);
        }
      } as unknown as typeof Uint32Array,
  );
  const counts = new FingerprintCounts();
  const random = seededRandom(7);
  const count = 20_000;
  for (let n = 0; n < count; n++) counts.add(Math.floor(random() * 2 ** 40));
  assertEquals(counts.size, count);
  assert(Math.max(...sizes) <= count / 32, `${Math.max(...sizes)}`);
});
