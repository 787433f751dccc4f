/**
 * `p2p` without an installation: the shim, and a folder of links to this
 * project and to the Deno that runs the tests.
 */

import { join } from "@std/path";
import { shimText } from "../../packaging/p2p/shim.ts";
import { ROOT } from "../e2e/_processes.ts";

/** A home with the command in it. */
export interface P2pHome extends AsyncDisposable {
  /** The home folder, whose name has a blank and a quote. */
  readonly home: string;
  /** The command. */
  readonly command: string;
  /** The variables of a process that runs it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Makes such a home. */
export async function p2pHome(): Promise<P2pHome> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const home = join(folder, "it's a home");
  const app = join(home, "app");
  await Deno.mkdir(app, { recursive: true });
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  const links = {
    deno: Deno.execPath(),
    cache: denoDir,
    ...Object.fromEntries(
      [
        ...["relay.ts", "peer_node.ts", "peer_client.ts", "lib", "types"],
        ...["packaging", "deno.json", "deno.lock"],
      ].map((name) => [name, join(ROOT, name)]),
    ),
  };
  for (const [name, target] of Object.entries(links)) {
    await Deno.symlink(target, join(app, name));
  }
  const command = join(home, "p2p");
  await Deno.writeTextFile(command, shimText(app, "0.0.0"), { mode: 0o755 });
  return {
    home,
    command,
    env: { HOME: home, PATH: `${home}:${Deno.env.get("PATH")}` },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
