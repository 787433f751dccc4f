/**
 * What this process has open. Other test files run in the same process at the
 * same time, so only what belongs to a test is counted: files by their folder,
 * connections by their port.
 */

async function outputOf(command: string, ...args: string[]): Promise<string[]> {
  // Another process may look where Deno does not let this one.
  const { stdout } = await new Deno.Command(command, { args }).output();
  return new TextDecoder().decode(stdout).split("\n");
}

/** Files and folders below `folder` that this process has open now. */
export async function openFileCount(folder: string): Promise<number> {
  const lines = await outputOf("ls", "-l", `/proc/${Deno.pid}/fd`);
  return lines.filter((line) => line.includes(` -> ${folder}/`)).length;
}

/**
 * Ends of connections over IPv4 to `port` of this machine that a process holds
 * open. An end that was closed has no inode (proc_pid_net(5)).
 */
export async function openConnectionCount(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = (await outputOf("cat", "/proc/net/tcp")).slice(1)
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local, remote, state, , , , , , inode]) =>
    state !== "0A" && inode !== undefined && inode !== "0" &&
    [local, remote].some((end) => end?.endsWith(`:${hex}`))
  ).length;
}
