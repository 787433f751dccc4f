import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { KnownRelays } from "../../lib/identity/known_relays.ts";
import { replaced, systemError } from "../_replaced.ts";
import { syncsOfFiles } from "../_syncs.ts";
import { tempShare } from "../_temp_share.ts";

const ID = "a".repeat(51) + "q";
const OTHER = "b".repeat(51) + "q";
const NAS = { host: "nas.local", port: 1700 };

Deno.test("KnownRelays remembers a relay between runs, and notices a change", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const first = await KnownRelays.load(path);
  assertEquals(first.compare(NAS, ID), { kind: "unknown" });
  await first.remember(NAS, ID);
  assertEquals(first.compare(NAS, ID), { kind: "same" });
  const second = await KnownRelays.load(path);
  assertEquals(second.compare(NAS, ID), { kind: "same" });
  assertEquals(second.compare(NAS, OTHER), { kind: "changed", knownId: ID });
  assertEquals(second.compare({ ...NAS, port: 1701 }, OTHER), {
    kind: "unknown",
  });
});

for (
  const [host, other] of [
    ["nas.local", "NAS.Local"],
    ["NAS.local", "nas.local"],
    ["nas.local", "nas.local."],
    ["2001:db8::1", "2001:DB8:0:0::1"],
    ["192.0.2.7", "::ffff:192.0.2.7"],
  ] as const
) {
  Deno.test(`KnownRelays recognises the relay at ${host} under ${other}, in this run and the next`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "relays");
    const first = await KnownRelays.load(path);
    await first.remember({ host, port: 1700 }, ID);
    const endpoint = { host: other, port: 1700 };
    const changed = { kind: "changed", knownId: ID } as const;
    assertEquals(first.compare(endpoint, ID), { kind: "same" });
    assertEquals(first.compare(endpoint, OTHER), changed);
    // As it was written by hand, or by this program before.
    const written = host.includes(":") ? `[${host}]` : host;
    await Deno.writeTextFile(path, `${written}:1700 ${ID}\n`);
    const second = await KnownRelays.load(path);
    assertEquals(second.compare(endpoint, OTHER), changed);
  });
}

for (
  const [what, text] of [
    ["after a byte order mark", `\ufeffnas.local:1700 ${ID}\n`],
    ["with line breaks of Windows", `nas.local:1700 ${ID}\r\n`],
    ["with zeros before its port", `nas.local:01700 ${ID}\n`],
  ] as const
) {
  Deno.test(`KnownRelays recognises a relay ${what}`, async () => {
    await using folder = await tempShare({ "relays": text });
    const known = await KnownRelays.load(join(folder.path, "relays"));
    assertEquals(known.compare(NAS, OTHER), { kind: "changed", knownId: ID });
  });
}

Deno.test("KnownRelays stores no other relay than one that another process has met there first", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const [first, second] = [
    await KnownRelays.load(path),
    await KnownRelays.load(path),
  ];
  const changed = { kind: "changed", knownId: ID } as const;
  assertEquals(await first.remember(NAS, ID), { kind: "unknown" });
  assertEquals(await second.remember(NAS, OTHER), changed);
  assertEquals(second.compare(NAS, OTHER), changed);
  assertEquals(await Deno.readTextFile(path), `nas.local:1700 ${ID}\n`);
});

Deno.test("KnownRelays makes a relay durable before it counts as known", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const known = await KnownRelays.load(path);
  const synced: string[] = [];
  using _syncs = syncsOfFiles(synced);
  await known.remember(NAS, ID);
  assertEquals(synced.slice(0, 2), [path, folder.path]);
});

Deno.test("KnownRelays skips comments and empty lines", async () => {
  await using folder = await tempShare({
    "relays": `# mine\n\n nas.local:1700  ${ID} \n`,
  });
  const known = await KnownRelays.load(join(folder.path, "relays"));
  assertEquals(known.compare(NAS, ID), { kind: "same" });
});

Deno.test("KnownRelays adds a line break before a new line if the last one has none", async () => {
  await using folder = await tempShare({ "relays": `nas.local:1700 ${ID}` });
  const path = join(folder.path, "relays");
  const other = { host: "other.local", port: 1700 };
  await (await KnownRelays.load(path)).remember(other, OTHER);
  assertEquals(
    await Deno.readTextFile(path),
    `nas.local:1700 ${ID}\nother.local:1700 ${OTHER}\n`,
  );
});

for (
  const line of [
    "nas.local:1700",
    `nas.local:1700 ${ID} x`,
    "nas.local:1700 x",
    `nas.local ${ID}`,
    `nas.local:0 ${ID}`,
    "\x1b[2J",
  ]
) {
  Deno.test(`KnownRelays names the line it does not understand: ${JSON.stringify(line)}`, async () => {
    await using folder = await tempShare({ "relays": `# one\n${line}\n` });
    const error = await assertRejects(
      () => KnownRelays.load(join(folder.path, "relays")),
      Failure,
      "line 2",
    );
    assertEquals(error.kind, "local");
  });
}

Deno.test("KnownRelays reports that its file cannot be used", async () => {
  await using folder = await tempShare();
  const reading = await assertRejects(
    () => KnownRelays.load(folder.path),
    Failure,
  );
  assertEquals(reading.parts.what, "Cannot read known relays");
  const known = await KnownRelays.load(join(folder.path, "missing", "relays"));
  const writing = await assertRejects(() => known.remember(NAS, ID), Failure);
  assertEquals(writing.parts.what, "Cannot write known relays");
});

Deno.test("KnownRelays keeps what another process adds while the disk fails", async () => {
  for (const when of ["before", "after"]) {
    await using folder = await tempShare({ "relays": "# mine\n" });
    const path = join(folder.path, "relays");
    const known = await KnownRelays.load(path);
    const other = `other.local:1700 ${ID}\n`;
    const add = () => Deno.writeTextFileSync(path, other, { append: true });
    {
      using _write = replaced(
        Deno.FsFile.prototype,
        "write",
        (write) =>
          function (this: Deno.FsFile, bytes: Uint8Array) {
            if (when === "before") add();
            return write.call(this, bytes);
          },
      );
      using _sync = replaced(
        Deno.FsFile.prototype,
        "sync",
        () => () => {
          if (when === "after") add();
          return Promise.reject(systemError("EIO"));
        },
      );
      await assertRejects(() => known.remember(NAS, ID), Failure);
    }
    const again = await KnownRelays.load(path);
    const there = { host: "other.local", port: 1700 };
    assertEquals(again.compare(there, ID), { kind: "same" }, when);
    const wanted = when === "before" ? "unknown" : "same";
    assertEquals(again.compare(NAS, ID), { kind: wanted }, when);
  }
});

Deno.test("KnownRelays leaves no part of a line that a full disk cuts off", async () => {
  await using folder = await tempShare({ "relays": "# mine\n" });
  const path = join(folder.path, "relays");
  const known = await KnownRelays.load(path);
  {
    let isFull = false;
    using _full = replaced(
      Deno.FsFile.prototype,
      "write",
      (write) =>
        function (this: Deno.FsFile, bytes: Uint8Array) {
          if (isFull) return Promise.reject(systemError("ENOSPC"));
          isFull = true;
          return write.call(this, bytes.subarray(0, 20));
        },
    );
    const { message } = await assertRejects(
      () => known.remember(NAS, ID),
      Failure,
    );
    assertMatch(message, /no space left on the disk/);
  }
  const again = await KnownRelays.load(path);
  assertEquals(again.compare(NAS, ID), { kind: "unknown" });
  await again.remember(NAS, ID);
  assertEquals(await Deno.readTextFile(path), `# mine\nnas.local:1700 ${ID}\n`);
});

/** Resolves when somebody waits for the lock of a file. */
function waitedFor(): Disposable & { readonly waits: Promise<void> } {
  const waits = Promise.withResolvers<void>();
  const locks = replaced(
    Deno.FsFile.prototype,
    "tryLock",
    (tryLock) =>
      async function (this: Deno.FsFile, exclusive?: boolean) {
        const isLocked = await tryLock.call(this, exclusive);
        if (!isLocked) waits.resolve();
        return isLocked;
      },
  );
  return Object.assign(locks, { waits: waits.promise });
}

for (const isFull of [false, true]) {
  Deno.test(`KnownRelays waits while another process adds a relay, which ${isFull ? "fails after a part of the line" : "succeeds"}`, async () => {
    await using folder = await tempShare({ "relays": "# mine\n" });
    const path = join(folder.path, "relays");
    const there = { host: "other.local", port: 1700 };
    const [first, second] = [
      await KnownRelays.load(path),
      await KnownRelays.load(path),
    ];
    using lock = waitedFor();
    let slow: Deno.FsFile | undefined;
    const begun = Promise.withResolvers<void>();
    const next = Promise.withResolvers<void>();
    using _write = replaced(
      Deno.FsFile.prototype,
      "write",
      (write) =>
        async function (this: Deno.FsFile, bytes: Uint8Array) {
          if (slow === undefined) {
            slow = this;
            begun.resolve();
            return await write.call(this, bytes.subarray(0, 9));
          }
          if (slow !== this) return await write.call(this, bytes);
          await next.promise;
          if (isFull) throw systemError("ENOSPC");
          return await write.call(this, bytes);
        },
    );
    const slowly = first.remember(NAS, ID).then(() => "added", () => "failed");
    await begun.promise;
    const adding = second.remember(there, OTHER);
    await Promise.race([lock.waits, adding]);
    next.resolve();
    assertEquals(await slowly, isFull ? "failed" : "added");
    assertEquals(await adding, { kind: "unknown" });
    const one = isFull ? "" : `nas.local:1700 ${ID}\n`;
    assertEquals(
      await Deno.readTextFile(path),
      `# mine\n${one}other.local:1700 ${OTHER}\n`,
    );
  });
}

Deno.test("KnownRelays adds one of two relays that two processes meet at one address at once", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const known = await Promise.all([0, 1].map(() => KnownRelays.load(path)));
  const met = await Promise.all(
    known.map((one, n) => one.remember(NAS, n === 0 ? ID : OTHER)),
  );
  const text = await Deno.readTextFile(path);
  const first = text === `nas.local:1700 ${ID}\n` ? 0 : 1;
  assertEquals(text, `nas.local:1700 ${first === 0 ? ID : OTHER}\n`);
  assertEquals(met.map(({ kind }) => kind), [
    first === 0 ? "unknown" : "changed",
    first === 0 ? "changed" : "unknown",
  ]);
});

Deno.test("KnownRelays adds a relay on a disk without locks", async () => {
  await using folder = await tempShare({ "relays": "# mine\n" });
  const path = join(folder.path, "relays");
  using _locks = replaced(
    Deno.FsFile.prototype,
    "tryLock",
    () => () => Promise.reject(systemError("ENOLCK")),
  );
  const known = await KnownRelays.load(path);
  assertEquals(await known.remember(NAS, ID), { kind: "unknown" });
  assertEquals(
    await Deno.readTextFile(path),
    `# mine\nnas.local:1700 ${ID}\n`,
  );
});

Deno.test("KnownRelays needs no write to a relay that it knows", async () => {
  await using folder = await tempShare({ "relays": `nas.local:1700 ${ID}\n` });
  const path = join(folder.path, "relays");
  const known = await KnownRelays.load(path);
  using _open = replaced(Deno, "open", (open) => (path, options) => {
    if (options?.append) throw systemError("EROFS");
    return open(path, options);
  });
  assertEquals(await known.remember(NAS, ID), { kind: "same" });
});

Deno.test("KnownRelays takes a link to nothing for no missing file", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "relays");
  const behind = join(folder.path, "not-mounted");
  await Deno.symlink(behind, path);
  const error = await assertRejects(() => KnownRelays.load(path), Failure);
  assertMatch(error.message, /it is a link to a file that does not exist/);
  await Deno.writeTextFile(behind, `nas.local:1700 ${ID}\n`);
  const known = await KnownRelays.load(path);
  await Deno.remove(behind);
  await assertRejects(() => known.remember(NAS, OTHER), Failure);
  await assertRejects(() => Deno.lstat(behind), Deno.errors.NotFound);
});
