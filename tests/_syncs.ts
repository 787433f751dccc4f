/** Which files and folders a program makes durable. */

import { replaced } from "./_replaced.ts";

/**
 * Adds the paths of files and folders that are made durable to `synced`, in
 * order, until disposed of.
 */
export function syncsOfFiles(synced: string[]): Disposable {
  using stack = new DisposableStack();
  const paths = new WeakMap<Deno.FsFile, string>();
  const noted = (file: Deno.FsFile, path: string | URL) => {
    paths.set(file, String(path));
    return file;
  };
  const note = (file: Deno.FsFile) => {
    const path = paths.get(file);
    if (path !== undefined) synced.push(path);
  };
  stack.use(
    replaced(
      Deno,
      "openSync",
      (open) => (path, options) => noted(open(path, options), path),
    ),
  );
  stack.use(
    replaced(
      Deno,
      "open",
      (open) => async (path, options) => noted(await open(path, options), path),
    ),
  );
  const { prototype } = Deno.FsFile;
  stack.use(
    replaced(prototype, "syncSync", (sync) =>
      function (this: Deno.FsFile) {
        sync.call(this);
        note(this);
      }),
  );
  stack.use(
    replaced(prototype, "sync", (sync) =>
      async function (this: Deno.FsFile) {
        await sync.call(this);
        note(this);
      }),
  );
  return stack.move();
}
