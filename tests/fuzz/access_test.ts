/**
 * Tokens, grants and links: what is not as it was made is always refused.
 */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatGrant, openGrant } from "../../lib/access/grant.ts";
import { toBase64Url } from "../../lib/access/keys.ts";
import { formatLink, type Link, parseLink } from "../../lib/access/link.ts";
import { formatPass, openPass } from "../../lib/access/pass.ts";
import { parseSecret } from "../../lib/access/secret.ts";
import { formatToken, parseToken, tokenOf } from "../../lib/access/token.ts";
import { parseHost } from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import { safeName } from "../../lib/base/names.ts";
import { anyText, holds } from "./_runs.ts";

const secret = fc.uint8Array({ minLength: 16, maxLength: 64 });
const role = fc.constantFrom("node" as const, "client" as const);
const content = fc.uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => bytes.toHex());
const name = fc.oneof(anyText, fc.string({ minLength: 1, maxLength: 40 }))
  .filter((text) => safeName(text).kind === "safe")
  .map((text) => text.normalize("NFC"));
const expires = fc.integer({ min: 0, max: 0xffff_ffff });
const uses = fc.integer({ min: 0, max: 0xffff });
const serial = fc.uint8Array({ minLength: 12, maxLength: 12 }).map(toBase64Url);
const sender = fc.constantFrom(undefined, "a".repeat(16), "z27q".repeat(4));
const terms = fc.record({ content, expires, uses, serial });
const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map(parseHost),
  fc.constantFrom("nas.local", "a"),
);
const port = fc.integer({ min: 1, max: 65_535 });
const id = fc.constantFrom("a".repeat(52), `${"z27".repeat(17)}q`);
const relay = fc.record({ host, port, id });

/** Another text: cut, or with something in it replaced. */
const edit = fc.oneof(
  fc.record({ at: fc.nat(), cut: fc.constant(true) }),
  fc.record({
    at: fc.nat(),
    by: fc.oneof(fc.constantFrom("a", "B", "7", "-", "_", "/", "."), anyText),
    over: fc.nat(3),
  }),
);

type Edit = { at: number; cut: true } | {
  at: number;
  by: string;
  over: number;
};

function edited(text: string, how: Edit): string {
  const at = how.at % text.length;
  return "cut" in how
    ? text.slice(0, at)
    : text.slice(0, at) + how.by + text.slice(at + how.over);
}

holds(
  "Tokens come back as they were, and altered ones never",
  [secret, role, edit],
  (bytes, role, how) => {
    const token = tokenOf(bytes, role);
    const text = formatToken(token);
    assertEquals(parseToken(text, role), token);
    const other = edited(text, how as Edit);
    if (other.toLowerCase() === text) return;
    assertThrows(() => parseToken(other, role), Failure);
  },
);

holds(
  "Grants come back as they were, and altered ones never",
  [secret, terms, name, edit],
  (key, { content, expires, uses, serial }, name, how) => {
    const whole = { expires, content, uses, serial, fetch: "f", prefix: name };
    const text = formatGrant(whole, key);
    assertEquals(openGrant(text, [key]), whole);
    const other = edited(text, how as Edit);
    if (other !== text) assertEquals(openGrant(other, [key]), undefined);
  },
);

holds(
  "Passes come back as they were, and altered ones never",
  [secret, terms, name, edit],
  (key, terms, name, how) => {
    const text = formatPass(terms, { name, key });
    assertEquals(openPass(text, { name, keys: [key] })?.terms, terms);
    const other = edited(text, how as Edit);
    if (other === text) return;
    assertEquals(openPass(other, { name, keys: [key] }), undefined);
  },
);

holds(
  "Links come back as they were, and altered ones never",
  [relay, terms, name, fc.boolean(), sender, edit],
  (relay, terms, name, isOpen, sender, how) => {
    const pass = formatPass(terms, { name, key: new Uint8Array(32) });
    const link: Link = {
      relay,
      name,
      content: terms.content,
      ...(isOpen ? {} : { pass }),
      ...(sender === undefined ? {} : { sender }),
    };
    let text: string;
    try {
      text = formatLink(link);
    } catch (error) {
      assertEquals((error as Failure).kind, "usage"); // too long
      return;
    }
    assertEquals(parseLink(text), link);
    const other = edited(text, how as Edit);
    if (other !== text) assertThrows(() => parseLink(other), Failure);
  },
);

holds(
  "Any text is a secret, a token or a link, or refused",
  [anyText],
  (text) => {
    for (const parse of [parseSecret, parseLink, parseAsToken]) {
      try {
        parse(text);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
      }
    }
    assertEquals(openGrant(text, [new Uint8Array(32)]), undefined);
  },
);

function parseAsToken(text: string): void {
  parseToken(text, "client");
}
