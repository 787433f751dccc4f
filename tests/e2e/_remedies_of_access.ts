/**
 * Remedies about identities, secrets, tokens and links, each followed.
 */

import { formatToken, tokenOf } from "../../lib/access/token.ts";
import { loadIdentity } from "../../lib/identity/identity_file.ts";
import {
  CLIENT_TOKEN,
  linkOf,
  ownRelay,
  SECRET,
  tooOpenSecret,
  type Trials,
  ungranted,
} from "./_remedy_trials.ts";

/** The secret of private relays. */
const KEY = crypto.getRandomValues(new Uint8Array(32));

/** Words and trials, by module. */
export const OF_ACCESS: Readonly<Record<string, Trials>> = {
  "lib/identity/known_relays.ts": {
    grantRemedy: (here) => ({
      wrong: ungranted(
        here.bare("--known-relays=known", `127.0.0.1:${here.port}`, "ls"),
      ),
    }),
    "correct or remove that line": async (here) => {
      await here.write("known", "what is this\n");
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
  "lib/identity/identity_file.ts": {
    grantRemedy: (here) => ({
      wrong: ungranted(here.newRelay("--state=kept", "0")),
    }),
    "run chmod 600 ${show(path)}": async (here) => {
      await loadIdentity(`${here.path}/there`);
      const path = `${here.path}/there/identity.pem`;
      await Deno.chmod(path, 0o644);
      return {
        wrong: here.newRelay("--state=there", "0"),
        mend: () => Deno.chmod(path, 0o600),
      };
    },
  },
  "lib/access/credentials.ts": {
    "get a new token from the person who runs the relay": async (here) => {
      const { address, end } = await ownRelay({ secrets: { current: KEY } });
      await here.write("token", CLIENT_TOKEN);
      return {
        wrong: here.bare("--token-file=token", address, "nodes"),
        mend: () => here.write("token", formatToken(tokenOf(KEY, "client"))),
        end,
      };
    },
  },
  "lib/access/link.ts": {
    "copy it again completely, or ask for a new one": async (here) => {
      const link = await linkOf(here);
      return {
        wrong: here.bare("get", link.slice(0, -3)),
        right: here.bare("get", link),
      };
    },
  },
  "lib/access/token.ts": {
    "copy it again, or ask the person who runs the relay": async (here) => {
      await here.write("token", CLIENT_TOKEN.slice(0, -2));
      return {
        wrong: here.client("--token-file=token", "nodes"),
        mend: () => here.write("token", CLIENT_TOKEN),
      };
    },
  },
  "lib/access/index_key.ts": {
    "make one: head -c 32 /dev/urandom | base64": async (here) => {
      await here.write("index.key", "hunter2hunter2");
      return {
        wrong: here.client("--index-key-file=index.key", "get", "a.txt"),
        mend: async () => {
          const made = await new Deno.Command("sh", {
            args: ["-c", "head -c 32 /dev/urandom | base64"],
          }).output();
          await here.write("index.key", new TextDecoder().decode(made.stdout));
        },
      };
    },
  },
  "lib/access/secret.ts": {
    "make one: head -c 32 /dev/urandom | base64": async (here) => {
      await here.write("secret", "hunter2hunter2");
      return {
        wrong: here.newRelay("--secret-file=secret", "0"),
        mend: async () => {
          const made = await new Deno.Command("sh", {
            args: ["-c", "head -c 32 /dev/urandom | base64"],
          }).output();
          await here.write("secret", new TextDecoder().decode(made.stdout));
        },
      };
    },
  },
  "lib/access/secret_file.ts": {
    grantRemedy: async (here) => {
      await here.write("secret", SECRET);
      return { wrong: ungranted(here.newRelay("--secret-file=secret", "0")) };
    },
    "chmod 600 ${show(path)}": tooOpenSecret,
    "run ${mendingCommand(info, path)}": tooOpenSecret,
    "run chmod go-w ${show(dirname(path))}": async (here) => {
      const folder = `${here.path}/there`;
      await here.write("there/secret", SECRET);
      await Deno.chmod(folder, 0o777);
      return {
        wrong: here.newRelay("--secret-file=there/secret", "0"),
        mend: () => Deno.chmod(folder, 0o755),
      };
    },
    "name a file with the ${what} in it": async (here) => {
      await here.write("secret", SECRET);
      return {
        wrong: here.newRelay("--secret-file=there", "0"),
        right: here.newRelay("--secret-file=secret", "0"),
      };
    },
    "put the ${what} in it, and nothing else": async (here) => {
      await here.write("secret", `my secret ${SECRET}`);
      return {
        wrong: here.newRelay("--secret-file=secret", "0"),
        mend: () => here.write("secret", SECRET),
      };
    },
  },
};
