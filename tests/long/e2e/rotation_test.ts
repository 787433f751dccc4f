/**
 * The secret of a private relay is changed while an ex-member is connected with
 * everything: the relay and its clients are processes, with renewals and grants
 * that are short.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import type { Limits } from "../../../lib/base/limits.ts";
import { runRoleHere } from "../../_here.ts";
import { randomBytes } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";
import {
  type Keys,
  makeKeys,
  privateNodeHere,
  writeSecret,
} from "../../e2e/_private.ts";
import {
  type RoleProcess,
  spawnRelay,
  spawnRole,
} from "../../e2e/_processes.ts";

const THROUGH = "tests/_limited_role.ts";
/** Minutes, at the rate of the clients. */
const BIG_BYTES = 16 * 1024 ** 2;

/** A relay, a node that is dialled, and one behind a tunnel. */
async function startAll(
  { keys, limits, relayArgs }: {
    keys: Keys;
    limits: Partial<Limits>;
    relayArgs: readonly string[];
  },
) {
  await using stack = new AsyncDisposableStack();
  const options = {
    through: THROUGH,
    permissions: [`--allow-read=${keys.folder}`],
  };
  const given = `--limits=${JSON.stringify(limits)}`;
  const relay = stack.use(
    await spawnRelay(
      [given, "--secret-file", keys.secretFile, ...relayArgs, "0"],
      options,
    ),
  );
  const shares: string[] = [];
  for (
    const [name, tunnels] of [
      ["dialled", "auto"],
      ["tunnelled", "always"],
    ] as const
  ) {
    const share = stack.use(await tempShare({ [`${name}.txt`]: "small" }));
    shares.push(share.path);
    const big = randomBytes(BIG_BYTES, Math.random);
    await Deno.writeFile(join(share.path, `${name}.bin`), big);
    stack.use(
      await privateNodeHere(keys, relay, share.path, { limits, tunnels }),
    );
  }
  const owned = stack.move();
  return {
    relay,
    shares,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A client that fetches for minutes, once its first bytes are on the disk. */
async function fetching(
  { keys, relay, into, name }: {
    keys: Keys;
    relay: string;
    into: string;
    name: string;
  },
): Promise<RoleProcess> {
  const client = spawnRole("peer_client.ts", [
    ...["--token-file", keys.tokenFiles.client, relay, "get", name],
    ...["--limit-rate", "64K", "--json", "-o", `${into}/`],
  ], {
    permissions: [
      `--allow-read=${keys.folder},${into}`,
      `--allow-write=${into}`,
    ],
  });
  await client.stdout.until(/"event":"progress"/);
  return client;
}

for (
  const [what, limits, overlap] of [
    [
      "which its relay announces to nodes with their next renewal",
      { renewSeconds: 1, renewMinSeconds: 1 },
      ["--overlap", "3s"],
    ],
    [
      "at a relay from which its nodes receive nothing more, after the hour of its grants",
      { renewSeconds: 1, renewMinSeconds: 1, grantSeconds: 6 },
      [],
    ],
  ] as const
) {
  Deno.test(`An ex-member that holds a connection to the relay, to a node and through a tunnel gets nothing new after the secret was changed, ${what}`, async () => {
    await using keys = await makeKeys();
    await using next = await makeKeys();
    const previous = join(keys.folder, "previous");
    await writeSecret(previous, (await makeKeys()).secretText);
    await using all = await startAll({
      keys,
      limits,
      relayArgs: overlap.length === 0
        ? []
        : ["--previous-secret-file", previous, ...overlap],
    });
    const relay = all.relay.address;
    await using into = await tempShare();
    await using waiting = spawnRole("peer_client.ts", [
      ...["--token-file", keys.tokenFiles.client, relay, "get", "new.txt"],
      ...["--wait", "1h", "-o", `${into.path}/`],
    ], {
      permissions: [
        `--allow-read=${keys.folder},${into.path}`,
        `--allow-write=${into.path}`,
      ],
    });
    const place = { keys, relay, into: into.path };
    await using direct = await fetching({ ...place, name: "dialled.bin" });
    await using tunnelled = await fetching({ ...place, name: "tunnelled.bin" });
    assert(tunnelled.stdout.all.some((line) => /tunnel/.test(line)));
    await writeSecret(previous, keys.secretText);
    await writeSecret(keys.secretFile, next.secretText);
    all.relay.signal("SIGHUP");
    await all.relay.stderr.until(/^secrets read again$/);
    const codes = await Promise.all(
      [direct, tunnelled, waiting].map(({ exitCode }) => exitCode),
    );
    for (const [n, code] of codes.entries()) assertNotEquals(code, 0, `${n}`);
    for (const share of all.shares) {
      await Deno.writeTextFile(join(share, "new.txt"), "not for them");
    }
    for (const name of ["new.txt", "dialled.txt", "tunnelled.txt"]) {
      const { code } = await runRoleHere("peer_client.ts", [
        ...["--token-file", keys.tokenFiles.client, relay, "cat", name],
      ]);
      assertEquals(code, 7, name);
    }
    for (const name of ["new.txt", "dialled.bin", "tunnelled.bin"]) {
      const saved = await Deno.stat(join(into.path, name)).catch(() => null);
      assertEquals(saved, null, name);
    }
  });
}
