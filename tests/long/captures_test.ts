/**
 * Private relays while somebody listens: no secret, token or link is in anything
 * that is printed, in a list of processes, or on the wire.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseLink } from "../../lib/access/link.ts";
import { startRecording } from "../_recording_proxy.ts";
import { tempShare } from "../_temp_share.ts";
import {
  makeKeys,
  runClient,
  spawnPrivateNode,
  spawnPrivateRelay,
  writeSecret,
} from "../e2e/_private.ts";
import { RoleHost } from "../e2e/_role_host.ts";

const FILES = { "a.txt": "abc", "b.txt": "other" };

/** Command lines of a client in which `word` stands where it does not belong. */
function misplaced(
  word: string,
  { at, token, to }: Record<"at" | "token" | "to", readonly string[]>,
): string[][] {
  return [
    [word],
    [word, "ls"],
    ["ls", word],
    ["127.0.0.1", word],
    [...at, word],
    [...at, "ls", word],
    [...at, "get", word, ...to],
    [...at, "cat", word],
    [`--${word}`, ...at],
    ["--node", word, ...token, ...at, "ls"],
    ["--limit-rate", word, ...token, ...at, "cat", "a.txt"],
    ["--sha256", word, ...at, "cat", "a.txt"],
    ["--token", word.slice(0, -2), ...at, "ls"],
    ["--known-relays", word, ...at, "ls"],
  ];
}

type Keys = Awaited<ReturnType<typeof makeKeys>>;

/** Runs roles with their documented permissions, and keeps all they write. */
class Writings implements AsyncDisposable {
  readonly written: string[] = [];
  readonly #mode: readonly string[];
  readonly #clients: RoleHost;
  readonly #others = new RoleHost(["--allow-net"]);

  constructor(
    { folder }: Keys,
    { mode, into }: { mode: readonly string[]; into: string },
  ) {
    this.#mode = mode;
    this.#clients = new RoleHost([
      ...["--allow-net", `--allow-read=${folder},${into}`],
      `--allow-write=${into}`,
    ]);
  }

  /** Runs a client, and again with all details. */
  async run(words: readonly string[], input?: string) {
    for (const details of [[], DETAILS]) {
      const all = [...this.#mode, ...details, ...words];
      const task = { script: "peer_client.ts", words: all };
      this.#keep(
        await this.#clients.run(
          input === undefined ? task : { ...task, input },
        ),
      );
    }
  }

  /** Runs a relay or a node, to which its words are wrong. */
  async runWrong(script: string, words: readonly string[]) {
    this.#keep(await this.#others.run({ script, words }));
  }

  #keep({ text, stderr }: { text: string; stderr: readonly string[] }) {
    this.written.push(text, ...stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clients[Symbol.asyncDispose]();
    await this.#others[Symbol.asyncDispose]();
  }
}

const DETAILS = ["--json", "--debug"];

/** Gives secrets where they do not belong. */
async function misplaceSecrets(
  writings: Writings,
  { keys, link, ...where }:
    & { keys: Keys; link: string }
    & Record<"at" | "token" | "to", readonly string[]>,
) {
  for (const word of [keys.tokens.client, keys.tokens.node, link]) {
    for (const args of misplaced(word, where)) await writings.run(args);
    for (const script of ["relay.ts", "peer_node.ts"]) {
      for (const args of [[word], ["--host", word, "0"], ["0", word, "0"]]) {
        await writings.runWrong(script, args);
      }
    }
  }
  const { secretText } = keys;
  for (
    const args of [
      [secretText],
      [secretText, "1700"],
      ["--secret", secretText, secretText],
      ["--secret", secretText, "--host", secretText, "0"],
      ["--secret", `${secretText}!`, "0"],
    ]
  ) await writings.runWrong("relay.ts", args);
}

/** The command line of a process, as others on the machine see it. */
async function commandLineOf({ pid }: { pid: number }): Promise<string> {
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${pid}/cmdline`],
  }).output();
  return new TextDecoder().decode(stdout);
}

/** Runs everything there is, right and wrong, and keeps all that is written. */
async function everythingWritten({ plaintext }: { plaintext: boolean }) {
  await using keys = await makeKeys();
  await using recording = startRecording();
  await using share = await tempShare(FILES);
  await using folder = await tempShare();
  const into = folder.path;
  const mode = plaintext ? ["--plaintext"] : [];
  await using relay = await spawnPrivateRelay(keys, [...mode, "--debug"]);
  recording.target = Number(relay.port);
  const port = String(recording.port);
  await using node = await spawnPrivateNode(keys, {
    port,
    share: share.path,
    args: [...mode, "--debug", "--json"],
  });
  const at = ["127.0.0.1", port];
  const token = ["--token-file", keys.tokenFiles.client];
  await using writings = new Writings(keys, { mode, into });
  const made = await runClient(keys, [
    ...[...mode, ...token, ...at, "link", "a.txt", "--uses", "9", "--qr"],
  ]);
  writings.written.push(...made.stderr);
  const link = made.text.trim();
  const linkFile = join(keys.folder, "link");
  await writeSecret(linkFile, link);
  const to = ["-o", `${into}/`, "--overwrite"];
  await writings.run([...token, ...at, "nodes"]);
  await writings.run([...token, ...at, "ls"]);
  await writings.run([...token, ...at, "get", "b.txt", ...to]);
  await writings.run([...token, ...at, "cat", "b.txt"]);
  await writings.run([...token, ...at], "a.txt\n");
  await writings.run([...token, ...at, "cat", "missing"]);
  await writings.run([...at, "get", "--link-file", linkFile, ...to]);
  await writings.run([...at, "get", link, ...to]);
  await misplaceSecrets(writings, { keys, link, at, token, to });
  const commandLines = await Promise.all([relay, node].map(commandLineOf));
  for (const role of [node, relay]) {
    role.signal("SIGTERM");
    await role.exitCode;
    writings.written.push(...role.stdout.all, ...role.stderr.all);
  }
  return {
    ...{ written: writings.written.join("\n"), commandLines },
    ...secretsOf(keys, link),
    saw: (words: string | Uint8Array) => recording.saw(words),
    bytes: recording.byteCount,
  };
}

/** Parts of the secrets that are long enough to be found. */
function secretsOf(keys: Keys, link: string) {
  const key = (text: string) => text.split("-").at(-1)!.slice(0, 24);
  const { pass = "" } = parseLink(link);
  return {
    secrets: {
      secret: keys.secretText.slice(0, 24),
      "node token": key(keys.tokens.node),
      "client token": key(keys.tokens.client),
    },
    pass: pass.slice(50, 80),
    raw: keys.secret,
  };
}

Deno.test("Secrets, tokens and links are in no output, no list of processes and no capture", async () => {
  const { written, commandLines, secrets, pass, raw, saw, bytes } =
    await everythingWritten({ plaintext: false });
  assert(written.length > 10_000, `${written.length} characters`);
  assert(bytes > 10_000, `${bytes} bytes`);
  assert(pass.length === 30);
  for (const [what, text] of Object.entries({ ...secrets, pass })) {
    const at = written.indexOf(text);
    assertEquals(at < 0 ? "" : written.slice(at - 200, at + 40), "", what);
    assertEquals(saw(text), false, `${what} in the capture`);
    for (const line of commandLines) assert(!line.includes(text), what);
  }
  assertEquals(saw(raw.slice(0, 16)), false);
});

Deno.test("Even without encryption a capture contains no token and no secret", async () => {
  const { secrets, raw, saw } = await everythingWritten({ plaintext: true });
  assertEquals(saw('"grants":['), true);
  for (const [what, text] of Object.entries(secrets)) {
    assertEquals(saw(text), false, what);
  }
  assertEquals(saw(raw.slice(0, 16)), false);
});
