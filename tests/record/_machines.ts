/**
 * Two machines on one network, each with a name, an address and an empty home:
 * namespaces of this machine, for root on Linux.
 */

import { join } from "@std/path";
import { Tmux } from "../e2e/_terminal.ts";
import { run, startGuard } from "../long/_namespaces.ts";

/** The prompt of the shells. */
export const PROMPT = "$";
/** Columns and rows of a terminal: as wide as the address of a relay. */
export const SIZE = { columns: 92, rows: 40 };

/** The user of both machines. */
const USER = "ann";

/** A machine. */
export class Machine {
  readonly name: string;
  readonly address: string;
  /** The home of its user, as this machine sees it. */
  readonly home: string;
  readonly #space: string;
  readonly #homes: string;

  constructor(
    { name, address, space, folder }: {
      name: string;
      address: string;
      space: string;
      folder: string;
    },
  ) {
    this.name = name;
    this.address = address;
    this.#space = space;
    this.#homes = join(folder, name);
    this.home = join(this.#homes, USER);
  }

  /**
   * A terminal with a shell. It reaches the machines' own network, or that of
   * this machine, where packages come from. The caller disposes of it.
   */
  async terminal({ isOnline = false } = {}): Promise<Tmux> {
    const shell = ["unshare", "--mount", "--uts", "sh", "-c", SHELL, "sh"];
    const network = isOnline ? [] : ["ip", "netns", "exec", this.#space];
    const words = [...network, ...shell, this.name, this.#homes, USER];
    const passed = ONLINE.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
    // npm reports its own updates.
    const online = isOnline
      ? ["NPM_CONFIG_UPDATE_NOTIFIER=false", ...passed]
      : [];
    const line = [...words, ...online].map((word) =>
      `'${word.replaceAll("'", "'\\''")}'`
    );
    const terminal = await Tmux.openLine(`exec ${line.join(" ")}`, SIZE);
    await terminal.shows(PROMPT);
    return terminal;
  }
}

/** What this machine needs to reach the registry of packages. */
const ONLINE = [
  ...["DENO_CERT", "DENO_TLS_CA_STORE", "NODE_EXTRA_CA_CERTS"],
  ...["SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY", "NPM_CONFIG_REGISTRY"],
];

/** What a shell sees of this machine: its programs, and no home. */
const SHELL = `hostname "$1"
mount --bind "$2" /home
export HOME="/home/$3" TERM=screen-256color LANG=C.UTF-8
cd "$HOME"
shift 3
exec env -i HOME="$HOME" TERM="$TERM" LANG="$LANG" TZ=UTC PS1='${PROMPT} ' \\
  PATH="$HOME/.local/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" \\
  "$@" \\
  bash --norc --noprofile -i`;

/** Both machines. Disposing removes them, and ends what runs there. */
export interface Machines extends AsyncDisposable {
  readonly nas: Machine;
  readonly laptop: Machine;
}

/** Makes both machines, with homes in `folder`. */
export async function openMachines(folder: string): Promise<Machines> {
  const machines = [
    { name: "nas", address: "192.168.1.10" },
    { name: "laptop", address: "192.168.1.23" },
  ].map(({ name, address }) =>
    new Machine({ name, address, space: spaceOf(name), folder })
  );
  const [nas, laptop] = machines as [Machine, Machine];
  const guard = startGuard(machines.map(({ name }) => spaceOf(name)));
  try {
    for (const { name, home } of machines) {
      await Deno.mkdir(home, { recursive: true });
      await run(["ip", "netns", "add", spaceOf(name)]);
      await run(["ip", "-n", spaceOf(name), "link", "set", "lo", "up"]);
    }
    const [near, far] = machines.map(({ name }) => spaceOf(name));
    await run([
      ...["ip", "-n", near!, "link", "add", "eth0", "type", "veth"],
      ...["peer", "name", "eth0", "netns", far!],
    ]);
    for (const { name, address } of machines) await connect(name, address);
  } catch (error) {
    await guard.end();
    throw error;
  }
  return { nas, laptop, [Symbol.asyncDispose]: () => guard.end() };
}

function spaceOf(name: string): string {
  return `record${Deno.pid}${name}`;
}

async function connect(name: string, address: string): Promise<void> {
  const ip = ["ip", "-n", spaceOf(name)];
  await run([
    ...ip,
    "address",
    "add",
    `${address}/24`,
    "brd",
    "+",
    "dev",
    "eth0",
  ]);
  await run([...ip, "link", "set", "eth0", "up"]);
  await run([...ip, "route", "add", "default", "dev", "eth0"]);
}
