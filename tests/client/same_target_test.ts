/**
 * Files that another program saves at the same path at the same time.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startRelay } from "../_network.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, filesIn, get } from "./_outcomes.ts";
import { MIDDLE, PARTIAL, read, startLyingNode } from "./_setting.ts";

const SMALL = new TextEncoder().encode("small");

/** Another program saves a file just before this one gives it its name. */
function savedByOther(bytes: Uint8Array): Disposable {
  const stack = new DisposableStack();
  stack.use(
    replaced(Deno, "linkSync", (link) => (from, to) => {
      Deno.writeFileSync(to, bytes);
      link(from, to);
    }),
  );
  stack.use(
    replaced(Deno, "link", (link) => async (from, to) => {
      await Deno.writeFile(to, bytes);
      await link(from, to);
    }),
  );
  return stack;
}

for (
  const [what, content] of [["small", SMALL], ["large", MIDDLE]] as const
) {
  Deno.test(`getFiles reports a ${what} file as present if another program saved it meanwhile`, async () => {
    await using relay = await startRelay();
    await using _node = await startLyingNode(relay, { "f": content });
    await using folder = await tempShare();
    using _other = savedByOther(content);
    const { failed, log, saved } = await get(relay, folder.path, ["f"]);
    assertEquals([failed, Object.keys(saved)], [{}, ["f"]]);
    assertEquals(log.of("file_present").map(({ name }) => name), ["f"]);
    assertEquals(log.of("file_received"), []);
    assertEquals(filesIn(folder.path), ["f"]);
  });

  Deno.test(`getFiles keeps a ${what} file with another content that another program saved meanwhile`, async () => {
    await using relay = await startRelay();
    await using _node = await startLyingNode(relay, { "f": content });
    await using folder = await tempShare();
    const other = content.slice();
    other[0]! ^= 1;
    using _other = savedByOther(other);
    const { failed, saved } = await get(relay, folder.path, ["f"]);
    assertEquals([Object.keys(failed), saved], [["f"], {}]);
    assertBytes(await read(folder, "f"), other);
    assertEquals(filesIn(folder.path), ["f"]);
  });
}

Deno.test("getFiles waits for another process that is saving the same small file", async () => {
  await using relay = await startRelay();
  await using _node = await startLyingNode(relay, { "f": SMALL });
  await using folder = await tempShare();
  const path = join(folder.path, "f");
  const partial = join(folder.path, PARTIAL);
  const other = await Deno.open(partial, { write: true, createNew: true });
  await other.lock(true);
  await other.write(SMALL);
  const { tryLock } = Deno.FsFile.prototype;
  let tries = 0;
  using _tries = replaced(
    Deno.FsFile.prototype,
    "tryLock",
    () =>
      async function (this: Deno.FsFile, exclusive?: boolean) {
        const isLocked = await tryLock.call(this, exclusive);
        if (++tries === 2) {
          await Deno.rename(partial, path);
          other.close();
        }
        return isLocked;
      },
  );
  const { failed, log } = await get(relay, folder.path, ["f"]);
  assertEquals(failed, {});
  assertEquals(log.of("file_present").length, 1);
  assertEquals(filesIn(folder.path), ["f"]);
});
