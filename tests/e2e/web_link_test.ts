/**
 * Links for a browser: `--web` prints the address, and a gateway opens it.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { serveGateway } from "../../lib/gateway/server.ts";
import { gatewayUrl } from "../../lib/cli/options/values.ts";
import { Failure } from "../../lib/base/errors.ts";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, type RelayHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { spawnRole } from "./_processes.ts";

const CONTENT = "Dear reader\n";

function gatewayAt(relay: RelayHere) {
  return serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
  });
}

/** Presses the button of the page that the address shows. */
async function press(address: string): Promise<Response> {
  const url = new URL(address);
  assertEquals([url.pathname, url.search], ["/link", ""]);
  const [, link = ""] = /^#(.+),size=\d+$/.exec(url.hash) ?? [];
  return await fetch(new URL("api/link/open", url), {
    method: "POST",
    body: new URLSearchParams({ link }),
  });
}

Deno.test("link --web prints the address of a gateway with the link after its #, and the gateway opens it", async () => {
  await using share = await tempShare({ "a/it's ü.txt": CONTENT });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  await using gateway = await gatewayAt(relay);
  const at = gateway.url.slice(0, -1); // a slash at its end may be left out
  const words = [relay.address, "link", "a/it's ü.txt", "--web"];
  const made = await runRoleHere("peer_client.ts", [
    ...[...words, "--gateway-url", at],
  ]);
  assertEquals(made.code, 0, made.stderr.join("\n"));
  assertMatch(
    made.text,
    new RegExp(`^${gateway.url}link#p2p://\\S+,size=12\n$`),
  );
  assertMatch(
    made.stderr.join("\n"),
    /give the address at which others reach the gateway/,
  );
  const answer = await press(made.text.trim());
  assertEquals([answer.status, await answer.text()], [200, CONTENT]);

  // The gateway from the environment, and both forms for a program.
  const reported = await runRoleHere("peer_client.ts", ["--json", ...words], {
    env: { RELAY_P2P_GATEWAY_URL: "http://192.0.2.7:8080/p2p" },
  });
  const { url, link } = reported.text.trim().split("\n")
    .map((line) => JSON.parse(line))
    .find(({ event }) => event === "link_made");
  assertEquals(url, `http://192.0.2.7:8080/p2p/link#${link},size=12`);
  const clear = await runRoleHere("peer_client.ts", [
    ...[...words, "--gateway-url", "http://192.0.2.7:8080/p2p"],
  ]);
  assertMatch(
    clear.stderr.join("\n"),
    /no encryption: anyone on the network path/,
  );
});

Deno.test("send --web ends when a browser has the file", async () => {
  await using source = await tempShare({ "letter.txt": CONTENT });
  await using relay = await relayHere();
  await using gateway = await gatewayAt(relay);
  const path = join(source.path, "letter.txt");
  await using sender = spawnRole("peer_client.ts", [
    ...[relay.address, "send", "--host", "127.0.0.1", path],
    ...["--web", "--gateway-url", gateway.url],
  ], { permissions: [`--allow-read=${path}`] });
  const [address] = await sender.stdout.until(/^http:\S+$/);
  const answer = await press(address);
  assertEquals([answer.status, await answer.text()], [200, CONTENT]);
  assertEquals(await within(sender.exitCode, "the sender"), 0);
  assertMatch(
    sender.stderr.all.join("\n"),
    /the other side opens the address in a browser; this ends after one fetch/,
  );
});

for (
  const [text, wanted] of [
    ["https://files.example.org", "https://files.example.org/"],
    ["HTTP://[::1]:8080", "http://[::1]:8080/"],
    ["https://example.org/p2p", "https://example.org/p2p/"],
    ["files.example.org", undefined],
    ["javascript:alert(1)", undefined],
    ["ftp://example.org/", undefined],
    ["https://me:secret@example.org/", undefined],
    ["https://example.org/?a", undefined],
    ["https://example.org/#a", undefined],
    ["https://", undefined],
  ] as const
) {
  Deno.test(`--gateway-url ${text} is ${wanted ?? "no address of a gateway"}`, () => {
    let found: string | undefined;
    try {
      found = gatewayUrl(text, "gateway-url");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      assertMatch(error.message, /^Cannot use --gateway-url \(/);
    }
    assertEquals(found, wanted);
  });
}
