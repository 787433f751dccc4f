/**
 * Remedies of commands and their options, each followed.
 */

import {
  atTerminal,
  ended,
  linkOf,
  missingFolder,
  OTHER_ID,
  ownRelay,
  relayWithoutNodes,
  SECRET,
  shares,
  type Trials,
  ungranted,
  withoutNet,
} from "./_remedy_trials.ts";

/** Words and trials, by module. */
export const OF_COMMANDS: Readonly<Record<string, Trials>> = {
  "lib/cli/roles/about.ts": {
    "did you mean ${meant}?": (here) => ({
      wrong: here.client("peers"),
      right: here.client("nodes"),
    }),
    "use it with help": (here) => ({
      wrong: here.client("ls", "--all"),
      right: here.bare("help", "--all"),
    }),
    "see ${asTyped(spec).script} help": (here) => ({
      wrong: here.client("frobnicate"),
      right: here.bare("help"),
    }),
  },
  "lib/cli/commands/sums.ts": {
    "name a file that sums or sha256sum wrote": async (here) => {
      await here.write("sums", "nothing of the kind\n");
      const sum = new Uint8Array(
        await crypto.subtle.digest(
          "SHA-256",
          new TextEncoder().encode("whole\n"),
        ),
      ).toHex();
      return {
        wrong: here.client("get", "--sums=sums", "-o", "there/"),
        mend: () => here.write("sums", `${sum}  a.txt\n`),
      };
    },
  },
  "lib/cli/commands/run_client.ts": {
    'use it with ${named.join(", ")}': (here) => ({
      wrong: here.client("ls", "--receipt=r.json"),
      right: here.client("get", "a.txt", "--receipt=r.json"),
    }),
  },
  "lib/cli/commands/web_link.ts": {
    "give it with --gateway-url URL": (here) => ({
      wrong: here.client("link", "a.txt", "--web"),
      right: here.client(
        ...["link", "a.txt", "--web", "--gateway-url=http://192.0.2.7:8080/"],
      ),
    }),
  },
  "lib/cli/commands/file_list.ts": {
    "leave one of them out": (here) => ({
      wrong: here.client("ls", "--sort=none", "--tree"),
      right: here.client("ls", "--sort=none"),
    }),
  },
  "lib/cli/commands/list.ts": {
    "list the nodes with the command nodes": async (here) => {
      const { address, end } = await ownRelay();
      return {
        wrong: here.bare(address, "ls"),
        right: here.bare(address, "nodes"),
        end,
      };
    },
    "list all files with ls alone": (here) => ({
      wrong: here.client("ls", "none*"),
      right: here.client("ls"),
    }),
  },
  "lib/cli/commands/delivery.ts": {
    "choose another name, or use get": (here) => {
      const cat = atTerminal(here.client("cat", "big.bin"));
      return {
        wrong: { ...cat, input: "share\n" },
        right: { ...cat, input: "new\n" },
      };
    },
    "send it to a file: … cat NAME > FILE": (here) => {
      const cat = ungranted(here.client("cat", "big.bin"));
      return {
        wrong: atTerminal(cat),
        right: { ...cat, prefix: ["sh", "-c", '"$@" > FILE', "sh"] },
      };
    },
  },
  "lib/cli/commands/dialogue.ts": {
    "start one with peer_node.ts": async (here) => {
      const { address, startNode, end } = await relayWithoutNodes();
      const wrong = { ...here.bare(address), input: "a.txt\n" };
      return { wrong, mend: startNode, end };
    },
  },
  "lib/cli/options/config.ts": {
    'use it with ${option.roles.join(", ")}': async (here) => {
      await here.write("wrong.toml", '[relay]\noutput = "there/"\n');
      await here.write("right.toml", '[client]\noutput = "there/"\n');
      return {
        wrong: here.newRelay("--config=wrong.toml", "0"),
        right: here.client("--config=right.toml", "get", "a.txt"),
      };
    },
    "name a file in TOML with --config": async (here) => {
      await here.write("right.toml");
      return {
        wrong: here.client("--config=there", "ls"),
        right: here.client("--config=right.toml", "ls"),
      };
    },
    "put it in a file of its own, and set ${key}-file": async (here) => {
      await here.write("c.toml", `[relay]\nsecret = "${SECRET}"\n`);
      return {
        wrong: here.newRelay("--config=c.toml", "0"),
        mend: async () => {
          await here.write("secret", SECRET);
          await here.write("c.toml", '[relay]\nsecret-file = "secret"\n');
        },
      };
    },
  },
  "lib/cli/roles/private_mark.ts": {
    "give --secret-file FILE; to open the relay to everybody, remove ${ show(path) }":
      async (here) => {
        await Deno.mkdir(`${here.path}/state`, { mode: 0o700 });
        await here.write("state/private");
        await here.write("secret", SECRET);
        const state = ["--state=state", "0"];
        return {
          wrong: here.newRelay(...state),
          right: here.newRelay("--secret-file=secret", ...state),
        };
      },
  },
  "lib/cli/commands/digest.ts": {
    grantRemedy: async (here) => {
      const receipt = ["--receipt=r.json", "-o", "there/a.txt"];
      await ended(here.client("get", "a.txt", ...receipt));
      const permissions = ["--allow-read=r.json"];
      const verify = here.bare("verify", "there/a.txt", "r.json");
      return { wrong: { ...verify, permissions } };
    },
  },
  "lib/cli/roles/doctor.ts": {
    "see the failed checks above": missingFolder,
  },
  "lib/cli/options/text_file.ts": {
    grantRemedy: (here) => ({
      wrong: ungranted(here.client("get", "a.txt", "-o", "there/")),
    }),
  },
  "lib/cli/commands/get.ts": {
    "create it first, or choose another with -o": (here) => ({
      wrong: here.client("get", "a.txt", "-o", "missing/b.txt"),
      mend: () => Deno.mkdir(`${here.path}/missing`),
    }),
    "name a folder with -o": (here) => ({
      wrong: here.client("get", "a.txt", "sub/c.txt", "-o", "there/b.txt"),
      right: here.client("get", "a.txt", "sub/c.txt", "-o", "there"),
    }),
    savingRemedy: (here) => ({
      wrong: ungranted(here.client("get", "a.txt", "-o", "there/a.txt")),
    }),
  },
  "lib/cli/commands/given_link.ts": {
    "omit the relay: the link contains it": async (here) => {
      const link = await linkOf(here);
      const other = here.at.replace(/\w+$/, OTHER_ID);
      return {
        wrong: here.bare(other, "get", link),
        right: here.bare("get", link),
      };
    },
    "usage: ${asTyped(SPEC).script} get LINK": async (here) => {
      const link = await linkOf(here);
      return {
        wrong: here.client("cat", link),
        right: here.bare("get", link),
      };
    },
  },
  "lib/cli/options/command_line.ts": {
    "a name that begins with a dash goes after --; ${see}": (here) => ({
      wrong: here.client("get", "-x", "-o", "there/"),
      right: here.client("get", "-o", "there/", "--", "-x"),
    }),
    'use it with ${ others.map((other) => asTyped(other).script).join(" and ") }':
      (here) => ({
        wrong: here.client("--motd=hello", "ls"),
        right: here.newRelay("--motd=hello", "0"),
      }),
    "see ${asTyped(spec).script} --help": (here) => ({
      wrong: here.newRelay("--frobnicate", "0"),
      right: here.newRelay("--help"),
    }),
    "usage: ${asTyped(spec).script} ${usageAsTyped(usage)}": (here) => ({
      wrong: here.client("get"),
      right: here.client("get", "a.txt"),
    }),
    "give names in UTF-8; rename files whose names are not": (here) => ({
      wrong: {
        ...here.client("get"),
        prefix: ["sh", "-c", `exec "$@" "$(printf '\\377')"`, "sh"],
      },
      right: here.client("get", "a.txt", "-o", "there/"),
    }),
    "set it in UTF-8, or give --${option}": (here) => ({
      wrong: {
        ...here.client("get", "a.txt"),
        permissions: [
          ...here.client().permissions ?? [],
          "--allow-env=RELAY_P2P_OUTPUT",
        ],
        prefix: [
          "sh",
          "-c",
          `RELAY_P2P_OUTPUT=$(printf '\\377') exec "$@"`,
          "sh",
        ],
      },
      right: here.client("get", "a.txt", "-o", "there/"),
    }),
  },
  "lib/cli/roles/private_files.ts": {
    "choose another path with --${option}": async (here) => {
      await Deno.mkdir(`${here.path}/kept`);
      return {
        wrong: shares(here, "share", "--state=share/kept"),
        right: shares(here, "share", "--state=kept"),
      };
    },
  },
  "lib/cli/commands/receipt.ts": {
    "use --overwrite to replace it, or choose another name": (here) => ({
      wrong: here.client("get", "a.txt", "--receipt=there/b.txt"),
      right: here.client(
        "get",
        "a.txt",
        "--receipt=there/b.txt",
        "--overwrite",
      ),
    }),
    "create it first, or choose another path": (here) => ({
      wrong: here.client("get", "a.txt", "--receipt=missing/r.json"),
      mend: () => Deno.mkdir(`${here.path}/missing`),
    }),
    "name a file that get --receipt wrote": async (here) => {
      await ended(here.client("get", "a.txt", "--receipt=r.json"));
      return {
        wrong: here.bare("verify", "a.txt", "there/b.txt"),
        right: here.bare("verify", "a.txt", "r.json"),
      };
    },
    "choose another path": (here) => ({
      wrong: here.client("get", "a.txt", "--receipt=there", "--overwrite"),
      right: here.client("get", "a.txt", "--receipt=there/r.json"),
    }),
  },
  "lib/cli/roles/role.ts": {
    "choose another port (0 lets the system pick one) or --host": (here) => ({
      wrong: here.newRelay(here.port),
      right: here.newRelay("0"),
    }),
    "give --${option} another address": (here) => ({
      wrong: here.newRelay(`--metrics=127.0.0.1:${here.port}`, "0"),
      right: here.newRelay("--metrics=127.0.0.1:0", "0"),
    }),
    "give --host an address of this machine": (here) => ({
      wrong: here.newRelay("--host=192.0.2.1", "0"),
      right: here.newRelay("0"),
    }),
    "grant it with --allow-net": (here) => ({
      wrong: withoutNet(here.newRelay("0")),
      right: here.newRelay("0"),
    }),
  },
  "lib/cli/options/selection.ts": {
    "to select every file, use '**'": (here) => ({
      wrong: here.client("get", "/", "-o", "there/"),
      right: here.client("get", "**", "-o", "there/", "--node=laptop"),
    }),
    'omit the leading /: ${show(name.replace(/^\\/+/, ""))}': (here) => ({
      wrong: here.client("get", "/sub/c.txt", "-o", "there/"),
      right: here.client("get", "sub/c.txt", "-o", "there/"),
    }),
  },
  "lib/cli/options/suggestion.ts": {
    "did you mean ${prefix}${word}?": (here) => ({
      wrong: here.client("nodse"),
      right: here.client("nodes"),
    }),
  },
  "lib/cli/commands/verify.ts": {
    "fetch it again": async (here) => {
      const get = here.client("get", "a.txt", "--receipt=r.json");
      await ended(get);
      await here.write("a.txt", "broken\n");
      return {
        wrong: here.bare("verify", "a.txt", "r.json"),
        mend: async () => {
          await Deno.remove(`${here.path}/a.txt`);
          await ended({ ...get, words: [...get.words, "--overwrite"] });
        },
      };
    },
    "name the file as it was saved": async (here) => {
      await ended(
        here.client("get", "a.txt", "sub/c.txt", "--receipt=r.json"),
      );
      return {
        wrong: here.bare("verify", "there/b.txt", "r.json"),
        right: here.bare("verify", "a.txt", "r.json"),
      };
    },
  },
};
