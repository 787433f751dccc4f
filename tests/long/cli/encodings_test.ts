/**
 * Text of the system that is not UTF-8 is told, and is never an internal error:
 * in variables, on the command line, in files, in names on the disk.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tempShare } from "../../_temp_share.ts";
import { ROOT } from "../../e2e/_processes.ts";

// What a shell makes of it is `caf`, and a byte that is no UTF-8.
const WORD = '"$(printf "caf\\351")"';
const UNUSED = "127.0.0.1 1";

for (
  const [what, before, words, code, says] of [
    [
      "the variable of an option",
      `RELAY_P2P_NAME=${WORD}`,
      `peer_node.ts ${UNUSED} 0 .`,
      2,
      "Cannot use RELAY_P2P_NAME: it is not UTF-8; set it in UTF-8, or give --name",
    ],
    [
      "the variable of a switch",
      `RELAY_P2P_PLAINTEXT=${WORD}`,
      "relay.ts 0",
      2,
      "Cannot use RELAY_P2P_PLAINTEXT: it is not UTF-8; set it in UTF-8, or give --plaintext",
    ],
    [
      "a variable that is read for the terminal",
      `TERM=${WORD} LANG=${WORD}`,
      `peer_client.ts ${UNUSED} ls`,
      3,
      "Cannot reach relay",
    ],
    [
      "the name of a file",
      "",
      `peer_client.ts ${UNUSED} cat ${WORD}`,
      2,
      "Cannot use argument \\(caf�\\): it is not UTF-8; give names in UTF-8",
    ],
    [
      "a folder that would be made",
      "",
      `relay.ts --state ${WORD} 0`,
      2,
      "Cannot use argument \\(caf�\\): it is not UTF-8",
    ],
    [
      "a configuration",
      "",
      `peer_client.ts --config bad ${UNUSED} ls`,
      8,
      "Cannot read configuration \\(bad\\): it is not text",
    ],
    [
      "the relays that are known",
      "",
      `peer_client.ts --known-relays bad ${UNUSED} ls`,
      8,
      "Cannot read known relays \\(bad, line 1\\)",
    ],
    [
      "a token",
      "",
      `peer_client.ts --token-file bad ${UNUSED} ls`,
      7,
      "Cannot use client token",
    ],
  ] as const
) {
  Deno.test(`Not UTF-8 is reported: ${what}`, async () => {
    await using folder = await tempShare({
      "bad": new Uint8Array([0x63, 0x61, 0x66, 0xe9]),
    });
    await Deno.chmod(join(folder.path, "bad"), 0o600);
    const deno = `'${Deno.execPath()}' run --no-prompt ` +
      "--allow-net --allow-env --allow-read=. --allow-write=.";
    const { code: ended, stderr } = await new Deno.Command("sh", {
      args: ["-c", `${before} ${deno} '${ROOT}'${words}`],
      cwd: folder.path,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stderr);
    assertMatch(text, new RegExp(`^error: ${says}`));
    assertEquals([ended, text.trimEnd().split("\n").length], [code, 1]);
    const names = await Array.fromAsync(Deno.readDir(folder.path));
    assertEquals(names.length, 1, "nothing is made");
  });
}
