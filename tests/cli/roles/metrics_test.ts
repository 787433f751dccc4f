/**
 * `--metrics` on roles that run as processes, read as a scraper would.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { runRoleHere } from "../../_here.ts";
import { Lines, ROOT, spawnRelay, spawnRole } from "../../e2e/_processes.ts";
import { readExposition, valueOf } from "../../_exposition.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";

const METRICS = /^metrics on (http:\/\/.*)\/metrics$/;

/** What a scraper gets from a role. */
async function scrape(url: string) {
  const answer = await fetch(`${url}/metrics`);
  assertEquals(answer.status, 200);
  assertEquals(
    answer.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  return readExposition(await answer.text());
}

async function health(url: string): Promise<[number, unknown]> {
  const answer = await fetch(`${url}/healthz`);
  return [answer.status, await answer.json()];
}

Deno.test("--metrics serves the counts of a relay and a node with the README's permissions, while a file is sent", async () => {
  await using share = await tempShare({
    "f": randomBytes(30_000_000, seededRandom(1)),
  });
  await using relay = await spawnRelay(["--metrics", "127.0.0.1:0", "0"]);
  const [, relayUrl = ""] = await relay.stdout.until(METRICS);
  assertEquals(await health(relayUrl), [200, { status: "ok", reasons: [] }]);
  await using node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "--metrics", "127.0.0.1:0"],
    ...["--limit-rate", "1M", relay.address, "0", share.path],
  ], { permissions: [`--allow-read=${share.path}`] });
  const [, nodeUrl = ""] = await node.stdout.until(METRICS);
  await node.stdout.until(/^registered/);
  assertEquals(await health(nodeUrl), [200, { status: "ok", reasons: [] }]);

  await using client = spawnRole("peer_client.ts", [
    relay.address,
    "cat",
    "f",
  ]);
  const sent: number[] = [0];
  while (sent.at(-1) === 0) {
    sent.push(valueOf(await scrape(nodeUrl), "relay_p2p_sent_bytes_total"));
  }
  assertEquals(
    sent.at(-1)! < 30_000_000,
    true,
    "in the middle of the transfer",
  );
  client.signal("SIGKILL");

  for (const [url, role] of [[relayUrl, "relay"], [nodeUrl, "node"]] as const) {
    const page = await fetch(`${url}/`);
    const type = page.headers.get("content-type");
    assertEquals([page.status, type], [200, "text/html; charset=utf-8"]);
    assertMatch(await page.text(), new RegExp(`<h1>relay-p2p <b>${role}</b>`));
    const style = await fetch(`${url}/status.css`);
    assertEquals(style.headers.get("content-type"), "text/css; charset=utf-8");
    assertMatch(await style.text(), /^:root \{/);
  }

  const ofRelay = await scrape(relayUrl);
  assertEquals(valueOf(ofRelay, "relay_p2p_leases"), 1);
  assertEquals(valueOf(ofRelay, "relay_p2p_lookups_total"), 1);
  const rss = valueOf(ofRelay, "process_resident_memory_bytes");
  assertEquals(rss > 10e6 && rss < 1e9, true, `${rss}`);
  assertEquals(valueOf(ofRelay, "process_cpu_seconds_total") > 0, true);
  const startedAt = valueOf(ofRelay, "process_start_time_seconds");
  assertEquals(Math.abs(Date.now() / 1000 - startedAt) < 600, true);
  assertEquals(ofRelay.has("process_open_fds"), false);

  await Deno.rename(share.path, `${share.path}-away`);
  const ill = await health(nodeUrl);
  await Deno.rename(`${share.path}-away`, share.path);
  assertEquals(ill, [503, {
    status: "degraded",
    reasons: ["share_unreadable"],
  }]);
});

Deno.test("--metrics counts open descriptors if that is allowed", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", `${ROOT}relay.ts`, "--host", "127.0.0.1"],
      ...["--metrics", "127.0.0.1:0", "0"],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const stdout = new Lines(child.stdout);
  try {
    const [, url = ""] = await stdout.until(METRICS);
    const open = async () => valueOf(await scrape(url), "process_open_fds");
    const before = await open();
    const { port } = new URL(url);
    // Several: one that is accepted may take the place of one that has ended.
    using conns = new DisposableStack();
    for (let n = 0; n < 6; n++) {
      const to = { hostname: "127.0.0.1", port: +port };
      conns.use(await Deno.connect(to));
    }
    assertEquals(before > 5 && before < 200, true, `${before}`);
    assertEquals(await open() > before, true);
  } finally {
    child.kill("SIGTERM");
    await Promise.all([child.status, stdout.ended]);
  }
});

Deno.test("--metrics warns if others can read it, and not on loopback", async () => {
  for (
    const [host, warns] of [["0.0.0.0", true], ["127.0.0.1", false]] as const
  ) {
    const args = ["--host", "127.0.0.1", "--metrics", `${host}:0`, "0"];
    const { code, stderr } = await runRoleHere("relay.ts", args, {
      until: /metrics on /,
    });
    assertEquals(code, 0);
    assertEquals(
      stderr.some((line) => /^warning: --metrics: /.test(line)),
      warns,
      stderr.join("\n"),
    );
  }
});

Deno.test("--metrics on a port that is taken ends with exit 8, and says so", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const at = `127.0.0.1:${taken.addr.port}`;
  const outcome = await runRoleHere("relay.ts", ["--metrics", at, "0"]);
  assertEquals(outcome.code, 8);
  assertMatch(
    outcome.stderr.at(-1) ?? "",
    new RegExp(`^error: Cannot listen \\(${at}\\): the port is in use`),
  );
  const wrong = await runRoleHere("relay.ts", ["--metrics", "9464", "0"]);
  assertEquals(wrong.code, 2);
});
