import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { readSecretFile } from "../../lib/access/secret_file.ts";
import { Failure } from "../../lib/base/errors.ts";
import { tempShare } from "../_temp_share.ts";

const WORD = "canary-canary-canary";

/** A file in a folder, with modes. */
async function secretFile(
  { mode = 0o600, folderMode = 0o700, content = `${WORD}\n` } = {},
) {
  const folder = await tempShare({ secret: content });
  const path = join(folder.path, "secret");
  await Deno.chmod(path, mode);
  await Deno.chmod(folder.path, folderMode);
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

Deno.test("readSecretFile reads the word in a file that only its owner can use", async () => {
  for (const content of [WORD, `${WORD}\n`, ` ${WORD}\r\n\n`]) {
    await using file = await secretFile({ content });
    assertEquals(await readSecretFile(file.path, "secret"), WORD);
  }
  await using sticky = await secretFile({ folderMode: 0o1777 });
  assertEquals(await readSecretFile(sticky.path, "secret"), WORD);
  await using readOnly = await secretFile({ mode: 0o400 });
  assertEquals(await readSecretFile(readOnly.path, "secret"), WORD);
});

const WEAK: readonly [string, Parameters<typeof secretFile>[0], string][] = [
  ["everybody may read", { mode: 0o644 }, "run chmod 600 "],
  ["the group may read", { mode: 0o640 }, "run chmod 600 "],
  ["others may write", { mode: 0o602 }, "run chmod 600 "],
  ["lies in a folder of everybody", { folderMode: 0o777 }, "run chmod go-w "],
  ["lies in a folder of a group", { folderMode: 0o770 }, "run chmod go-w "],
];

for (const [what, modes, remedy] of WEAK) {
  Deno.test(`A secret file that ${what} is refused, with the command to repair it`, async () => {
    await using file = await secretFile(modes);
    const reading = () => readSecretFile(file.path, "secret");
    const error = await assertRejects(reading, Failure, remedy);
    assertEquals(error.exitCode, 8);
    assert(!error.message.includes(WORD));
  });
}

Deno.test("A secret file of another user is refused, with the command to repair it", async () => {
  await using file = await secretFile();
  const isRoot = Deno.uid() === 0;
  if (isRoot) await Deno.chown(file.path, 65_534, 65_534);
  // Only root can give a file away; everybody has one that is root's.
  const path = isRoot ? file.path : "/etc/passwd";
  const error = await assertRejects(
    () => readSecretFile(path, "secret"),
    Failure,
    "it belongs to another user",
  );
  assert(/run ch(own|mod) /.test(error.message));
});

const CONTENTS: readonly [string, string][] = [
  ["nothing", ""],
  ["two words", `${WORD} ${WORD}`],
  ["two lines", `${WORD}\n${WORD}\n`],
  ["5,000 characters", "a".repeat(5_000)],
];

for (const [what, content] of CONTENTS) {
  Deno.test(`A token file with ${what} in it is refused, and not repeated`, async () => {
    await using file = await secretFile({ content });
    const error = await assertRejects(
      () => readSecretFile(file.path, "token"),
      Failure,
      "it does not contain exactly one word",
    );
    assert(!error.message.includes(WORD));
  });
}

Deno.test("readSecretFile reports what is wrong with a path", async () => {
  await using file = await secretFile();
  const refused = (path: string, why: string) =>
    assertRejects(() => readSecretFile(path, "secret"), Failure, why);
  await refused(`${file.path}2`, "no such file or folder");
  await refused(
    file.path.replace(/\/secret$/, ""),
    "it is not a regular file",
  );
  const pipe = `${file.path}.pipe`;
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  await refused(pipe, "it is not a regular file");
});
