import { assert, assertEquals } from "@std/assert";
import { formatGrant, grantKeyOf, openGrant } from "../../lib/access/grant.ts";
import { NodeAccess } from "../../lib/access/node_access.ts";
import {
  type Caller,
  type Credentials,
  RelayAccess,
  type Secrets,
  type Visitor,
} from "../../lib/access/relay_access.ts";
import { proofOf, tokenOf, type TokenRole } from "../../lib/access/token.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { CONTENT, NAME, NODE_ID, RELAY_ID, SECRET } from "./_golden.ts";

const NEXT = SECRET.toReversed();
const HOUR = 3_600_000;
const UNIX_MS = 1_790_000_000_000;
const SERIAL = "AAECAwQFBgcICQoL";

/** Members by the old secret and by the new one. */
const OLD: Visitor = { kind: "member", secret: SECRET };
const NEW: Visitor = { kind: "member", secret: NEXT };

const at = (now: number) => ({ now, unixMs: UNIX_MS + now });

function caller(role: TokenRole = "client", source = "192.0.2.7"): Caller {
  return { role, source, relayId: RELAY_ID, nonce: "AAECAw==" };
}

function proof(secret: Uint8Array, role: TokenRole = "client"): Credentials {
  const token = tokenOf(secret, role);
  return { kind: "authenticate", proof: proofOf(token, caller(role)) };
}

function open(secrets: Secrets = { current: SECRET }): RelayAccess {
  return new RelayAccess(secrets, { limits: LIMITS, now: 0 });
}

function outcome(
  access: RelayAccess,
  credentials: Credentials | undefined,
  now = 0,
  who = caller(),
): string {
  const verdict = access.admit(credentials, who, at(now));
  return verdict.kind === "admitted" ? verdict.visitor.kind : verdict.code;
}

Deno.test("A relay admits only peers that prove the token of their role", () => {
  const access = open();
  assertEquals(outcome(access, proof(SECRET)), "member");
  const node = proof(SECRET, "node");
  assertEquals(outcome(access, node, 0, caller("node")), "member");
  assertEquals(outcome(access, node), "unauthorized");
  assertEquals(outcome(access, undefined), "unauthorized");
  assertEquals(outcome(access, proof(NEXT)), "unauthorized");
});

Deno.test("A relay ignores proofs after five failures, right or wrong", () => {
  const access = open();
  for (let n = 0; n < LIMITS.proofFailureCount; n++) {
    assertEquals(outcome(access, proof(NEXT), n), "unauthorized");
  }
  assertEquals(outcome(access, proof(SECRET), 5), "too_many_failures");
  const elsewhere = caller("client", "192.0.2.8");
  assertEquals(outcome(access, proof(SECRET), 5, elsewhere), "member");
  assertEquals(outcome(access, proof(SECRET), 60_004), "member");
});

Deno.test("Both secrets are accepted until the overlap ends", () => {
  const previous = { secret: SECRET, overlapMs: HOUR };
  const access = open({ current: NEXT, previous });
  assertEquals(outcome(access, proof(SECRET), HOUR - 1), "member");
  assertEquals(outcome(access, proof(NEXT), HOUR - 1), "member");
  assertEquals(access.grantKeys(NODE_ID, HOUR - 1).length, 2);
  assertEquals(outcome(access, proof(SECRET), HOUR), "unauthorized");
  assertEquals(outcome(access, proof(NEXT), HOUR), "member");
  assertEquals(access.grantKeys(NODE_ID, HOUR).length, 1);
});

/** What a node that registered at some time makes of a grant of another time. */
function nodeThatRegistered(access: RelayAccess, now: number): NodeAccess {
  const node = new NodeAccess(LIMITS);
  const keys = access.grantKeys(NODE_ID, now);
  node.setKeys(keys.map((key) => ({ key: Uint8Array.fromBase64(key) })));
  return node;
}

function granted(
  access: RelayAccess,
  now: number,
  visitor: Visitor = OLD,
): string {
  return access.granter(visitor, at(now))(NODE_ID);
}

Deno.test("A change of secret while running: no node that is listed refuses a grant, before or after it renews", () => {
  const access = open();
  const before = nodeThatRegistered(access, 1_000);
  const oldGrant = granted(access, 1_000);
  access.replace({
    current: NEXT,
    previous: { secret: SECRET, overlapMs: 24 * HOUR },
  }, 2_000);
  const after = nodeThatRegistered(access, 3_000);
  assertEquals(after.admit(oldGrant, "a", at(3_000)).kind, "admitted");
  for (const member of [OLD, NEW]) {
    const during = granted(access, 3_000, member);
    assertEquals(before.admit(during, "a", at(3_000)).kind, "admitted");
    assertEquals(after.admit(during, "a", at(3_000)).kind, "admitted");
  }
  // By now all have renewed.
  const later = 2_000 + LIMITS.leaseMaxSeconds * 1_000;
  assertEquals(
    before.admit(granted(access, later - 1, NEW), "a", at(0)).kind,
    "admitted",
  );
  assertEquals(
    before.admit(granted(access, later, NEW), "a", at(0)).kind,
    "refused",
  );
  for (const member of [OLD, NEW]) {
    assertEquals(
      after.admit(granted(access, later, member), "a", at(0)).kind,
      "admitted",
    );
  }
});

Deno.test("Grants and links that an ex-member asks for during the overlap end with the old secret", () => {
  const access = open();
  const end = HOUR / 2; // before the link expires
  const previous = { secret: SECRET, overlapMs: end };
  access.replace({ current: NEXT, previous }, 0);
  const last = end - 1;
  const pass = minted(access, 1, OLD);
  const grant = granted(access, last);
  const isAdmitted = (now: number) =>
    nodeThatRegistered(access, now).admit(grant, "a", at(now)).kind;
  assertEquals(isAdmitted(last), "admitted");
  assertEquals(outcome(access, redeem(pass), last), "guest");
  assertEquals(isAdmitted(end), "refused");
  assertEquals(outcome(access, redeem(pass), end), "unauthorized");
  const renewed = minted(access, 1, NEW);
  assertEquals(outcome(access, redeem(renewed), end), "guest");
  // Asked before the end, answered after it.
  const late = nodeThatRegistered(access, end);
  assertEquals(
    late.admit(granted(access, end), "b", at(end)).kind,
    "refused",
  );
});

Deno.test("Secrets that are read again and have not changed keep their time", () => {
  const access = open();
  const secrets = {
    current: NEXT,
    previous: { secret: SECRET, overlapMs: HOUR },
  };
  access.replace(secrets, 0);
  access.replace(secrets, HOUR - 1);
  assertEquals(outcome(access, proof(SECRET), HOUR), "unauthorized");
  assertEquals(outcome(access, proof(NEXT), HOUR), "member");
  access.replace(secrets, HOUR);
  assertEquals(outcome(access, proof(SECRET), HOUR + 1), "unauthorized");
});

Deno.test("A peer admitted by a replaced secret may not stay", () => {
  const access = open();
  const admitted = (credentials: Credentials) => {
    const verdict = access.admit(credentials, caller(), at(0));
    assert(verdict.kind === "admitted");
    return verdict.visitor;
  };
  const before = [admitted(proof(SECRET)), admitted(redeem(minted(access)))];
  const previous = { secret: SECRET, overlapMs: HOUR };
  access.replace({ current: NEXT, previous }, 0);
  const after = admitted(proof(NEXT));
  for (const now of [HOUR - 1, HOUR]) {
    for (const visitor of before) {
      assertEquals(access.isInForce(visitor, now), now < HOUR);
    }
  }
  assertEquals(access.isInForce(after, HOUR), true);
});

Deno.test("A secret replaced without an overlap is invalid at once", () => {
  const access = open();
  const pass = minted(access);
  access.replace({ current: NEXT }, 1_000);
  assertEquals(outcome(access, proof(SECRET), 1_000), "unauthorized");
  assertEquals(outcome(access, redeem(pass), 1_000), "unauthorized");
  const node = nodeThatRegistered(access, 1_000);
  assertEquals(
    node.admit(granted(access, 1_000, NEW), "a", at(1_000)).kind,
    "admitted",
  );
});

function minted(access: RelayAccess, uses = 1, visitor = OLD): string {
  const outcome = access.mint(
    {
      name: NAME,
      content: CONTENT,
      expiresSeconds: 3_600,
      uses,
    },
    { serial: SERIAL, visitor },
    { unixMs: UNIX_MS },
  );
  assert(outcome.kind === "minted");
  return outcome.pass;
}

function redeem(
  pass: string,
  { name = NAME, fetch = "first" } = {},
): Credentials {
  return { kind: "redeem", pass, name, fetch };
}

Deno.test("A link is valid for its fetches, and the same fetch again is the same use", () => {
  const access = open();
  const pass = minted(access, 2);
  assertEquals(outcome(access, redeem(pass)), "guest");
  assertEquals(outcome(access, redeem(pass)), "guest");
  assertEquals(outcome(access, redeem(pass, { fetch: "second" })), "guest");
  assertEquals(outcome(access, redeem(pass, { fetch: "third" })), "used_up");
  assertEquals(outcome(access, redeem(pass)), "guest");
});

for (const overlapMs of [undefined, HOUR / 2]) {
  const when = overlapMs === undefined ? "at once" : "after its overlap";
  Deno.test(`A secret that is replaced frees the places of its used links, ${when}`, () => {
    const limits = { ...LIMITS, linkUseCount: 2 };
    const access = new RelayAccess({ current: SECRET }, { limits, now: 0 });
    const old = minted(access, 2, OLD);
    for (const fetch of ["a", "b"]) {
      assertEquals(outcome(access, redeem(old, { fetch })), "guest");
    }
    const previous = overlapMs && { secret: SECRET, overlapMs };
    access.replace({ current: NEXT, ...previous && { previous } }, 0);
    const link = redeem(minted(access, 1, NEW));
    const end = overlapMs ?? 0;
    if (end > 0) {
      assertEquals(outcome(access, link, end - 1), "too_many_uses");
      assertEquals(outcome(access, redeem(old, { fetch: "c" }), 0), "used_up");
    }
    assertEquals(outcome(access, link, end), "guest");
    const again = redeem(minted(access, 1, NEW), { fetch: "b" });
    assertEquals(outcome(access, again, end), "used_up");
  });
}

Deno.test("A node that gets new keys in place of old ones has places for links again", () => {
  const node = new NodeAccess({ ...LIMITS, linkUseCount: 1 });
  const keys = [SECRET, NEXT].map((secret) => grantKeyOf(secret, NODE_ID));
  const [old, next] = keys as [Uint8Array, Uint8Array];
  const show = (fetch: string, key: Uint8Array) =>
    node.admit(
      formatGrant({
        expires: UNIX_MS / 1_000 + 60,
        prefix: NAME,
        content: CONTENT,
        serial: SERIAL,
        uses: 9,
        fetch: fetch.repeat(22),
      }, key),
      "a",
      at(0),
    );
  node.setKeys([{ key: old }]);
  assertEquals(show("a", old).kind, "admitted");
  for (const given of [[old], [next, old]]) {
    node.setKeys(given.map((key) => ({ key })));
    assertEquals(show("b", old).kind, "refused");
  }
  node.setKeys([{ key: next }]);
  assertEquals(show("b", next).kind, "admitted");
});

Deno.test("A link ends at its second", () => {
  const access = open();
  const pass = minted(access);
  assertEquals(outcome(access, redeem(pass), HOUR - 1), "guest");
  assertEquals(outcome(access, redeem(pass), HOUR), "expired");
});

Deno.test("A link is refused for another name, altered, to a node, and counts as a failure", () => {
  const access = open();
  const pass = minted(access);
  const name = "photos/other.jpg";
  assertEquals(outcome(access, redeem(pass, { name })), "unauthorized");
  const altered = pass.slice(0, -1) + (pass.endsWith("A") ? "B" : "A");
  assertEquals(outcome(access, redeem(altered)), "unauthorized");
  assertEquals(
    outcome(access, redeem(pass), 0, caller("node")),
    "unauthorized",
  );
  assertEquals(outcome(access, redeem("")), "unauthorized");
  assertEquals(outcome(access, redeem("x")), "unauthorized");
  assertEquals(outcome(access, redeem(pass)), "too_many_failures");
});

Deno.test("A guest's grants are only for that name, content, serial and fetch, and end with the link", () => {
  const access = open();
  const verdict = access.admit(redeem(minted(access)), caller(), at(1_000));
  assert(verdict.kind === "admitted");
  const text = access.granter(verdict.visitor, at(1_000))(NODE_ID);
  assertEquals(openGrant(text, [grantKeyOf(SECRET, NODE_ID)]), {
    expires: UNIX_MS / 1_000 + 3_600,
    prefix: NAME,
    content: CONTENT,
    serial: SERIAL,
    uses: 1,
    fetch: "first",
  });
  const member = access.granter({ kind: "member", secret: SECRET }, at(1_000))(
    NODE_ID,
  );
  assertEquals(openGrant(member, [grantKeyOf(SECRET, NODE_ID)]), {
    expires: UNIX_MS / 1_000 + 1 + LIMITS.grantSeconds,
  });
});

const REQUEST = { name: "a", content: CONTENT, expiresSeconds: 1, uses: 1 };
const OUT_OF_BOUNDS: readonly [string, Partial<typeof REQUEST>][] = [
  ["a name that no file has", { name: "../a" }],
  ["a name that is not in its normal form", { name: "e\u0301" }],
  ["a content that is none", { content: "x" }],
  ["31 days", { expiresSeconds: LIMITS.linkSeconds + 1 }],
  ["1,001 uses", { uses: LIMITS.linkUsesCount + 1 }],
];

for (const [what, part] of OUT_OF_BOUNDS) {
  Deno.test(`A relay makes no link for ${what}`, () => {
    const request = { ...REQUEST, ...part };
    const from = [
      { serial: SERIAL, visitor: OLD },
      { unixMs: UNIX_MS },
    ] as const;
    assertEquals(open().mint(request, ...from).kind, "refused");
    const most = {
      expiresSeconds: LIMITS.linkSeconds,
      uses: LIMITS.linkUsesCount,
    };
    assertEquals(open().mint({ ...REQUEST, ...most }, ...from).kind, "minted");
  });
}

const KEY = grantKeyOf(SECRET, NODE_ID);

function node(): NodeAccess {
  const access = new NodeAccess(LIMITS);
  access.setKeys([{ key: KEY }]);
  return access;
}

Deno.test("A node serves nobody before it has keys, and nobody without a grant", () => {
  const text = formatGrant({ expires: UNIX_MS / 1_000 }, KEY);
  const access = new NodeAccess(LIMITS);
  const code = (grant: string | undefined) => {
    const verdict = access.admit(grant, "a", at(0));
    return verdict.kind === "refused" ? verdict.code : verdict.kind;
  };
  for (let n = 0; n < 10; n++) assertEquals(code(text), "unauthorized");
  access.setKeys([{ key: KEY }]);
  assertEquals(code(text), "admitted");
  assertEquals(code("x.y"), "unauthorized");
  assertEquals(code(undefined), "unauthorized");
  assertEquals(code(text.slice(1)), "unauthorized");
  assertEquals(code("."), "unauthorized");
  assertEquals(code(""), "unauthorized");
  assertEquals(code(text), "too_many_failures");
});

Deno.test("A node accepts a grant for five minutes more, because clocks differ", () => {
  const text = formatGrant({ expires: UNIX_MS / 1_000 }, KEY);
  const { clockToleranceMs } = LIMITS;
  assertEquals(node().admit(text, "a", at(clockToleranceMs)).kind, "admitted");
  const late = node().admit(text, "a", at(clockToleranceMs + 1));
  assertEquals(late.kind === "refused" && late.code, "expired");
});

Deno.test("A node ends each grant by the clock of the relay that gave its key", () => {
  const { clockToleranceMs } = LIMITS;
  const other = grantKeyOf(NEXT, NODE_ID);
  const access = new NodeAccess(LIMITS);
  access.setKeys([
    { key: KEY, zeroUnixMs: UNIX_MS },
    { key: other, zeroUnixMs: UNIX_MS + HOUR },
  ]);
  const code = (key: Uint8Array, now: number, ownAheadMs: number) => {
    const text = formatGrant({ expires: UNIX_MS / 1_000 }, key);
    const unixMs = UNIX_MS + now + ownAheadMs;
    const verdict = access.admit(text, "a", { now, unixMs });
    return verdict.kind === "refused" ? verdict.code : verdict.kind;
  };
  for (const ownAheadMs of [-HOUR, 0, HOUR]) {
    assertEquals(code(KEY, clockToleranceMs, ownAheadMs), "admitted");
    assertEquals(code(KEY, clockToleranceMs + 1, ownAheadMs), "expired");
    assertEquals(code(other, 0, ownAheadMs), "expired");
  }
});

Deno.test("A node counts the fetches of a link by itself", () => {
  const access = node();
  const grant = (fetch: string) =>
    formatGrant({
      expires: UNIX_MS / 1_000,
      prefix: "a",
      content: CONTENT,
      serial: SERIAL,
      uses: 1,
      fetch,
    }, KEY);
  assertEquals(access.admit(grant("first"), "a", at(0)).kind, "admitted");
  assertEquals(access.admit(grant("first"), "b", at(0)).kind, "admitted");
  const second = access.admit(grant("second"), "a", at(0));
  assertEquals(second.kind === "refused" && second.code, "used_up");
});
