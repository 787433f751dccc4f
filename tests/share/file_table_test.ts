import { assert, assertEquals } from "@std/assert";
import { type FileDigest, FileTable } from "../../lib/share/file_table.ts";
import { fileOf, type ShareFile } from "../../lib/share/shared_file.ts";
import { seededRandom } from "../_random.ts";

function fileAt(name: string, size: number, path = `/srv/${name}`): ShareFile {
  const time = new Date(size * 1_000);
  const info = {
    isFile: true,
    size,
    dev: 1,
    ino: size,
    mtime: time,
    mode: 0o100644,
    ctime: time,
  };
  return fileOf(info, { name, path })!;
}

function digestOf(content: number): FileDigest {
  const text = content.toString(16).padStart(2, "0");
  return { content: text.repeat(32), sha256: `${text}0f`.repeat(16) };
}

/** All files that a table has, by a look at a few at a time. */
function filesOf(table: FileTable, prefix: string): ShareFile[] {
  const files: ShareFile[] = [];
  for (;;) {
    const after = files.at(-1)?.name;
    const more = table.stretch({ prefix, after, most: 7 });
    if (more.length === 0) return files;
    files.push(...more);
  }
}

function byName(files: Iterable<ShareFile>): ShareFile[] {
  return [...files].toSorted((a, b) => a.name < b.name ? -1 : 1);
}

for (const count of [40, 3_000]) {
  Deno.test(`FileTable agrees with a Map through thousands of changes, with up to ${count} files`, () => {
    const random = seededRandom(count);
    const pick = (most: number) => Math.floor(random() * most);
    const table = new FileTable("/");
    const files = new Map<string, ShareFile>();
    const digests = new Map<string, FileDigest>();
    const anyName = () => {
      const n = pick(count);
      // Folders that many files share, and folders of one.
      const folders = ["", "a/", "a/b/", "b", "\u00e9/", "\u{1f600}", `${n}/`];
      return `${folders[n % folders.length]}${n}`;
    };
    for (let step = 0; step < 12_000; step++) {
      const name = anyName();
      const known = files.get(name);
      const choice = pick(10);
      if (choice < 5) {
        const file = fileAt(name, pick(5));
        table.put(file);
        files.set(name, file);
        digests.delete(known?.version ?? "");
        digests.delete(file.version);
      } else if (choice < 8 && known !== undefined) {
        const digest = digestOf(pick(4));
        table.learn(known.version, digest);
        if (!digests.has(known.version)) digests.set(known.version, digest);
      } else {
        table.delete(name);
        files.delete(name);
        digests.delete(known?.version ?? "");
      }
      assertEquals(table.fileCount, files.size);
      assertEquals(table.unhashedCount, files.size - digests.size);
      assertEquals(table.named(name), files.get(name));
      if (step % 1_000 > 0) continue;
      assertEquals(filesOf(table, ""), byName(files.values()));
      for (const prefix of ["a", "a/", "a/b/1", "b", "\u00e9", "none"]) {
        assertEquals(
          filesOf(table, prefix),
          byName(files.values()).filter(({ name }) => name.startsWith(prefix)),
        );
      }
      for (const file of files.values()) {
        assertEquals(table.versioned(file.version), file);
        assertEquals(table.digestOf(file.version), digests.get(file.version));
      }
      for (let content = 0; content < 5; content++) {
        const digest = digestOf(content);
        assertEquals(
          byName(table.withContent(digest.content)),
          byName(files.values()).filter(({ version }) =>
            digests.get(version)?.content === digest.content
          ),
        );
      }
    }
  });
}

Deno.test("FileTable gives the files that the last scan did not see, and no others", () => {
  const table = new FileTable("/");
  const random = seededRandom(7);
  // More than one block of them.
  const names = Array.from({ length: 5_000 }, (_, n) => `d${n % 3}/f${n}`);
  const unseen = () => {
    const found: string[] = [];
    let next = table.unseenFrom(0);
    for (; next; next = table.unseenFrom(next.next)) found.push(next.name);
    return found.toSorted();
  };
  assertEquals(unseen(), []);
  for (const name of names) table.put(fileAt(name, 1));
  assertEquals(unseen(), []);
  table.beginLook();
  assertEquals(unseen(), names.toSorted());
  const missed = new Set(names.filter(() => random() < 0.1));
  for (const name of names) if (!missed.has(name)) table.see(name);
  assertEquals(unseen(), [...missed].toSorted());
  const [first, second] = missed;
  table.delete(first!);
  table.put(fileAt(second!, 2));
  assertEquals(unseen(), [...missed].slice(2).toSorted());
});

Deno.test("FileTable keeps no longer text from which a name was cut", async () => {
  const code = `
    import { FileTable } from "${new URL(
    "../../lib/share/file_table.ts",
    import.meta.url,
  )}";
    const table = new FileTable("/");
    gc();
    const before = Deno.memoryUsage().heapUsed;
    for (let n = 0; n < 1_000; n++) {
      const name = \`\${"long".repeat(5_000)}/file-with-a-name-\${n}\`.toLowerCase();
      table.put({ name, path: "/srv/" + name, size: n, modifiedMs: 0, changedAt: 0,
        device: 1, inode: n, version: n.toString(16).padStart(32, "0") });
    }
    gc();
    console.log((Deno.memoryUsage().heapUsed - before) / 1_000, table.fileCount);
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--quiet",
      "--no-check",
      "--ext=ts",
      `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
      "--v8-flags=--expose-gc",
      code,
    ],
  }).output();
  const [bytes, count] = new TextDecoder().decode(stdout).split(/\s/).map(
    Number,
  );
  assertEquals(count, 1_000, new TextDecoder().decode(stderr));
  // Each name is 20 kB long, nearly all of it the folder's.
  assert(bytes! < 2_000, `${bytes} bytes`);
});
