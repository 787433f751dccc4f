import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DigestFolder } from "../../lib/share/digest_store.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { replaced, systemError } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import {
  described,
  digestOf,
  HEX,
  line,
  lineWith,
  namesIn,
  readIndex,
  reopened,
} from "./_digest_store.ts";

for (
  const [what, damaged] of [
    ["is empty", ""],
    ["is cut in its content id", line("x").slice(0, 40)],
    ["is cut in its SHA-256", line("x").slice(0, 100)],
    ["is cut before its key", line("x").slice(0, 130)],
    ["is cut in its key", line("x").slice(0, -1)],
    ["has no content id", line("x", "")],
    ["has a content id in capitals", line("x", HEX.toUpperCase())],
    ["has a content id that is too long", line("x", `${HEX}0`)],
    ["has a SHA-256 that is none", line("x", HEX, `${HEX.slice(1)}g`)],
    ["has no quotes around its key", lineWith("x")],
    ["has two keys", lineWith('"x" "y"')],
    ["has another check", line("x").replace(/ [0-9a-f]{8} /, " 00000000 ")],
    ["has no check", `${HEX} ${HEX} "x"`],
    ["has a key that is no JSON", lineWith('"\\x"')],
    ["has something before it", ` ${line("x")}`],
    ["has something after it", `${line("x")} `],
    ["has a wrong character between", line("x").replace(" ", "\t")],
    ["is not text", "\0\u{fffd}\u{1f4a5}"],
    ["is two in one", line("x") + line("y")],
  ] as const
) {
  Deno.test(`DigestFolder ignores a line that ${what}, and reads the others`, async () => {
    const index = `${line("before")}\n${damaged}\n${line("after")}\n`;
    await using folder = await tempShare({ "index": index });
    using store = await DigestFolder.open(folder.path);
    const expected = { content: HEX, sha256: HEX };
    assertEquals(store.get("before"), expected);
    assertEquals(store.get("after"), expected);
    for (const key of ["x", "y", 'x" "y', ""]) {
      assertEquals(store.get(key), undefined, key);
    }
  });
}

Deno.test("DigestFolder opens an index of any bytes", async () => {
  const random = seededRandom(4);
  for (let round = 0; round < 20; round++) {
    const index = randomBytes(2_000, random);
    await using folder = await tempShare({ "index": index });
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("x"), undefined);
    store.put("x", described(1));
    assertEquals(store.get("x"), digestOf(described(1)));
  }
});

Deno.test("DigestFolder takes every index that is cut somewhere, line by line", async () => {
  const keys = ["one", "two", "three"];
  const index = keys.map((key) => `${line(key)}\n`).join("");
  const lengths = keys.map((_, at) =>
    keys.slice(0, at + 1).map((key) => `${line(key)}\n`).join("").length
  );
  for (let length = 0; length <= index.length; length += 7) {
    await using folder = await tempShare({ "index": index.slice(0, length) });
    using store = await DigestFolder.open(folder.path);
    for (const [at, key] of keys.entries()) {
      // The end of the line itself may be missing.
      const isWhole = length >= lengths[at]! - 1;
      assertEquals(store.get(key) !== undefined, isWhole, `${key} ${length}`);
    }
  }
});

Deno.test("DigestFolder keeps what it is given after an index that was cut", async () => {
  const cut = `${line("before")}\n${line("cut").slice(0, 90)}`;
  await using folder = await tempShare({ "index": cut });
  {
    using store = await DigestFolder.open(folder.path);
    store.put("after", described(1));
  }
  assertEquals(await reopened(folder.path, "cut"), undefined);
  assertEquals(
    await reopened(folder.path, "after"),
    digestOf(described(1)),
  );
});

Deno.test("DigestFolder rewrites its index when most of it is stale", async () => {
  const stale = Array.from(
    { length: 150 },
    (_, n) => line("a", n.toString(16).padStart(64, "0")),
  );
  const index = [...stale, "damaged", line("b"), ""].join("\n");
  await using folder = await tempShare({ "index": index });
  const last = { content: 149..toString(16).padStart(64, "0"), sha256: HEX };
  {
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("a"), last);
    assertEquals(
      readIndex(folder.path),
      `${line("a", last.content)}\n${line("b")}\n`,
    );
    assertEquals(namesIn(folder.path), ["index", "manifests"]);
    const { mode } = await Deno.stat(join(folder.path, "index"));
    if (Deno.build.os !== "windows") assertEquals(mode! & 0o777, 0o600);
    store.put("c", described(1));
  }
  assertEquals(await reopened(folder.path, "a"), last);
  assertEquals((await reopened(folder.path, "b"))?.content, HEX);
  assertEquals(await reopened(folder.path, "c"), digestOf(described(1)));
});

Deno.test("DigestFolder does not rewrite an index that is mostly useful", async () => {
  const lines = Array.from({ length: 200 }, (_, n) => line(`${n}`));
  const index = [...lines, ...lines, ""].join("\n");
  await using folder = await tempShare({ "index": index });
  {
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("199"), { content: HEX, sha256: HEX });
  }
  assertEquals(readIndex(folder.path), index);
});

Deno.test("DigestFolder reads no file for a text that is not a content id", async () => {
  await using folder = await tempShare({ "state/index": "", "secret": "s" });
  using store = await DigestFolder.open(join(folder.path, "state"));
  for (
    const content of ["", ".", "..", "../index", "../../secret", HEX.slice(1)]
  ) {
    assertEquals(store.hashesOf(content), undefined, content);
  }
});

Deno.test("DigestFolder finds every line of an index that is larger than one read", async () => {
  const random = seededRandom(9);
  const keys = Array.from(
    { length: 2_000 },
    (_, n) => `${n} ${"é".repeat(Math.floor(random() * 300))}`,
  );
  const contentOf = (n: number) => n.toString(16).padStart(64, "0");
  const lines = keys.map((key, n) => `${line(key, contentOf(n))}\n`);
  const huge = "x".repeat(600_000); // no line of ours, and longer than a read
  const index = [...lines.slice(0, 900), `${huge}\n`, ...lines.slice(900)];
  await using folder = await tempShare({ "index": index.join("") });
  using store = await DigestFolder.open(folder.path);
  for (const [n, key] of keys.entries()) {
    assertEquals(store.get(key)?.content, contentOf(n), key);
  }
});

Deno.test("DigestFolder accepts only the line of the key, wherever an index was altered", async () => {
  await using folder = await tempShare({ "index": `${line("a")}\n` });
  using store = await DigestFolder.open(folder.path);
  await Deno.writeTextFile(join(folder.path, "index"), `${line("b")}\n`);
  assertEquals(store.get("a"), undefined);
});

Deno.test("DigestFolder opens on a full disk, even if its index is cut or mostly stale", async () => {
  const stale = Array.from({ length: 150 }, () => line("a"));
  const index = [...stale, line("b"), line("cut").slice(0, 90)].join("\n");
  await using folder = await tempShare({ "index": index });
  {
    using _full = replaced(Deno.FsFile.prototype, "writeSync", () => () => {
      throw systemError("ENOSPC");
    });
    using store = await DigestFolder.open(folder.path);
    assertEquals(store.get("b"), { content: HEX, sha256: HEX });
  }
  assertEquals(readIndex(folder.path), index);
  assertEquals(namesIn(folder.path), ["index", "manifests"]);
});

Deno.test("DigestFolder loses nothing after a line that a full disk cuts off", async () => {
  await using folder = await tempShare({ "index": `${line("a")}\n` });
  {
    using store = await DigestFolder.open(folder.path);
    store.put("b", described(1));
    {
      let isFull = false;
      using _full = replaced(
        Deno.FsFile.prototype,
        "writeSync",
        (write) =>
          function (this: Deno.FsFile, bytes: Uint8Array) {
            if (isFull) throw systemError("ENOSPC");
            isFull = true;
            return write.call(this, bytes.subarray(0, 50));
          },
      );
      store[Symbol.dispose](); // writes what is pending
    }
    assertEquals(store.get("b"), digestOf(described(1)));
  }
  assertEquals(await reopened(folder.path, "b"), digestOf(described(1)));
});
