/**
 * What was typed, `p2p` or a script, in usage, examples and remedies.
 */

import { assert, assertEquals } from "@std/assert";
import { SCRIPTS } from "../../../lib/cli/options/command_table.ts";
import {
  formatCommandHelp,
  formatHelp,
} from "../../../lib/cli/options/help.ts";
import {
  asP2p,
  lineAsP2p,
  remedyAsP2p,
} from "../../../lib/cli/options/program_name.ts";
import { runRoleHere } from "../../_here.ts";

const AS_P2P = { RELAY_P2P_COMMAND: "p2p" };

const LINES: readonly (readonly [string, string])[] = [
  ["deno run --allow-net relay.ts 1700", "p2p relay 1700"],
  [
    "deno run --allow-net --allow-read=files peer_node.ts nas 1700 1500",
    "p2p share files",
  ],
  [
    "deno run --allow-net peer_node.ts --name laptop nas 1700 1500 photos",
    "p2p share --name laptop photos",
  ],
  [
    "deno run --allow-net --allow-read=. peer_client.ts nas 1700 get a -o b/",
    "p2p get a -o b/",
  ],
  [
    "echo a.txt | deno run --allow-net peer_client.ts nas 1700",
    "echo a.txt | p2p",
  ],
  [
    'eval "$(deno run peer_client.ts completions bash p2p)"  # in ~/.bashrc',
    'eval "$(p2p completions bash)"  # in ~/.bashrc',
  ],
  ["A link: peer_client.ts get LINK.", "A link: p2p get LINK."],
];

for (const [line, typed] of LINES) {
  Deno.test(`As p2p, ${line} is ${typed}`, () => {
    assertEquals(lineAsP2p(line), typed);
  });
}

Deno.test("Typed as p2p, no help names a script, a relay that is remembered, or a permission", () => {
  for (const spec of SCRIPTS) {
    const typed = asP2p(spec);
    const pages = [
      formatHelp(typed),
      ...Object.keys(typed.commands).map((name) =>
        formatCommandHelp(typed, name)
      ),
    ];
    for (const page of pages) {
      const wrong = /^.*(\w\.ts\b|deno run|--allow-[a-z]+=|nas 1700 \w).*$/m
        .exec(page.replaceAll(/^An option can be set[^]*?\n\n/gm, ""));
      assertEquals(wrong?.[0], undefined);
      assert(page.includes(typed.script));
    }
  }
});

Deno.test("Errors of p2p name p2p, and those of a script the script", async () => {
  const errors = [
    {
      script: "peer_client.ts",
      args: ["--bogus"],
      as: "p2p",
      says: "see $ --help",
    },
    {
      script: "relay.ts",
      args: ["1", "2"],
      as: "p2p relay",
      says: "usage: $ [options] ",
    },
    {
      script: "peer_client.ts",
      args: ["127.0.0.1:1", "get"],
      as: "p2p",
      says: "usage: $ ",
    },
    {
      script: "peer_node.ts",
      args: ["--bogus"],
      as: "p2p share",
      says: "see $ --help",
    },
  ];
  for (const { script, args, as, says } of errors) {
    const typed = await runRoleHere(script, args, { env: AS_P2P });
    const plain = await runRoleHere(script, args);
    assert(
      typed.stderr.join().includes(says.replace("$", as)),
      typed.stderr.join(),
    );
    assert(
      plain.stderr.join().includes(says.replace("$", script)),
      plain.stderr.join(),
    );
    assertEquals(typed.code, plain.code);
  }
  const { stderr } = await runRoleHere(
    "peer_client.ts",
    ["127.0.0.1:1", "get"],
    { env: AS_P2P },
  );
  assert(!stderr.join().includes("RELAY"), stderr.join());
});

Deno.test("Remedies of the engines name what is typed with p2p", () => {
  assertEquals(
    remedyAsP2p("start one with peer_node.ts"),
    "start one with p2p share",
  );
  assertEquals(
    remedyAsP2p("if the relay was set up again, use its new relay address"),
    "if the relay was set up again, type p2p use and its new relay address",
  );
});
