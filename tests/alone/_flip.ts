/**
 * Flips what is under a path between the real thing and a symbolic link, as fast
 * as it can, until it is killed. A process of its own: one that waits for
 * nobody. Run as `_flip.ts PATH TARGET`; says `flipping` when it begins.
 */

/** What flips: another process, ended when disposed of. */
export interface Flipper extends AsyncDisposable {
  /** How often it has flipped, to and fro, once it has ended. */
  readonly flips: Promise<number>;
}

/** Flips `path` between what is there now and a link to `target`. */
export async function startFlipping(
  path: string,
  target: string,
): Promise<Flipper> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--allow-read", "--allow-write"],
      ...[new URL(import.meta.url).pathname, path, target],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await lines.read(); // it has begun
  const { promise: flips, resolve } = Promise.withResolvers<number>();
  return {
    flips,
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close(); // it puts the real thing back
      const { value = "0" } = await lines.read();
      await child.status;
      await lines.cancel();
      resolve(Number(value));
    },
  };
}

/** Runs until the standard input ends. */
async function flip(path: string, target: string): Promise<void> {
  const aside = `${path}.aside`;
  const link = `${path}.link`;
  await Deno.symlink(target, link);
  let isOver = false;
  const ending = Deno.stdin.read(new Uint8Array(1)).then(() => isOver = true);
  await Deno.stdout.write(new TextEncoder().encode("flipping\n"));
  let flips = 0;
  while (!isOver) {
    for (let turn = 0; turn < 500; turn++) {
      move(path, aside);
      move(link, path);
      move(path, link);
      move(aside, path);
      flips++;
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  await ending;
  await Deno.remove(link);
  await Deno.stdout.write(new TextEncoder().encode(String(flips)));
}

/** Renames; what somebody else has made there meanwhile is in the way. */
function move(from: string, to: string): void {
  for (;;) {
    try {
      return Deno.renameSync(from, to);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      Deno.removeSync(to, { recursive: true });
    }
  }
}

if (import.meta.main) {
  const [path, target] = Deno.args as [string, string];
  await flip(path, target);
}
