/**
 * The documents held to a terminal: every command in their blocks is typed at
 * one, with the permissions that stand there, in a copy of the project. Deno
 * must ask for nothing, and each must end as the document says.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { copyProject } from "../../e2e/_project.ts";
import { ROOT } from "../../e2e/_processes.ts";
import {
  type Block,
  blocksOf,
  documentNames,
  STORIES,
} from "../../e2e/_readme.ts";
import { Walk } from "../../e2e/_walk.ts";

const INSTALLED = "takes an installed p2p: tests/long/e2e/p2p_test.ts has one";
const TWO_RELAYS = "row 872 in tests/long/e2e/p2p_test.ts types it";
const INSTALLS = "installs into the home folder";
const BUILDS = "takes the runtime of each target, which Deno downloads";
const SYSTEM = "changes the system that the tests run on";
const IMAGES = "takes podman and an image of Debian";
const OTHERS = "takes a server with that file, and the other programs";
const INSTANCES = "takes Redis, haproxy and ports of their own; typed by hand";
const MEASURES = "measures for minutes";

/** The commands that are not typed here, by document, each with the reason. */
const UNTYPED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "README.md": {
    "npx -y deno@2.9.6 task install": INSTALLS,
    "p2p relay              # on the machine that is always on": INSTALLED,
    "p2p use                # on each machine with files": INSTALLED,
    "p2p share ~/Documents  # there too": INSTALLED,
    "p2p use nas.local 1700": INSTALLED,
    "p2p get report.pdf": INSTALLED,
    "npx -y deno@2.9.6 task demo   # the whole thing on real files, in a few seconds":
      "downloads Deno",
    "npx -y deno@2.9.6 task test   # the tests; the long ones are task test:long":
      "downloads Deno, and runs this very test",
  },
  "docs/OPERATIONS.md": {
    "npx -y deno@2.9.6 task install": INSTALLS,
    "p2p relay                   # on nas, and on pi": TWO_RELAYS,
    "p2p use nas.local pi.local  # on each machine": TWO_RELAYS,
    "p2p share ~/Documents       # where files are": TWO_RELAYS,
    "p2p get report.pdf          # anywhere": TWO_RELAYS,
    "deno task install": INSTALLS,
    "deno task compile                           # all targets, into dist/":
      BUILDS,
    "deno task compile x86_64-unknown-linux-gnu  # one of them": BUILDS,
    "(cd dist && sha256sum -c SHA256SUMS)": BUILDS,
    "cp dist/x86_64-unknown-linux-gnu/relay-p2p-relay /usr/local/bin/": SYSTEM,
    "cp packaging/systemd/relay-p2p-relay.service /etc/systemd/system/": SYSTEM,
    "systemctl enable --now relay-p2p-relay": SYSTEM,
    "mkdir -p ~/.config/systemd/user": SYSTEM,
    "cp packaging/systemd/user/p2p-*.service ~/.config/systemd/user/": SYSTEM,
    "systemctl --user enable --now p2p-relay": SYSTEM,
    'echo "SHARE=$HOME/Documents" > ~/.config/relay-p2p/share.env': SYSTEM,
    "systemctl --user enable --now p2p-share": SYSTEM,
    "loginctl enable-linger   # it starts with the machine, not with your login":
      SYSTEM,
    "podman build -t relay-p2p -f packaging/Containerfile .": IMAGES,
    "podman run -p 1700:1700 -p 1701:1701 -v relay-state:/state relay-p2p":
      IMAGES,
    'redis-server --bind 127.0.0.1 --save "" &': INSTANCES,
    "for n in 1 2 3; do deno run --allow-net --allow-read=. --allow-write=. relay.ts --host 127.0.0.1 --state state --cluster redis://127.0.0.1:6379/0 --advertise-instance 127.0.0.1:170$n --metrics 127.0.0.1:171$n 170$n & done":
      INSTANCES,
    "haproxy -f haproxy.cfg &": INSTANCES,
  },
  "docs/COMPARISON.md": {
    "curl -o out/big.iso http://127.0.0.1:18080/big.iso": OTHERS,
    "aria2c -d out http://127.0.0.1:18080/big.iso": OTHERS,
    "rsync --bwlimit=40m --info=progress2 big.iso out/": OTHERS,
    "p2p get big.iso -o out/": INSTALLED,
  },
  "docs/PERFORMANCE.md": {
    "deno task bench              # connect, list, first byte": MEASURES,
    "deno task bench:fetch        # whole fetches, beside other programs":
      MEASURES,
    "deno task bench:swarm        # 50 clients, one file; --few: 1 and 4 clients":
      MEASURES,
    "deno task bench:gateway      # beside cat; first byte, seek, 50 readers":
      MEASURES,
    "deno task bench:page         # 100,000 names in Chromium": MEASURES,
    "deno task bench:growth       # 1,000 to 100,000 files, 1 to 32 nodes":
      MEASURES,
    "deno task simulate           # the index of 10,000 nodes, in memory":
      "takes minutes",
    "deno task simulate:swarm 50  # 50 clients in fake time": MEASURES,
    "deno task bench:tunnel       # through the relay, beside dialling and socat":
      MEASURES,
    "apt-get install curl nginx openssl aria2 rsync python3-libtorrent": SYSTEM,
  },
};

/** `deno task record` writes it from terminals where it has typed everything. */
const RECORDED = "docs/FIRST_MINUTE.md";

/** Commands of other documents are typed where this section of README ends. */
const OPEN_RELAY_SECTION = "Three terminals";

async function documents(): Promise<Map<string, string>> {
  const texts = (await documentNames()).map(async (name) =>
    [name, await Deno.readTextFile(join(ROOT, name))] as const
  );
  return new Map(await Promise.all(texts));
}

/**
 * The blocks of all documents in the order in which they can be typed, by the
 * document that is followed; the other commands are typed in README.
 */
async function allBlocks(): Promise<Map<string, Block[]>> {
  const stories = new Map<string, Block[]>(STORIES.map((name) => [name, []]));
  const others: Block[] = [];
  for (const [name, text] of await documents()) {
    for (const block of blocksOf(text, name)) {
      const story = block.notRun ? undefined : stories.get(name);
      (story ?? others).push(block);
    }
  }
  const readme = stories.get("README.md")!;
  const at = readme.findLastIndex(({ section }) =>
    section === OPEN_RELAY_SECTION
  );
  readme.splice(at + 1, 0, ...others);
  return stories;
}

function reasonFor(document: string, command: string): string | undefined {
  return UNTYPED[document]?.[command];
}

for (const [story, blocks] of await allBlocks()) {
  testWith(
    ["jq", "script"],
    `At a terminal every command that is typed along ${story} ends as it should, and Deno asks nothing`,
    async () => {
      await using folder = await tempShare();
      await using home = await tempShare();
      await copyProject(folder.path);
      await using walk = new Walk(folder.path, { atTerminal: true });
      let count = 0;
      for (const block of blocks) {
        const steps = block.steps
          .filter(({ command }) => !reasonFor(block.document, command))
          .map((step) => ({
            ...step,
            command: step.command.replaceAll("~/", `${home.path}/`),
          }));
        count += steps.length;
        await walk.take({ ...block, steps });
      }
      await walk.end();
      assert(count >= 15, `${count} commands`);
    },
  );
}

Deno.test("Every command of the documents that is not typed is still there", async () => {
  const commands = new Map<string, string[]>();
  const blocks = [...(await allBlocks()).values()].flat();
  for (const { document, steps } of blocks) {
    const untyped = steps.map(({ command }) => command)
      .filter((command) => reasonFor(document, command));
    if (untyped.length === 0) continue;
    commands.set(document, [...commands.get(document) ?? [], ...untyped]);
  }
  for (const [document, rows] of Object.entries(UNTYPED)) {
    assertEquals(
      commands.get(document)?.toSorted(),
      Object.keys(rows).toSorted(),
      document,
    );
  }
});

Deno.test("Every block of the documents with a command is marked as shell", async () => {
  const other = /^```(?!sh$|console$).*\n((?:(?!```).*\n)*)```$/gm;
  const command =
    /^(?:\$ .*|(?:npx|deno|p2p|sudo|cp|podman|systemctl|curl|apt-get) .*)$/m;
  for (const [name, text] of await documents()) {
    if (name === RECORDED) continue;
    // What stands in a block is no opening of another.
    const whole = text.replaceAll(/^```(?:sh|console)\n[^]*?^```$/gm, "");
    for (const [, content = ""] of whole.matchAll(other)) {
      assertEquals(command.exec(content)?.[0], undefined, name);
    }
  }
});
