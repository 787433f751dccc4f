/**
 * Remedies of everything below the commands, each followed.
 */

import { formatToken, tokenOf } from "../../lib/access/token.ts";
import { ownPort } from "../_own_address.ts";
import { spawnNode } from "./_processes.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import {
  ended,
  type Here,
  missingFolder,
  OTHER_ID,
  ownRelay,
  relayWithoutNodes,
  shares,
  TOKEN,
  type Trial,
  type Trials,
  ungranted,
  withoutNet,
} from "./_remedy_trials.ts";

const NEWER =
  "if the relay was set up again, ${remedy}; if not, somebody may " +
  "be intercepting the connection";

/** The secret of private relays. */
const KEY = crypto.getRandomValues(new Uint8Array(32));

const anotherId = (here: Here): Trial => ({
  wrong: here.bare(here.at.replace(/\w+$/, OTHER_ID), "nodes"),
  right: here.client("nodes"),
});

/** A node that shares several paths. */
const sharesAll = (here: Here, ...paths: string[]) =>
  here.node("127.0.0.1", here.port, "0", ...paths);

/** Saves in a folder that is a link, where only the link is granted. */
const savesThroughLink = async (here: Here, what: string): Promise<Trial> => {
  await Deno.symlink("there", `${here.path}/linked`);
  const permissions = ["--allow-read=linked", "--allow-write=linked"];
  return {
    wrong: { ...here.client("get", what, "-o", "linked/"), permissions },
  };
};

/** Words and trials, by module. */
export const OF_ENGINES: Readonly<Record<string, Trials>> = {
  "lib/base/address.ts": {
    "copy it again from the line `relay address …` that the relay printed": (
      here,
    ) => ({
      wrong: here.bare(here.at.slice(0, -1), "nodes"),
      right: here.client("nodes"),
    }),
    "give a name, an IPv4 address, or an IPv6 address without %": (here) => ({
      wrong: here.bare(`[fe80::1%eth0]:${here.port}`, "nodes"),
      right: here.client("nodes"),
    }),
  },
  "lib/uplink/relay_dialer.ts": {
    "use its new relay address": anotherId,
    "remove its line from ${path}": async (here) => {
      await here.write("known", `127.0.0.1:${here.port} ${OTHER_ID}\n`);
      return {
        wrong: here.bare(
          "--known-relays=known",
          `127.0.0.1:${here.port}`,
          "ls",
        ),
        mend: () => here.write("known"),
      };
    },
  },
  "lib/uplink/relay_failures.ts": {
    [NEWER]: anotherId,
    "check host and port": (here) => {
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        () => new Response("a page"),
      );
      const port = String(server.addr.port);
      return {
        wrong: here.bare("127.0.0.1", port, "nodes"),
        right: here.bare("127.0.0.1", here.port, "nodes"),
        end: () => server.shutdown(),
      };
    },
    "check host and port, and that the relay is running": (here) => ({
      wrong: here.bare("127.0.0.1", `${ownPort()}`, "nodes"),
      right: here.bare("127.0.0.1", here.port, "nodes"),
    }),
    "give the relay's own port, from the line `relay address …` that it printed":
      async (here) => {
        const nodes = await ended(here.client("nodes"));
        const [, port = ""] = /127\.0\.0\.1:(\d+)/.exec(nodes) ?? [];
        return {
          wrong: here.bare("127.0.0.1", port, "nodes"),
          right: here.bare("127.0.0.1", here.port, "nodes"),
        };
      },
    "grant it with --allow-net": (here) => ({
      wrong: withoutNet(here.client("nodes")),
      right: here.client("nodes"),
    }),
  },
  "lib/share/shared_path.ts": {
    "share only the outer one": async (here) => {
      await Deno.mkdir(`${here.path}/share/inner`);
      return {
        wrong: sharesAll(here, "share", "share/inner"),
        right: shares(here, "share"),
      };
    },
    "share one of them under another name: NAME=PATH": async (here) => {
      await Deno.mkdir(`${here.path}/there/share`);
      return {
        wrong: sharesAll(here, "share", "there/share"),
        right: sharesAll(here, "share", "other=there/share"),
      };
    },
    grantRemedy: async (here) => {
      await Deno.symlink("share", `${here.path}/linked`);
      // Where the link leads can be seen only with the first permission.
      const permissions = ["--allow-read=linked"];
      return { wrong: { ...shares(here, "linked"), permissions } };
    },
    "name a folder that exists and can be read": (here) => ({
      wrong: shares(here, "missing"),
      right: shares(here, "share"),
    }),
  },
  "lib/client/failures.ts": {
    "check the name": (here) => ({
      wrong: here.client("get", "no such file"),
      right: here.client("get", "a.txt"),
    }),
    "${question} if not, ${remedy}": (here) => ({
      wrong: here.client("get", "A.txt"),
      right: here.client("get", "a.txt"),
    }),
    "name one of them by its whole path": (here) => ({
      wrong: here.client("get", "c.txt"),
      right: here.client("get", "more/c.txt"),
    }),
    "check that the nodes are running": async (here) => {
      const { port, address, end } = await ownRelay();
      const share = `${here.path}/share`;
      const dead = await spawnNode(port, share);
      dead.signal("SIGKILL");
      await dead[Symbol.asyncDispose]();
      await using made = new AsyncDisposableStack();
      made.defer(end);
      const rest = made.move();
      return {
        wrong: here.bare(address, "get", "a.txt", "-o", "there/"),
        mend: async () => rest.use(await spawnNode(port, share)),
        end: () => rest.disposeAsync(),
      };
    },
  },
  "lib/client/folders.ts": {
    "get ${folder} fetches what is in it, and ls ${folder} lists it": (
      here,
    ) => ({
      wrong: here.client("cat", "sub"),
      right: here.client("get", "sub/", "-o", "there/"),
    }),
    "list the matches with ls ${argument(name)}, and take one of them": (
      here,
    ) => ({
      wrong: here.client("cat", "a*"),
      right: here.client("ls", "a*"),
    }),
  },
  "lib/doctor/client.ts": {
    "start a peer node": async (here) => {
      const { address, startNode, end } = await relayWithoutNodes();
      return { wrong: here.bare(address, "doctor"), mend: startNode, end };
    },
  },
  "lib/doctor/machine.ts": {
    "run it with ${flags}": (here) => ({
      wrong: { ...here.client("doctor"), permissions: ["--allow-run"] },
      right: (said) => ({
        ...here.client("doctor"),
        permissions: / run it with (.*)$/m.exec(said)![1]!.split(" "),
      }),
    }),
    grantRemedy: (here) => ({
      wrong: ungranted(here.client("doctor", "-o", "there/")),
    }),
    savingRemedy: (here) => ({
      wrong: ungranted(here.client("doctor", "-o", "new.txt")),
    }),
  },
  "lib/doctor/node.ts": {
    "choose another port, or stop the node if it runs already": (here) => ({
      wrong: here.node("doctor", here.at, here.port, "share"),
      right: here.node("doctor", here.at, `${ownPort()}`, "share"),
    }),
  },
  "lib/doctor/relay.ts": {
    "give p2p://${ formatEndpoint(relay) }/${id} in place of host and port, if that is its id":
      (here) => ({
        wrong: here.bare("127.0.0.1", here.port, "doctor"),
        right: here.client("doctor"),
      }),
    "compare the id there with what the relay prints": (here) => ({
      wrong: here.bare(
        "--known-relays=known",
        `127.0.0.1:${here.port}`,
        "doctor",
      ),
    }),
  },
  "lib/base/permission.ts": {
    'grant it with ${flags.join(" ")}': (here) => ({
      wrong: ungranted(here.client("--config=there/b.toml", "get", "a.txt")),
      mend: () => here.write("there/b.toml", '[client]\noutput = "-"\n'),
    }),
    "${asFolder} where it is a folder, or else ${asFile}": (here) => ({
      wrong: ungranted(here.client("get", "a.txt", "-o", "new")),
    }),
    grantRemedy: (here) => ({
      wrong: ungranted(here.client("get", "sub/", "-o", "there")),
    }),
    "Deno opens files below /dev, /proc and /sys only with --allow-all: choose another path, or grant that":
      (here) => ({
        wrong: {
          ...here.client("get", "a.txt", "-o", "/dev/shm/"),
          permissions: ["--allow-read", "--allow-write"],
        },
        right: here.client("get", "a.txt", "-o", "there/"),
      }),
  },
  "lib/disk/disk_failure.ts": {
    savingThereRemedy: (here) => savesThroughLink(here, "a.txt"),
  },
  "lib/disk/places.ts": {
    savingThereRemedy: (here) => savesThroughLink(here, "sub/"),
  },
  "lib/disk/base_file.ts": {
    grantRemedy: (here) => {
      const get = here.client("get", "a.txt", "-o", "there/a.txt");
      return {
        wrong: {
          ...get,
          words: [...get.words, "--base", "share/a.txt"],
          permissions: ["--allow-read=there", "--allow-write=there"],
        },
      };
    },
  },
  "lib/cli/output/remedies.ts": {
    "use --overwrite to replace it, or -o to save elsewhere": async (here) => {
      await here.write("a.txt", "mine\n");
      return {
        wrong: here.client("get", "a.txt"),
        right: here.client("get", "a.txt", "--overwrite"),
      };
    },
    "move it away, or save elsewhere with -o": async (here) => {
      await Deno.mkdir(`${here.path}/a.txt`);
      const get = here.client("get", "a.txt", "--overwrite");
      return {
        wrong: get,
        mend: () => Deno.rename(`${here.path}/a.txt`, `${here.path}/away`),
      };
    },
    "remove it, or save elsewhere with -o": async (here) => {
      const left = partialPathOf(`${here.path}/there/big.bin`);
      await Deno.mkdir(left);
      return {
        wrong: here.client("get", "big.bin", "-o", "there/"),
        mend: () => Deno.remove(left),
      };
    },
    "create it first, or choose another with -o": missingFolder,
    "choose another with -o": (here) => ({
      wrong: here.client("doctor", "-o", "there/b.txt/"),
      right: here.client("doctor", "-o", "there/"),
    }),
    "choose another --state folder": (here) => ({
      wrong: here.newRelay("--state=there/b.txt", "0"),
      right: here.newRelay("--state=kept", "0"),
    }),
    "choose another --state folder, or move the file away to get a new identity":
      async (here) => {
        await here.write("there/identity.pem", "broken");
        return {
          wrong: here.newRelay("--state=there", "0"),
          mend: () => Deno.remove(`${here.path}/there/identity.pem`),
        };
      },
    "choose another file with --known-relays": (here) => ({
      wrong: here.bare("--known-relays=there", here.at, "ls"),
      right: here.bare("--known-relays=known", here.at, "ls"),
    }),
    "run the relay with --private, or start this node without a token": async (
      here,
    ) => {
      await here.write("token", TOKEN);
      return {
        wrong: shares(here, "share", "--token-file=token"),
        right: shares(here, "share"),
      };
    },
    "omit --plaintext, or give HOST PORT": (here) => ({
      wrong: here.client("nodes", "--plaintext"),
      right: here.client("nodes"),
    }),
    "omit --plaintext on both sides": async (here) => {
      const { port, end } = await ownRelay({ plaintext: true });
      return {
        wrong: here.bare("127.0.0.1", port, "doctor", "--plaintext"),
        right: here.client("doctor"),
        end,
      };
    },
    "check host and port; if the relay runs with --plaintext, use that here too":
      async (here) => {
        const { port, end } = await ownRelay({ plaintext: true });
        return {
          wrong: here.bare("127.0.0.1", port, "nodes"),
          right: here.bare("127.0.0.1", port, "nodes", "--plaintext"),
          end,
        };
      },
    "check host and port; if the relay runs without --plaintext, omit it here too":
      (here) => ({
        wrong: here.bare("127.0.0.1", here.port, "nodes", "--plaintext"),
        right: here.bare("127.0.0.1", here.port, "nodes"),
      }),
    "start the relay without --no-tunnel": async (here) => {
      const { address, end } = await ownRelay({ tunnels: false });
      return {
        wrong: here.bare(address, "doctor"),
        right: here.client("doctor"),
        end,
      };
    },
    "choose one with --sha256 or --node, or give --prefer newest": (here) => ({
      wrong: here.client("get", "d.txt", "-o", "there/"),
      right: here.client("get", "d.txt", "-o", "there/", "--node=laptop"),
    }),
    "list the files with the command ls": (here) => ({
      wrong: here.client("get", "none*", "-o", "there/"),
      right: here.client("ls"),
    }),
    "list the nodes with the command nodes": (here) => ({
      wrong: here.client("get", "a.txt", "--node=nobody"),
      right: here.client("nodes"),
    }),
    "start one with peer_node.ts": async (here) => {
      const { address, startNode, end } = await relayWithoutNodes();
      const wrong = here.bare(address, "get", "a.txt", "-o", "there/");
      return { wrong, mend: startNode, end };
    },
    "give a client token with --token-file FILE or RELAY_P2P_TOKEN": async (
      here,
    ) => {
      const { address, end } = await ownRelay({ secrets: { current: KEY } });
      await here.write("token", formatToken(tokenOf(KEY, "client")));
      return {
        wrong: here.bare(address, "nodes"),
        right: here.bare("--token-file=token", address, "nodes"),
        end,
      };
    },
    "name an older version of the file, or omit --base": (here) => ({
      wrong: here.client("get", "a.txt", "-o", "there/", "--base", "none.txt"),
      right: here.client("get", "a.txt", "-o", "there/"),
    }),
    "omit it: --overwrite keeps the right pieces of that file": async (
      here,
    ) => {
      await here.write("a.txt", "older\n");
      const get = here.client("get", "a.txt", "--overwrite");
      return {
        wrong: { ...get, words: [...get.words, "--base", "a.txt"] },
        right: get,
      };
    },
    "give a node token with --token-file FILE or RELAY_P2P_TOKEN": async (
      here,
    ) => {
      const { port, end } = await ownRelay({ secrets: { current: KEY } });
      await here.write("token", formatToken(tokenOf(KEY, "node")));
      return {
        wrong: here.node("127.0.0.1", port, "0", "share"),
        right: here.node("--token-file=token", "127.0.0.1", port, "0", "share"),
        end,
      };
    },
  },
};
