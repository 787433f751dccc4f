/**
 * The files this project reads back: they may have been edited by hand, or cut
 * off by a full disk.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { parseEndpoint } from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import { Digests } from "../../lib/share/digests.ts";
import { Share } from "../../lib/share/share.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { FileDigest } from "../../lib/share/file_table.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { KnownRelays } from "../../lib/identity/known_relays.ts";
import { Manifest, pieceCountOf } from "../../lib/content/manifest.ts";
import { tempShare } from "../_temp_share.ts";
import { anyText, holds, refusedAs } from "./_runs.ts";

const id = fc.constantFrom("a", "b", "7").map((letter) =>
  letter.repeat(51) + "q"
);
const endpoint = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("nas", "nas.local")),
  port: fc.integer({ min: 1, max: 65_535 }),
});

const knownLine = fc.oneof(
  fc.tuple(endpoint, id).map(([endpoint, id]) =>
    `${formatEndpoint(endpoint)} ${id}`
  ),
  fc.tuple(anyText, id).map((words) => words.join(" ")),
  anyText,
  anyText.map((text) => `# ${text}`),
  fc.constantFrom("", " ", "\t", "\r"),
);
const knownText = fc.tuple(
  fc.array(knownLine, { maxLength: 6 }),
  fc.constantFrom("\n", "\r\n"),
).map(([lines, lineBreak]) => lines.join(lineBreak));

/** What is in the file; nothing where it was refused. */
async function load(path: string): Promise<KnownRelays | undefined> {
  try {
    return await KnownRelays.load(path);
  } catch (error) {
    return refusedAs(error, "local");
  }
}

holds(
  "KnownRelays refuses a file that it does not understand, and believes no other id",
  [knownText, endpoint, id],
  async (text, endpoint, id) => {
    await using folder = await tempShare({ "known": text });
    const known = await load(join(folder.path, "known"));
    const key = formatEndpoint(endpoint);
    const met = known?.compare(endpoint, id);
    const isThere = text.split(/\s+/).includes(key);
    if (met?.kind === "same") assert(text.includes(id) && isThere);
    if (met?.kind === "changed") assert(text.includes(met.knownId) && isThere);
  },
  { runs: 200 },
);

holds(
  "KnownRelays knows again, in the next run, whom it met last at each address",
  [
    fc.array(fc.tuple(endpoint, id), { minLength: 1, maxLength: 6 }),
    fc.constantFrom("", "# mine", "# mine\n", "\n\n"),
  ],
  async (met, text) => {
    await using folder = await tempShare({ "known": text });
    const path = join(folder.path, "known");
    const now = await KnownRelays.load(path);
    const last = new Map<string, string>();
    for (const [endpoint, id] of met) {
      await now.remember(endpoint, id);
      last.set(formatEndpoint(endpoint), id);
    }
    const later = await KnownRelays.load(path);
    for (const known of [now, later]) {
      for (const [key, id] of last) {
        const endpoint = parseEndpoint(key, { zero: false });
        assertEquals(known.compare(endpoint, id), { kind: "same" });
      }
    }
    assert((await Deno.readTextFile(path)).startsWith(text));
  },
  { runs: 100 },
);

/** What is kept of a file of `size` bytes. */
function describe(size: number, seed: number) {
  const hashes = new Uint8Array(32 * pieceCountOf(size)).fill(seed);
  const manifest = new Manifest(size, hashes);
  const whole = sha256(hashes).toHex();
  return { content: manifest.contentId, sha256: whole, manifest };
}

const kept = fc.tuple(
  anyText,
  fc.constantFrom(0, 1, 256 * 1024, 256 * 1024 + 1, 10 ** 6),
  fc.integer({ min: 0, max: 3 }),
);

function digestOf(size: number, seed: number): FileDigest {
  const { content, sha256 } = describe(size, seed);
  return { content, sha256 };
}

holds(
  "DigestFolder gives back in the next run what was put last under each key",
  [fc.array(kept, { maxLength: 5 }), fc.array(kept, { maxLength: 5 })],
  async (first, second) => {
    await using folder = await tempShare();
    const last = new Map<string, FileDigest>();
    for (const run of [first, second]) {
      using store = await DigestFolder.open(folder.path);
      for (const [key, digest] of last) assertEquals(store.get(key), digest);
      for (const [key, size, seed] of run) {
        store.put(key, describe(size, seed));
        last.set(key, digestOf(size, seed));
      }
    }
    using store = await DigestFolder.open(folder.path);
    for (const [key, size, seed] of [...first, ...second]) {
      assertEquals(store.get(key), last.get(key));
      const { content, manifest } = describe(size, seed);
      if (manifest.pieceCount < 2) continue;
      assertEquals(store.hashesOf(content), manifest.hashes);
    }
  },
  { runs: 100 },
);

holds(
  "DigestFolder believes nothing that was not put, after a cut and what follows it",
  [
    fc.array(kept, { minLength: 1, maxLength: 4 }),
    fc.nat(),
    fc.array(kept, { maxLength: 4 }),
  ],
  async (before, cut, after) => {
    await using folder = await tempShare();
    const put = new Map<string, string[]>();
    const keep = async (files: typeof before) => {
      using store = await DigestFolder.open(folder.path);
      for (const [key, size, seed] of files) {
        store.put(key, describe(size, seed));
        const all = put.get(key) ?? [];
        put.set(key, [...all, JSON.stringify(digestOf(size, seed))]);
      }
    };
    await keep(before);
    const index = join(folder.path, "index");
    const text = await Deno.readTextFile(index);
    await Deno.truncate(index, cut % (text.length + 1));
    await keep(after);
    using store = await DigestFolder.open(folder.path);
    for (const [key, digests] of put) {
      const found = store.get(key);
      if (found === undefined) continue; // to be computed again
      assert(digests.includes(JSON.stringify(found)));
    }
  },
  { runs: 100 },
);

const HEX = "0123456789abcdef".repeat(4);
const indexLine = fc.oneof(
  anyText,
  fc.tuple(
    fc.constantFrom(HEX, HEX.toUpperCase(), HEX.slice(1), "__proto__"),
    fc.constantFrom(HEX, `${HEX}0`),
    fc.oneof(anyText.map((text) => JSON.stringify(text)), anyText),
  ).map((words) => words.join(" ")),
);

holds(
  "DigestFolder leaves aside what is damaged in its index, whatever it is",
  [fc.array(indexLine, { maxLength: 8 }), fc.uint8Array({ maxLength: 40 })],
  async (lines, tail) => {
    const text = new TextEncoder().encode(lines.join("\n"));
    await using folder = await tempShare({
      "index": new Uint8Array([...text, ...tail]),
    });
    using store = await DigestFolder.open(folder.path);
    for (const line of lines) {
      const found = store.get(line) ?? { content: HEX, sha256: HEX };
      assertEquals(found, { content: HEX, sha256: HEX });
    }
    store.put("next", describe(1, 1));
    assertEquals(store.get("next"), digestOf(1, 1));
    assertEquals(store.hashesOf("../index"), undefined);
  },
  { runs: 150 },
);

interface Damage {
  readonly kind: "digit" | "flip" | "cut" | "double" | "insert" | "zero";
  readonly at: number;
  readonly bit: number;
  readonly with: Uint8Array;
}

const damage: fc.Arbitrary<Damage[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Damage["kind"][]>(
      ...["digit", "digit", "flip", "cut", "double", "insert", "zero"] as const,
    ),
    at: fc.nat(),
    bit: fc.integer({ min: 0, max: 7 }),
    with: fc.uint8Array({ minLength: 1, maxLength: 80 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** `bytes` after all changes. */
function damaged(
  bytes: Uint8Array,
  changes: readonly Damage[],
): Uint8Array<ArrayBuffer> {
  let all = [...bytes];
  for (const { kind, at: place, bit, with: other } of changes) {
    const at = place % (all.length + 1);
    const [before, after] = [all.slice(0, at), all.slice(at)];
    switch (kind) {
      case "digit": {
        const digit = HEX.indexOf(String.fromCharCode(all[at] ?? 0));
        if (digit >= 0) all[at] = HEX.charCodeAt((digit + 1 + bit) % 16);
        break;
      }
      case "flip":
        if (at < all.length) all[at]! ^= 1 << bit;
        break;
      case "cut":
        all = before;
        break;
      case "double":
        all = [...before, ...after, ...after];
        break;
      case "insert":
        all = [...before, ...other, ...after];
        break;
      case "zero":
        all = [...before, ...after.fill(0, 0, other.length)];
        break;
    }
  }
  return Uint8Array.from(all);
}

holds(
  "A state folder with damage in any of its files gives each file its own digest, or none until it is hashed again",
  [damage, fc.nat()],
  async (changes, which) => {
    const files = { "cut": new Uint8Array(300_000).fill(7), "small": "x" };
    await using folder = await tempShare(files);
    const longAgo = new Date(1_500_000_000_000);
    for (const name of Object.keys(files)) {
      await Deno.utime(join(folder.path, name), longAgo, longAgo);
    }
    await using state = await tempShare();
    /** What a node would say of each file, by asking and by hashing. */
    const digestsOf = async () => {
      const share = await Share.open(folder.path, LIMITS);
      using store = await DigestFolder.open(state.path);
      await using digests = new Digests(share, {
        limits: LIMITS,
        store,
        isBusy: () => false,
        onIdle: () => {},
      });
      const reported: (FileDigest | undefined)[] = [];
      const hashed: FileDigest[] = [];
      for (const file of share.files()) {
        reported.push(digests.of(file));
        const outcome = await digests.describe(file);
        assert(outcome.kind === "described");
        const { content, sha256, manifest } = outcome.described;
        assertEquals(manifest.contentId, content);
        hashed.push({ content, sha256 });
      }
      return { reported, hashed };
    };
    const { hashed: wanted } = await digestsOf();
    const manifests = Deno.readDir(join(state.path, "manifests"));
    const [manifest] = await Array.fromAsync(manifests);
    const place = ["index", `manifests/${manifest!.name}`][which % 2]!;
    const path = join(state.path, place);
    await Deno.writeFile(path, damaged(await Deno.readFile(path), changes));
    const { reported, hashed } = await digestsOf();
    assertEquals(hashed, wanted);
    for (const [n, digest] of reported.entries()) {
      if (digest !== undefined) assertEquals(digest, wanted[n]);
    }
  },
  { runs: 60 },
);
