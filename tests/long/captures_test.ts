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
import { runRole } from "../e2e/_processes.ts";

const FILES = { "a.txt": "abc", "b.txt": "other" };

/** Runs everything there is, right and wrong, and keeps all that is written. */
async function everythingWritten({ plaintext }: { plaintext: boolean }) {
  await using keys = await makeKeys();
  await using recording = startRecording();
  await using share = await tempShare(FILES);
  await using folder = await tempShare();
  const into = folder.path;
  const mode = plaintext ? ["--plaintext"] : [];
  const written: string[] = [];
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
  const runOnce = async (
    args: readonly string[],
    options: Parameters<typeof runClient>[2] = {},
  ) => {
    const outcome = await runClient(keys, [...mode, ...args], {
      into,
      ...options,
    });
    written.push(outcome.text, ...outcome.stderr);
  };
  const DETAILS = ["--json", "--debug"];
  const run = async (
    args: readonly string[],
    options: Parameters<typeof runClient>[2] = {},
  ) => {
    await runOnce(args, options);
    await runOnce([...DETAILS, ...args], options);
  };
  // What saves nothing can be run side by side.
  const runWrong = (args: readonly string[]) =>
    Promise.all([runOnce(args), runOnce([...DETAILS, ...args])]);
  const made = await runClient(keys, [
    ...[...mode, ...token, ...at, "link", "a.txt", "--uses", "9", "--qr"],
  ]);
  written.push(...made.stderr);
  const link = made.text.trim();
  const linkFile = join(keys.folder, "link");
  await writeSecret(linkFile, link);
  const to = ["-o", `${into}/`, "--overwrite"];
  await run([...token, ...at, "nodes"]);
  await run([...token, ...at, "ls"]);
  await run([...token, ...at, "get", "b.txt", ...to]);
  await run([...token, ...at, "cat", "b.txt"]);
  await run([...token, ...at], { input: "a.txt\n" });
  await run([...token, ...at, "cat", "missing"]);
  await run([...at, "get", "--link-file", linkFile, ...to]);
  await run([...at, "get", link, ...to]);
  // Everything where it does not belong.
  for (const word of [keys.tokens.client, keys.tokens.node, link]) {
    for (
      const args of [
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
      ]
    ) await runWrong(args);
    for (const script of ["relay.ts", "peer_node.ts"]) {
      for (const args of [[word], ["--host", word, "0"], ["0", word, "0"]]) {
        const outcome = await runRole(script, args);
        written.push(outcome.text, ...outcome.stderr);
      }
    }
  }
  for (
    const args of [
      [keys.secretText],
      [keys.secretText, "1700"],
      ["--secret", keys.secretText, keys.secretText],
      ["--secret", keys.secretText, "--host", keys.secretText, "0"],
      ["--secret", `${keys.secretText}!`, "0"],
    ]
  ) {
    const outcome = await runRole("relay.ts", args);
    written.push(outcome.text, ...outcome.stderr);
  }
  const commandLines = await Promise.all(
    [relay.pid, node.pid].map(async (pid) => {
      const { stdout } = await new Deno.Command("cat", {
        args: [`/proc/${pid}/cmdline`],
      }).output();
      return new TextDecoder().decode(stdout);
    }),
  );
  node.signal("SIGTERM");
  await node.exitCode;
  relay.signal("SIGTERM");
  await relay.exitCode;
  for (const { stdout, stderr } of [relay, node]) {
    written.push(...stdout.all, ...stderr.all);
  }
  const key = (text: string) => text.split("-").at(-1)!.slice(0, 24);
  const { pass = "" } = parseLink(link);
  const secrets = {
    secret: keys.secretText.slice(0, 24),
    "node token": key(keys.tokens.node),
    "client token": key(keys.tokens.client),
  };
  return {
    written: written.join("\n"),
    commandLines,
    secrets,
    pass: pass.slice(50, 80),
    raw: keys.secret,
    saw: (words: string | Uint8Array) => recording.saw(words),
    bytes: recording.byteCount,
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
