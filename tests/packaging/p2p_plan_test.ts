/**
 * What `p2p` runs for what is typed, and with which permissions.
 */

import { assertEquals } from "@std/assert";
import { planOf } from "../../packaging/p2p/plan.ts";
import { withVariables } from "../_here.ts";
import { around, ID, KEPT, REMEMBERED } from "./_around.ts";
import {
  CONFIG,
  CONFIG_ENV,
  ENV,
  HERE,
  NET,
  OTHER,
  RELAY_SYS,
} from "./_p2p_plan.ts";

const LINK = `p2p://nas.local:1700/${ID}/AQFw/letter.txt`;

const STATE = "/home/u/.local/state/relay-p2p";

const DATA = "/home/u/.local/share/relay-p2p";

const BIN = "/home/u/.local/bin";

const HOSTNAME = "--allow-sys=hostname";

const PLACES = "HOME,XDG_DATA_HOME,XDG_CONFIG_HOME,XDG_STATE_HOME";

/** Typed words, the flags that they need, and the command line of the script. */
const ROWS: readonly (readonly [string, readonly string[], string])[] = [
  ["get x", [NET, ...HERE, ENV], `peer_client.ts ${KEPT} get x`],
  [
    "get x -o Downloads/",
    [NET, "--allow-read=Downloads/", "--allow-write=Downloads/", ENV],
    `peer_client.ts ${KEPT} get x -o Downloads/`,
  ],
  [
    "get x --output=Downloads",
    [NET, "--allow-read=Downloads", "--allow-write=Downloads", ENV],
    `peer_client.ts ${KEPT} get x --output=Downloads`,
  ],
  [
    "get x -o a/new.txt",
    [NET, "--allow-read=a", "--allow-write=a", ENV],
    `peer_client.ts ${KEPT} get x -o a/new.txt`,
  ],
  [
    "get x -o linked/",
    [
      ...[NET, "--allow-read=linked/,/real/place"],
      ...["--allow-write=linked/,/real/place", ENV],
    ],
    `peer_client.ts ${KEPT} get x -o linked/`,
  ],
  [
    "get x -o a,b/",
    [NET, ...HERE, ENV],
    `peer_client.ts ${KEPT} get x -o a,b/`,
  ],
  [
    "get x -o a/b/c,d/,e/f",
    [NET, "--allow-read=a/b", "--allow-write=a/b", ENV],
    `peer_client.ts ${KEPT} get x -o a/b/c,d/,e/f`,
  ],
  [
    "verify a/,b c/r.json",
    ["--allow-read=a,c/r.json", ENV],
    "peer_client.ts verify a/,b c/r.json",
  ],
  ["get x -o -", [NET, ENV], `peer_client.ts ${KEPT} get x -o -`],
  [
    "get x -o - --base linked",
    [NET, "--allow-read=linked,/real/place", ENV],
    `peer_client.ts ${KEPT} get x -o - --base linked`,
  ],
  [
    "get x -o d/ --receipt r/x.json --base old.txt",
    [NET, "--allow-read=d/,old.txt,r", "--allow-write=d/,r", ENV],
    `peer_client.ts ${KEPT} get x -o d/ --receipt r/x.json --base old.txt`,
  ],
  [
    "ls --known-relays k",
    [
      NET,
      "--allow-read=k.nodes,k.nodes.new,k",
      "--allow-write=k.nodes,k.nodes.new,k",
      ENV,
    ],
    `peer_client.ts ${KEPT} ls --known-relays k`,
  ],
  ["ls", [NET, ENV], `peer_client.ts ${KEPT} ls`],
  [
    "ls --relays list",
    [NET, "--allow-read=nas.token,list", ENV],
    "peer_client.ts ls --relays list",
  ],
  ["cat x", [NET, ENV], `peer_client.ts ${KEPT} cat x`],
  ["nodes --json", [NET, ENV], `peer_client.ts ${KEPT} nodes --json`],
  [
    "web",
    [NET, ENV, "--allow-run=/usr/bin/xdg-open"],
    `peer_client.ts ${KEPT} web`,
  ],
  ["gateway 1800", [NET, ENV], `peer_client.ts ${KEPT} gateway 1800`],
  ["link x --qr", [NET, ENV], `peer_client.ts ${KEPT} link x --qr`],
  ["", [NET, ...HERE, ENV], `peer_client.ts ${KEPT}`],
  [
    "doctor",
    [NET, ...HERE, ENV, "--allow-sys=statfs,networkInterfaces"],
    `peer_client.ts ${KEPT} doctor`,
  ],
  [
    "verify a b/r.json",
    ["--allow-read=a,b/r.json", ENV],
    "peer_client.ts verify a b/r.json",
  ],
  [`get ${LINK}`, [NET, ...HERE, ENV], `peer_client.ts get ${LINK}`],
  [LINK, [NET, ...HERE, ENV], `peer_client.ts ${LINK}`],
  [
    "get --link-file f",
    [NET, "--allow-read=.,f", "--allow-write=.", ENV],
    "peer_client.ts get --link-file f",
  ],
  [`${OTHER} ls`, [NET, ENV], `peer_client.ts ${OTHER} ls`],
  ["vps.example:17 ls", [NET, ENV], "peer_client.ts vps.example:17 ls"],
  ["nas 1700 ls", [NET, ENV], "peer_client.ts nas 1700 ls"],
  ["nas 1700", [NET, ...HERE, ENV], "peer_client.ts nas 1700"],
  ["get 1700", [NET, ...HERE, ENV], `peer_client.ts ${KEPT} get 1700`],
  ["-q get --", [NET, ...HERE, ENV], `peer_client.ts ${KEPT} get -q --`],
  [
    "relay",
    [
      ...[NET, `--allow-read=${STATE}/relay`, `--allow-write=${STATE}/relay`],
      ...[ENV, RELAY_SYS],
    ],
    `relay.ts --state ${STATE}/relay --announce 1700`,
  ],
  [
    "relay --state s --no-announce",
    [NET, "--allow-read=s", "--allow-write=s", ENV],
    "relay.ts --state s 1700",
  ],
  [
    "relay --state s --plaintext",
    [NET, "--allow-read=s", "--allow-write=s", ENV],
    "relay.ts --state s --plaintext 1700",
  ],
  [
    "relay --state s --announce --announce-port 9",
    [NET, "--allow-read=s", "--allow-write=s", ENV, RELAY_SYS],
    "relay.ts --state s --announce --announce-port 9 1700",
  ],
  [
    "relay 0 --state s",
    [NET, "--allow-read=s", "--allow-write=s", ENV, RELAY_SYS],
    "relay.ts --announce 0 --state s",
  ],
  [
    "relay --state s --secret-file p/secret",
    [NET, "--allow-read=s,p/secret", "--allow-write=s", ENV, RELAY_SYS],
    "relay.ts --announce --state s --secret-file p/secret 1700",
  ],
  [
    "share photos",
    [
      NET,
      `--allow-read=photos,${STATE}/share/photos`,
      `--allow-write=${STATE}/share/photos`,
      ENV,
      HOSTNAME,
    ],
    `peer_node.ts --state ${STATE}/share/photos ${KEPT} 0 photos`,
  ],
  [
    "share docs=work/notes a.pdf --state s",
    [NET, "--allow-read=work/notes,a.pdf,s", "--allow-write=s", ENV, HOSTNAME],
    `peer_node.ts ${KEPT} 0 docs=work/notes a.pdf --state s`,
  ],
  [
    "--name share share share music --port 1500 --state s",
    [NET, "--allow-read=share,music,s", "--allow-write=s", ENV],
    `peer_node.ts ${KEPT} 1500 --name share share music --state s`,
  ],
  [
    `share ${OTHER} photos --state s`,
    [NET, "--allow-read=photos,s", "--allow-write=s", ENV, HOSTNAME],
    `peer_node.ts ${OTHER} 0 photos --state s`,
  ],
  [
    "nas 1700 share photos 2024 --state s",
    [NET, "--allow-read=photos,2024,s", "--allow-write=s", ENV, HOSTNAME],
    "peer_node.ts nas 1700 0 photos 2024 --state s",
  ],
  [
    "share doctor photos --state s",
    [
      ...[NET, "--allow-read=photos,s", "--allow-write=s", ENV],
      "--allow-sys=hostname,statfs",
    ],
    `peer_node.ts doctor ${KEPT} 0 photos --state s`,
  ],
  [
    "share ./doctor --state s",
    [NET, "--allow-read=./doctor,s", "--allow-write=s", ENV, HOSTNAME],
    `peer_node.ts ${KEPT} 0 ./doctor --state s`,
  ],
  ["relay --help", [ENV], "relay.ts --help"],
  ["share --help", [ENV], "peer_node.ts --help"],
  ["--help", [ENV], "packaging/p2p/p2p.ts --help"],
  ["help", [ENV], "packaging/p2p/p2p.ts help"],
  ["help use", [ENV], "packaging/p2p/p2p.ts help use"],
  ["help get", [ENV], "peer_client.ts help get"],
  ["help get --all", [ENV], "peer_client.ts help get --all"],
  ["help share", [ENV], "peer_node.ts help"],
  ["completions bash", [ENV], "packaging/p2p/p2p.ts completions bash"],
  [
    "clean Downloads --yes",
    ["--allow-read=Downloads", "--allow-write=Downloads", ENV],
    "packaging/p2p/p2p.ts clean Downloads --yes",
  ],
  [
    "clean",
    ["--allow-read=.", "--allow-write=.", ENV],
    "packaging/p2p/p2p.ts clean",
  ],
  [
    "use nas 1700 --token-file t",
    [
      NET,
      `--allow-read=${CONFIG},t`,
      `--allow-write=${CONFIG}`,
      CONFIG_ENV,
    ],
    "packaging/p2p/p2p.ts use nas 1700 --token-file t",
  ],
  [
    "use",
    [`--allow-read=${CONFIG}`, CONFIG_ENV],
    "packaging/p2p/p2p.ts use",
  ],
  [
    "use --token-file t",
    [
      ...[NET, `--allow-read=${CONFIG},t`, `--allow-write=${CONFIG}`],
      CONFIG_ENV,
    ],
    "packaging/p2p/p2p.ts use --token-file t",
  ],
  [
    "use --index-key-file k",
    [
      ...[NET, `--allow-read=${CONFIG},k`, `--allow-write=${CONFIG}`],
      CONFIG_ENV,
    ],
    "packaging/p2p/p2p.ts use --index-key-file k",
  ],
  [
    "use --forget",
    [
      ...["read", "write"].map((name) =>
        `--allow-${name}=` + [
          ...["relay.json", "known-relays", "known-relays.nodes"],
          "known-relays.nodes.new",
        ].map((file) => `${CONFIG}/${file}`)
      ),
      CONFIG_ENV,
    ],
    "packaging/p2p/p2p.ts use --forget",
  ],
  ["use --help", [ENV], "packaging/p2p/p2p.ts use --help"],
  ["get --help", [ENV], "peer_client.ts get --help"],
  ["update", [`${ENV},HOME`], "packaging/p2p/p2p.ts update"],
  [
    "uninstall",
    [
      `--allow-read=${BIN}/p2p,${BIN}/.p2p.new,${DATA}`,
      `--allow-write=${BIN}/p2p,${BIN}/.p2p.new,${DATA}`,
      `${ENV},${PLACES}`,
    ],
    "packaging/p2p/p2p.ts uninstall",
  ],
  [
    "uninstall --all",
    [
      `--allow-read=${BIN}/p2p,${BIN}/.p2p.new,${DATA},${CONFIG},${STATE}`,
      `--allow-write=${BIN}/p2p,${BIN}/.p2p.new,${DATA},${CONFIG},${STATE}`,
      `${ENV},${PLACES}`,
    ],
    "packaging/p2p/p2p.ts uninstall --all",
  ],
  [
    "clean --json",
    ["--allow-read=.", ENV],
    "packaging/p2p/p2p.ts clean --json",
  ],
  ["clean d -q", ["--allow-read=d", ENV], "packaging/p2p/p2p.ts clean d -q"],
  [
    "get x --dry-run",
    [NET, "--allow-read=.", ENV],
    `peer_client.ts ${KEPT} get x --dry-run`,
  ],
  [
    "get x --dry-run -o a/new.txt --base old.txt",
    [NET, "--allow-read=a,old.txt", ENV],
    `peer_client.ts ${KEPT} get x --dry-run -o a/new.txt --base old.txt`,
  ],
  [
    "get --sums s -o d/",
    [NET, "--allow-read=d/,s", "--allow-write=d/", ENV],
    `peer_client.ts ${KEPT} get --sums s -o d/`,
  ],
  ["search a b", [NET, ENV], `peer_client.ts ${KEPT} search a b`],
  ["sums", [NET, ENV], `peer_client.ts ${KEPT} sums`],
  ["cat x --tail 5", [NET, ENV], `peer_client.ts ${KEPT} cat x --tail 5`],
  [
    "send a.pdf b/c.pdf",
    [NET, "--allow-read=a.pdf,b/c.pdf", ENV],
    `peer_client.ts ${KEPT} send a.pdf b/c.pdf`,
  ],
  [
    "relay --secret-file s --show-tokens",
    ["--allow-read=s", ENV],
    "relay.ts --secret-file s --show-tokens",
  ],
  [
    "relay --state s --name n",
    [
      ...[NET, "--allow-read=s", "--allow-write=s", ENV],
      "--allow-sys=networkInterfaces",
    ],
    "relay.ts --announce --state s --name n 1700",
  ],
  [
    `share doctor ${OTHER} photos --state s`,
    [
      ...[NET, "--allow-read=photos,s", "--allow-write=s", ENV],
      "--allow-sys=hostname,statfs",
    ],
    `peer_node.ts doctor ${OTHER} 0 photos --state s`,
  ],
  [
    `get ${OTHER} x -o -`,
    [NET, ENV],
    `peer_client.ts ${OTHER} get x -o -`,
  ],
  [`ls nas:1700`, [NET, ENV], `peer_client.ts ${KEPT} ls nas:1700`],
  ["verify  r", ["--allow-read=r", ENV], "peer_client.ts verify  r"],
  ["clean ", [ENV], "packaging/p2p/p2p.ts clean "],
  ["lss", [ENV], "packaging/p2p/p2p.ts lss"],
];

const KNOWN = `${CONFIG}/known-relays`;
const KEPT_FILES = `${KNOWN},${KNOWN}.nodes,${KNOWN}.nodes.new`;

/** Flags that also permit to keep the nodes of the remembered relays. */
function keepingNodes(flags: readonly string[]): string[] {
  const with_ = (name: string, paths: string) => {
    const given = flags.find((flag) => flag.startsWith(`--allow-${name}=`));
    const [, more] = given?.split("=") ?? [];
    return `--allow-${name}=${more === undefined ? paths : `${paths},${more}`}`;
  };
  const [net, ...others] = flags;
  return [
    ...[net!, with_("read", KEPT_FILES), with_("write", KEPT_FILES)],
    ...others.filter((flag) => !/^--allow-(read|write)=/.test(flag)),
  ];
}

/** Whether a row is that of a client that finds nodes without a relay. */
function keepsNodes(typed: string, line: string): boolean {
  return `${line} `.startsWith(`peer_client.ts ${KEPT} `) &&
    !/^(doctor|link|send)\b|--known-relays|--dry-run/.test(typed);
}

for (const [typed, given, command] of ROWS) {
  const isKept = keepsNodes(typed, command);
  const flags = isKept ? keepingNodes(given) : given;
  const line = isKept
    ? command.replace(".ts ", `.ts --known-relays ${KNOWN} `)
    : command;
  Deno.test(`p2p ${typed} gets only the permissions ${flags.join(" ")}`, async () => {
    using _ = withVariables({});
    const words = typed === "" ? [] : typed.split(" ");
    const { script, flags: found, args } = await planOf(
      words,
      around(REMEMBERED),
    );
    assertEquals([script, ...args].join(" "), line);
    assertEquals(found, flags);
  });
}

Deno.test("p2p use may write beside the file that relay.json leads to", async () => {
  const typed = ["use", "--add", "nas"];
  const { flags } = await planOf(
    typed,
    around(REMEMBERED, { isConnected: true }),
  );
  const folders = `${CONFIG},/home/u/dotfiles`;
  assertEquals(flags.slice(1, 3), [
    `--allow-read=${folders}`,
    `--allow-write=${folders}`,
  ]);
});
