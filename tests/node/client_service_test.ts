/**
 * What a node does for a client beyond what it answers: how much it looks at.
 */

import { assert, assertEquals } from "@std/assert";
import type { Grant } from "../../lib/access/grant.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import type { ClientToNode } from "../../lib/protocol/messages.ts";
import { serviceOf, TIMING } from "../_client_service.ts";

const FILES = { "a.txt": "abc", "empty": "", "other/empty": "" };

/** The last answers to questions within a grant, and the walks they took. */
async function asked(
  grant: Grant | undefined,
  questions: (contentOf: (name: string) => string) => ClientToNode[],
): Promise<{ answers: string[]; walkCount: number }> {
  await using stack = new AsyncDisposableStack();
  const { conn, client: service, share, digests, hash } = await serviceOf(
    FILES,
    stack,
  );
  await hash();
  const contentOf = (name: string) => {
    const file = share.named(name);
    assert(file !== undefined);
    return digests.of(file)!.content;
  };
  let walkCount = 0;
  const browse = share.browse.bind(share);
  share.browse = (prefix, after) => {
    walkCount++;
    return browse(prefix, after);
  };
  await using client = new Channel(conn, { ...TIMING, acceptsData: true });
  const served = service.run(grant);
  const answers: string[] = [];
  for (const question of questions(contentOf)) {
    await client.send(question);
    const answer = await client.receive(["files", "manifest", "refused"]);
    answers.push(
      answer?.kind === "files"
        ? answer.files.map(({ name }) => name).toSorted().join(" ")
        : answer?.kind === "refused"
        ? answer.code
        : answer?.kind ?? "nothing",
    );
  }
  await client.close();
  await served;
  return { answers, walkCount };
}

const BROWSE = { kind: "browse", request: 1, prefix: "" } as const;

Deno.test("A client with a grant for one file makes the node check only that file, whatever it asks", async () => {
  const grant = { expires: 2_000_000_000, prefix: "a.txt" };
  const { answers, walkCount } = await asked(grant, (contentOf) => [
    BROWSE,
    { ...BROWSE, prefix: "o" },
    // A content that is there under names outside the grant, and one inside.
    { kind: "describe", request: 1, of: contentOf("empty") },
    {
      kind: "read",
      request: 1,
      of: contentOf("empty"),
      first: 0,
      count: 1,
    },
    { kind: "describe", request: 1, of: contentOf("a.txt") },
  ]);
  assertEquals(answers, ["a.txt", "", "gone", "gone", "manifest"]);
  assertEquals(walkCount, 0);
});

Deno.test("A client with a grant for all files makes the node check each file once for each listing", async () => {
  const { answers, walkCount } = await asked(undefined, () => [BROWSE, BROWSE]);
  const all = "a.txt empty other/empty";
  assertEquals(answers, [all, all]);
  assertEquals(walkCount, 2);
});
