/**
 * A memory file system for a script, so that no disk is measured. Not
 * `/dev/shm`: Deno opens nothing below `/dev` with less than `--allow-all`
 * (denoland/deno#30979), and the roles are to run with their own permissions.
 */

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const VARIABLE = "BENCH_MEMORY_FOLDER";

// The mount is in a namespace of its own and ends with the last process in it.
const MOUNT = `mount -t tmpfs none "$${VARIABLE}" || unset ${VARIABLE}
exec "$@"`;

/** The memory file system, where there is one. */
export function memoryFolder(): string | undefined {
  return Deno.env.get(VARIABLE);
}

/**
 * Runs the script again, with a memory file system.
 *
 * @returns its exit code; `undefined` when this is that other run, or there is
 * no way to get one, so that the caller has to do the work itself.
 */
export async function runInMemory(
  args: readonly string[],
): Promise<number | undefined> {
  if (memoryFolder() !== undefined) return undefined;
  const unshare = ["--mount", ...Deno.uid() === 0 ? [] : ["--map-root-user"]];
  if (!await canRun("unshare", [...unshare, "true"])) return undefined;
  const folder = await Deno.makeTempDir({ prefix: "relay-p2p-bench-" });
  try {
    const script = [Deno.execPath(), "run", "-A", Deno.mainModule, ...args];
    const child = new Deno.Command("unshare", {
      args: [...unshare, "sh", "-c", MOUNT, "sh", ...script],
      env: { [VARIABLE]: folder },
    }).spawn();
    // It ends what it started, and this waits for it.
    const end = () => child.kill("SIGTERM");
    for (const signal of SIGNALS) Deno.addSignalListener(signal, end);
    const { code } = await child.status;
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, end);
    return code;
  } finally {
    await Deno.remove(folder);
  }
}

async function canRun(program: string, args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stderr: "null" }).output())
      .success;
  } catch {
    return false; // not installed
  }
}
