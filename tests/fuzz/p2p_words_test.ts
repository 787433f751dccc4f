/**
 * Where options stand among the words of a `p2p` command line changes nothing.
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseCommandLine } from "../../lib/cli/options/command_line.ts";
import { CLIENT, NODE, RELAY } from "../../lib/cli/options/command_table.ts";
import { planOf } from "../../packaging/p2p/plan.ts";
import { withVariables } from "../_here.ts";
import { around, ID, REMEMBERED } from "../packaging/_around.ts";
import { holds } from "./_runs.ts";

/** Options with values, and values that look like words of every other kind. */
const value = fc.constantFrom(
  ...["share", "get", "relay", "nas", "1700", "nas:1700", "a", "doctor", "."],
  `p2p://nas:1700/${ID}`,
);
const named = (name: string) =>
  fc.oneof(
    value.map((text) => [`--${name}`, text]),
    value.map((text) => [`--${name}=${text}`]),
  );
const switches = (...names: readonly string[]) =>
  names.map((name) => fc.constant([name]));
const optionsOf = {
  share: fc.oneof(
    ...["name", "state", "token-file", "exclude", "host"].map(named),
    fc.constantFrom(["--port", "1500"], ["--port=0"]),
    ...switches("--json", "-q", "--hidden", "--tunnel"),
  ),
  get: fc.oneof(
    ...["output", "node", "receipt", "config", "known-relays"].map(named),
    value.map((text) => ["-o", text]),
    value.map((text) => ["-vo", text]),
    ...switches("-v", "--overwrite", "--dry-run", "-q", "--json"),
  ),
  relay: fc.oneof(
    ...["name", "state", "secret-file", "advertise"].map(named),
    ...switches("--announce", "--no-announce", "--json", "--private"),
  ),
} as const;
const relay: fc.Arbitrary<readonly string[]> = fc.constantFrom(
  ...[[], ["nas", "1700"], ["vps:17"], ["[::1]:17"], [`p2p://nas:1700/${ID}`]],
);
const operands = {
  share: fc.array(fc.constantFrom("a", "b=c/d", "1700", "get"), {
    minLength: 1,
    maxLength: 3,
  }),
  get: fc.array(fc.constantFrom("a", "nas", "1700", "*.txt", "share"), {
    minLength: 1,
    maxLength: 3,
  }),
  relay: fc.constantFrom<readonly string[]>([], ["0"], ["1701"]),
} as const;
const SPECS = {
  "relay.ts": RELAY,
  "peer_node.ts": NODE,
  "peer_client.ts": CLIENT,
} as const;

/** What a plan comes to: the permissions, and the line as the script reads it. */
async function meaningOf(args: readonly string[], isRemembered: boolean) {
  const plan = await planOf(args, around(isRemembered ? REMEMBERED : undefined))
    .catch((error) => ({ refused: String(error) }));
  if ("refused" in plan) return plan;
  const { script, flags } = plan;
  const spec = SPECS[script as keyof typeof SPECS];
  const line = parseCommandLine(plan.args, spec);
  return {
    script,
    flags: flags.map((flag) => flag.split(/[=,]/).toSorted()),
    words: line.words,
    options: line.typed.map((name) =>
      [name, line.value(name) ?? line.isOn(name)] as const
    ),
  };
}

/** The words in their order, with options before, between and after them. */
function mixed(
  words: readonly string[],
  options: readonly (readonly string[])[],
  places: readonly number[],
): string[] {
  const gaps: string[][] = Array.from({ length: words.length + 1 }, () => []);
  options.forEach((option, at) =>
    gaps[(places[at] ?? 0) % gaps.length]!.push(...option)
  );
  return gaps.flatMap((gap, at) => [...gap, ...words.slice(at, at + 1)]);
}

for (const command of ["share", "get", "relay"] as const) {
  holds(
    `p2p ${command} means the same wherever its options stand, with a relay and without`,
    [
      command === "relay" ? fc.constant<readonly string[]>([]) : relay,
      operands[command],
      fc.uniqueArray(optionsOf[command], {
        maxLength: 5,
        selector: ([first = ""]) =>
          first.replace(/=.*/, "").replace(/^-v?o$/, "--output"),
      }),
      fc.array(fc.nat(20), { minLength: 5, maxLength: 5 }),
      fc.boolean(),
    ],
    async (
      relayWords: readonly string[],
      names: readonly string[],
      options: readonly (readonly string[])[],
      places: readonly number[],
      isRemembered: boolean,
    ) => {
      using _ = withVariables({});
      const words = [...relayWords, command, ...names];
      const canonical = await meaningOf([
        ...words,
        ...options.flat(),
      ], isRemembered);
      // Gaps keep the order of options, so lists of paths keep theirs too.
      const found = await meaningOf(
        mixed(words, options, places),
        isRemembered,
      );
      const sorted = (meaning: typeof found) =>
        "refused" in meaning ? meaning : {
          ...meaning,
          options: meaning.options.toSorted(([one], [other]) =>
            one < other ? -1 : 1
          ),
        };
      assertEquals(sorted(found), sorted(canonical));
      if (relayWords.length > 0 || isRemembered) {
        const isRead = "words" in found && found.words.length >= names.length;
        assertEquals(isRead, true, JSON.stringify(found));
      }
    },
    { runs: 150 },
  );
}
