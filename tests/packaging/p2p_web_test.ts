/**
 * `web` as a process that starts no browser. `tests/long/packaging/` has `p2p
 * web` with the real `xdg-open`.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { spawnRole } from "../e2e/_processes.ts";
import { relayHere } from "../_scenery.ts";

Deno.test("web serves the page if it may not start a browser, and reports that", async () => {
  await using relay = await relayHere();
  await using web = spawnRole("peer_client.ts", [relay.address, "web", "0"]);
  const [, url = ""] = await web.stderr.until(/^the gateway is at (\S+)$/);
  await web.stderr.until(
    /^could not start a browser: open that address yourself$/,
  );
  assertEquals((await (await fetch(`${url}healthz`)).text()).trim(), "ok");
});

Deno.test("web does not mistake another program for a gateway, and reports that the port is in use", async () => {
  await using relay = await relayHere();
  await using other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("ok\n"),
  );
  const port = String(other.addr.port);
  await using web = spawnRole("peer_client.ts", [relay.address, "web", port]);
  assertEquals(await web.exitCode, 8);
  assertMatch(web.stderr.all.join("\n"), /in use/);
});
