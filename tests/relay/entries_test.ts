import { assertEquals, assertLess } from "@std/assert";
import { Entries } from "../../lib/relay/entries.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import {
  openRegistration,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";

for (const name of ["", "plain", 'a "quoted" \\ name', "büro \u{1f5a5}"]) {
  Deno.test(`Entries returns the record of a node named ${JSON.stringify(name)}, and stores it in few bytes`, async () => {
    const entries = await Entries.of(await createIdentity());
    const identity = await createIdentity();
    const signed = await signRegistration({
      purpose: "register",
      relay: identity.id,
      nonce: "n",
      instance: "instance",
      sequence: 7,
      name,
      addresses: [{ host: "192.0.2.1", port: 1 }],
    }, identity);
    const bare = entries.pack({ signed, observed: [] }).entry;
    assertEquals(JSON.parse(entries.listed(bare)), { ...signed });
    const { entry, listedBytes } = entries.pack({ signed, observed: [0, 2] });
    const observed = { ...signed, observed: [0, 2] };
    assertEquals(JSON.parse(entries.listed(entry)), observed);
    const listed = entries.listed(entry, { tunnel: true });
    assertEquals(JSON.parse(listed), { ...observed, tunnel: true });
    assertEquals(new TextEncoder().encode(listed).length, listedBytes);
    assertLess(entry.length, listedBytes * 0.6);
    assertEquals(entries.nameIn(entry), name);
    assertEquals(
      await openRegistration(signed),
      { kind: "opened", registration: entries.registrationIn(entry) },
    );
  });
}
