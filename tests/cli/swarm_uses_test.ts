/** What people get wrong about a swarm, as they type it: one line, code 2. */

import { assertEquals } from "@std/assert";
import { runRoleHere } from "../_here.ts";

const WITHOUT =
  "without --swarm nothing is sent to other clients; add --swarm, or omit this option";

for (
  const [words, line] of [
    [
      "cat 1.txt --swarm",
      "Cannot use option (--swarm): cat does not use it; use it with get, doctor",
    ],
    [
      "ls --linger 1m",
      "Cannot use option (--linger): ls does not use it; use it with get",
    ],
    [
      "get 1.txt -o - --swarm",
      "Cannot use --swarm: with -o - nothing is saved",
    ],
    [
      "get 1.txt -o - --linger 1m",
      "Cannot use --linger: with -o - nothing is saved",
    ],
    [
      "get 1.txt --limit-upload 2M",
      `Cannot use option (--limit-upload): ${WITHOUT}`,
    ],
    ["get 1.txt --linger 0", `Cannot use option (--linger): ${WITHOUT}`],
    [
      "get 1.txt --swarm --linger 30",
      "Cannot use --linger (30): wanted a time, such as 90s, 30m, 24h or 7d",
    ],
    [
      "get 1.txt --swarm --limit-upload much",
      "Cannot use --limit-upload (much): wanted bytes per second, such as 500K, 20M or 1G",
    ],
  ] as const
) {
  Deno.test(`A wrong use of a swarm is reported before any request: ${words}`, async () => {
    const args = ["--quiet", "127.0.0.1", "1", ...words.split(" ")];
    const { code, text, stderr } = await runRoleHere("peer_client.ts", args);
    assertEquals([code, text, stderr], [2, "", [`error: ${line}`]]);
  });
}
