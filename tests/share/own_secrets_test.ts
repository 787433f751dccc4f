import { assertEquals } from "@std/assert";
import { formatToken, tokenOf } from "../../lib/access/token.ts";
import { createIdentity, formatIdentity } from "../../lib/identity/identity.ts";
import { isOwnSecret, mayHoldOwnSecret } from "../../lib/share/own_secrets.ts";

Deno.test("isOwnSecret recognises identities and tokens of this program, also between spaces", async () => {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const texts = [
    formatIdentity(await createIdentity()),
    formatToken(tokenOf(secret, "node")),
    formatToken(tokenOf(secret, "client")),
  ];
  for (const text of texts) {
    for (const written of [text, `${text}\n`, `\r\n ${text}\r\n\r\n`]) {
      assertEquals(isOwnSecret(written), true, written);
      assertEquals(mayHoldOwnSecret(written.length), true, written);
    }
  }
});

for (
  const [what, text] of [
    ["an empty file", ""],
    ["a certificate alone", certificateAlone()],
    ["a text about tokens", "a token is p2p-node- and forty characters more\n"],
    ["a token cut short", `p2p-node-${"a2".repeat(19)}`],
    ["two tokens", `p2p-node-${"a".repeat(40)} p2p-node-${"b".repeat(40)}`],
  ]
) {
  Deno.test(`isOwnSecret does not take ${what} for a secret`, () => {
    assertEquals(isOwnSecret(text!), false);
  });
}

Deno.test("mayHoldOwnSecret leaves most files unread", () => {
  const sizes = [0, 48, 65, 299, 2049, 4096, 2 ** 40];
  assertEquals(sizes.filter(mayHoldOwnSecret), []);
});

function certificateAlone(): string {
  const base64 = "A".repeat(64);
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}
