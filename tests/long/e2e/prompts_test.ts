/**
 * A person at a terminal is never asked by Deno for a permission: every command
 * that README, documents and help give is typed there, with just the
 * permissions that they give it; and whatever a command would like to touch
 * beyond is refused with a remedy, and not asked for.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { SCRIPTS } from "../../../lib/cli/options/command_table.ts";
import type { Role } from "../../../lib/cli/options/option_spec.ts";
import { OPTIONS } from "../../../lib/cli/options/option_table.ts";
import { createIdentity } from "../../../lib/identity/identity.ts";
import { within } from "../../_event_log.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { ROOT } from "../../e2e/_processes.ts";
import { Pty, type PtyOptions, QUESTION } from "../../e2e/_pty.ts";

const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
const SERVES =
  /\b(relay|peer_node)\.ts (?!help|completions|doctor)|peer_client\.ts .* (send |gateway |web\b)/;

/** Types a command, and ends it by Ctrl-C where it serves. */
async function typed(
  command: string,
  { answers = "", ...options }: PtyOptions & { answers?: string },
): Promise<{ text: string; code: number }> {
  // A shell that waits for what serves would be interrupted with it.
  const line = SERVES.test(command) ? `exec ${command}` : command;
  await using pty = Pty.type(line, { ...options, env: { PATH } });
  if (answers !== "") await pty.press(answers);
  if (!SERVES.test(command)) {
    const code = await within(pty.code, command);
    return { text: pty.text, code };
  }
  const ready = new RegExp(
    `^relay address |^registered with |^the gateway is |p2p:\\/\\/|^error: |${QUESTION.source}`,
  );
  const [said] = await pty.lines.until(ready);
  const code = said === "error: "
    ? await within(pty.code, command)
    : await pty.interrupt();
  return { code, text: pty.text };
}

/** A command of the help, as it is typed here. */
function localised(line: string, relay: { port: string }): string {
  return line
    .replace(/(relay|peer_(?:node|client))\.ts/, `${ROOT}$&`)
    .replace(/\bnas 1700\b/, `127.0.0.1 ${relay.port}`)
    .replace(/(relay\.ts .*)\b1700$/, "$10")
    .replace(/ 1500\b/, " 0")
    .replace(/(?<=gateway (?:0\.0\.0\.0:)?)8\d+/, "0")
    .replace(
      /(?<=(relay|peer_node)\.ts )(?!help|compl|doctor)/,
      "--host 127.0.0.1 ",
    )
    .replace(/ web$/, " web 0")
    // A test opens no browser.
    .replace("--allow-run=/usr/bin/xdg-open ", "")
    .replace(/--token-file=\S+ /, "")
    .replace("SCRIPT", `${ROOT}peer_client.ts`);
}

testWith(
  ["script"],
  "At a terminal Deno asks nothing, whichever example of the help is typed",
  async () => {
    await using here = await tempShare({
      "files/letter.txt": "Dear reader\n",
      "photos/a/b.jpg": "jpeg",
      "share/report.pdf": "pdf",
      "share/disk.img": "image",
      "share/letter.txt": "Dear reader\n",
      "share/photos.zip": "zip",
      "share/photos/b.jpg": "jpeg",
      "share/photos/2024/summer.jpg": "jpeg",
      "letter.txt": "Dear reader\n",
      "photos.zip": "zip",
      "a.pdf": "pdf",
      "b.pdf": "pdf",
    });
    const { path } = here;
    await Deno.mkdir(join(path, "Pictures"));
    const { certificatePem, privateKeyPem } = await createIdentity();
    await Deno.writeTextFile(join(path, "cert.pem"), certificatePem);
    await Deno.writeTextFile(join(path, "key.pem"), privateKeyPem);
    const token = "a token for the web";
    await Deno.writeTextFile(
      join(path, "web.token"),
      token.replaceAll(" ", "-"),
      {
        mode: 0o600,
      },
    );
    const tar = await new Deno.Command("tar", {
      args: ["cf", "share/a.tar", "files"],
      cwd: path,
    }).output();
    assertEquals(tar.code, 0);
    await using relay = await relayHere();
    await using _laptop = await nodeHere(relay, join(path, "share"), {
      name: "laptop",
    });
    const lines = new Set(
      SCRIPTS.flatMap((spec) => [
        ...spec.examples,
        ...Object.values(spec.commands).flatMap(({ examples }) => examples),
      ]).map(({ line }) => line),
    );
    assert(lines.size >= 40, `${lines.size} examples`);
    for (const line of lines) {
      const command = localised(line, relay);
      const { text, code } = await typed(command, {
        cwd: path,
        answers: /\bnas 1700(?= >|$)/.test(line) ? "letter.txt\r" : "",
      });
      assertEquals(QUESTION.test(text), false, `${line}\n${text}`);
      // What a shell says of completions is not looked at here.
      const mayFail = /doctor|completions|tar t$/.test(line);
      const ends = / send /.test(line) ? 130 : 0; // by Ctrl-C, early
      assert(mayFail || code === ends, `${line}\nended with ${code}\n${text}`);
    }
  },
);

/** For each role and option that names a path, a line that names `elsewhere`. */
function linesNaming(
  at: string,
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return {
    relay: {
      state: "relay.ts --state elsewhere 0",
      "secret-file": "relay.ts --secret-file elsewhere 0",
      "previous-secret-file":
        "relay.ts --secret-file share/secret --previous-secret-file elsewhere 0",
      "cluster-file": "relay.ts --cluster-file elsewhere 0",
      config: "relay.ts --config elsewhere 0",
    },
    node: {
      state: `peer_node.ts --state elsewhere ${at} 0 share`,
      relays: "peer_node.ts --relays elsewhere 0 share",
      "known-relays": `peer_node.ts --known-relays elsewhere ${at} 0 share`,
      "token-file": `peer_node.ts --token-file elsewhere ${at} 0 share`,
      "index-key-file": `peer_node.ts --index-key-file elsewhere ${at} 0 share`,
      config: `peer_node.ts --config elsewhere ${at} 0 share`,
    },
    client: {
      output: `peer_client.ts ${at} get a.txt -o elsewhere/`,
      base: `peer_client.ts ${at} get a.txt -o share/new.txt --base elsewhere`,
      receipt:
        `peer_client.ts ${at} get a.txt -o share/ --receipt elsewhere/r.json`,
      relays: "peer_client.ts --relays elsewhere ls",
      "known-relays": `peer_client.ts --known-relays elsewhere ${at} ls`,
      "token-file": `peer_client.ts --token-file elsewhere ${at} ls`,
      "index-key-file": `peer_client.ts --index-key-file elsewhere ${at} ls`,
      sums: `peer_client.ts ${at} get --sums elsewhere -o share/`,
      "link-file": "peer_client.ts get --link-file elsewhere",
      "node-token-file":
        `peer_client.ts ${at} send --node-token-file elsewhere share/a.txt`,
      cert: `peer_client.ts ${at} gateway 0 --cert elsewhere --key share/k`,
      key: `peer_client.ts ${at} gateway 0 --cert share/a.txt --key elsewhere`,
      "gateway-token-file":
        `peer_client.ts ${at} gateway 0 --gateway-token-file elsewhere`,
      config: `peer_client.ts --config elsewhere ${at} ls`,
    },
  };
}

testWith(
  ["script"],
  "At a terminal a path of an option that Deno does not grant is refused with a remedy, without a question",
  async () => {
    await using folder = await tempShare({ "share/a.txt": "whole\n" });
    const { path: cwd } = folder;
    await Deno.writeTextFile(
      join(cwd, "share/secret"),
      crypto.getRandomValues(new Uint8Array(32)).toBase64(),
      { mode: 0o600 },
    );
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, join(cwd, "share"));
    const at = `127.0.0.1 ${relay.port}`;
    const lines = linesNaming(at);
    for (const [role, byOption] of Object.entries(lines)) {
      const named = Object.entries(OPTIONS).filter(([, option]) =>
        /^(FILE|DIR|PATH)$/.test(option.value ?? "") &&
        option.roles?.includes(role as Role) !== false
      ).map(([name]) => name);
      assertEquals(Object.keys(byOption).toSorted(), named.toSorted(), role);
    }
    const others = [
      `peer_node.ts ${at} 0 elsewhere`,
      `peer_node.ts doctor ${at} 0 elsewhere`,
      `peer_client.ts ${at} doctor -o elsewhere`,
      `peer_client.ts ${at} send elsewhere`,
      "peer_client.ts verify elsewhere elsewhere",
    ];
    const all = [...Object.values(lines).flatMap(Object.values), ...others];
    for (const line of all) {
      const granted = "--allow-net --allow-read=share --allow-write=share";
      const { text, code } = await typed(
        `deno run ${granted} ${ROOT}${line}`,
        { cwd },
      );
      assertEquals(QUESTION.test(text), false, `${line}\n${text}`);
      assertEquals(code, 7, `${line}\n${text}`);
      // `doctor` folds its lines.
      const unfolded = text.replaceAll(/\s+/g, " ");
      assertMatch(
        unfolded,
        /grant it with --allow-(read|write)=elsewhere/,
        line,
      );
    }
  },
);

testWith(
  ["script"],
  "At a terminal a --base that links to where Deno does not grant reading is refused with a remedy, and not asked for",
  async () => {
    await using folder = await tempShare({
      "elsewhere": "",
      "share/a.txt": "",
    });
    const { path: cwd } = folder;
    const target = await Deno.realPath(join(cwd, "elsewhere"));
    await Deno.symlink(target, join(cwd, "share/old.txt"));
    const { text, code } = await typed(
      "deno run --allow-net --allow-read=share --allow-write=share " +
        `${ROOT}peer_client.ts 127.0.0.1 1 get a.txt -o share/new.txt ` +
        "--base share/old.txt", // where nobody listens
      { cwd },
    );
    assertEquals(QUESTION.test(text), false, text);
    assertEquals(code, 7, text);
    const line = text.replaceAll(/\s+/g, " ");
    assert(line.includes(`grant it with --allow-read=${target}`), text);
  },
);

testWith(
  ["script"],
  "At a terminal Deno asks nothing of roles that may read everything but what Deno keeps to itself",
  async () => {
    await using folder = await tempShare({ "share/a.txt": "whole\n" });
    const { path: cwd } = folder;
    await using relay = await relayHere();
    const at = `127.0.0.1 ${relay.port}`;
    // As docs/OPERATIONS.md installs them.
    const deno = "deno run --allow-net --allow-read --allow-write";
    await using node = Pty.type(
      `exec ${deno} ${ROOT}peer_node.ts --host 127.0.0.1 --state kept --metrics 127.0.0.1:0 ${at} 0 share`,
      { cwd, env: { PATH } },
    );
    await node.lines.until(new RegExp(`^registered |${QUESTION.source}`));
    const fetched = await typed(
      `${deno} ${ROOT}peer_client.ts ${at} get a.txt --receipt r.json`,
      { cwd },
    );
    assertEquals(fetched.code, 0, fetched.text);
    const refused = await typed(
      `${deno} ${ROOT}peer_client.ts ${at} get a.txt -o /dev/shm/`,
      { cwd },
    );
    assertEquals(refused.code, 7, refused.text);
    assertMatch(refused.text, /only with --allow-all/);
    const metrics = await node.lines.until(/^metrics on (.*)$/);
    assertMatch(await (await fetch(metrics[1]!)).text(), /relay_p2p_files 1/);
    assertEquals(await node.interrupt(), 0);
    for (const text of [node.text, fetched.text, refused.text]) {
      assertEquals(QUESTION.test(text), false, text);
    }
  },
);
