import { assert, assertEquals, assertRejects } from "@std/assert";
import { describeCause, ProtocolError } from "../../lib/base/errors.ts";
import { dial } from "../../lib/transport/dial.ts";
import { whyNotSecured } from "../../lib/transport/learn.ts";

const AT = { host: "nas.invalid", port: 1 };

for (const code of ["EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED"]) {
  Deno.test(`A failed look-up or connection is not blamed on the program there: ${code}`, () => {
    const error = Object.assign(new Error("x"), { code });
    assertEquals(whyNotSecured(error, AT), error);
  });
}

Deno.test("A failed handshake is blamed on the program there", () => {
  const code = "ERR_SSL_WRONG_VERSION_NUMBER";
  const error = Object.assign(new Error("x"), { code });
  const found = whyNotSecured(error, AT);
  assert(found instanceof ProtocolError && found.code === "wrong_service");
});

Deno.test("dial says that a host name cannot be found, and not only Error", async () => {
  // Too long for a label of DNS: no server is asked.
  const host = `${"x".repeat(70)}.invalid`;
  const error = await assertRejects(() =>
    dial({ host, port: 1 }, { peer: null, timeoutMs: 30_000 })
  );
  assertEquals(describeCause(error), "no such host name");
});
