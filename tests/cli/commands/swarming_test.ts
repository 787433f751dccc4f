/** What a command line sets of a swarm, and the words about giving. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  gaveInWords,
  servingInWords,
  swarmOptions,
} from "../../../lib/cli/commands/swarming.ts";
import { parseCommandLine } from "../../../lib/cli/options/command_line.ts";
import { CLIENT } from "../../../lib/cli/options/command_table.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { LIMITS } from "../../../lib/base/limits.ts";

const AT_TERMINAL = { showsStatus: true };
const IN_SCRIPT = { showsStatus: false };

/** The options of a swarm in a line, and in a configuration file. */
function optionsOf(
  words: string,
  terminal: { showsStatus: boolean },
  settings: Record<string, string | boolean> = {},
) {
  const args = ["nas", "1700", "get", "x", ...words.split(" ")];
  const line = parseCommandLine(
    args,
    CLIENT,
    new Map(Object.entries(settings)),
  );
  return swarmOptions(line, terminal);
}

Deno.test("get --swarm lingers swarmLingerMs at a terminal, and not at all in a script", () => {
  assertEquals(optionsOf("--swarm", AT_TERMINAL), {
    lingerMs: LIMITS.swarmLingerMs,
  });
  assertEquals(optionsOf("--swarm", IN_SCRIPT), { lingerMs: 0 });
});

for (
  const [words, lingerMs] of [
    ["--linger 10m", 600_000],
    ["--linger 45s", 45_000],
    ["--linger 0", 0],
    ["--linger 0s", 0],
  ] as const
) {
  Deno.test(`get --swarm takes ${words}, at a terminal and in a script`, () => {
    for (const terminal of [AT_TERMINAL, IN_SCRIPT]) {
      assertEquals(optionsOf(`--swarm ${words}`, terminal), { lingerMs });
    }
  });
}

Deno.test("get --swarm takes its limit from the command line, and all its options from a configuration file", () => {
  assertEquals(optionsOf("--swarm --limit-upload 2M", IN_SCRIPT), {
    limitUpload: 2_000_000,
    lingerMs: 0,
  });
  const settings = { swarm: true, "limit-upload": "500K", linger: "5m" };
  assertEquals(optionsOf("--quiet", IN_SCRIPT, settings), {
    limitUpload: 500_000,
    lingerMs: 300_000,
  });
});

Deno.test("get refuses typed options of a swarm without --swarm, and ignores them in a configuration file", () => {
  for (const words of ["--linger 1m", "--limit-upload 1M"]) {
    const error = assertThrows(() => optionsOf(words, AT_TERMINAL), Failure);
    assertEquals(error.kind, "usage");
  }
  const settings = { linger: "1m", "limit-upload": "1M" };
  assertEquals(optionsOf("--quiet", AT_TERMINAL, settings), undefined);
});

for (
  const [readers, leftMs, words] of [
    [3, 27_000, "serving 3 machines for up to 0:27, Ctrl-C ends it"],
    [1, 600_000, "serving 1 machine for up to 10:00, Ctrl-C ends it"],
    [0, 4_400, "waiting for other machines for up to 0:04, Ctrl-C ends it"],
  ] as const
) {
  Deno.test(`servingInWords prints: ${words}`, () => {
    assertEquals(servingInWords({ readers, leftMs }), words);
  });
}

Deno.test("gaveInWords reports what was sent, or why nothing could be", () => {
  const event = "swarm_ended" as const;
  assertEquals(gaveInWords({ event, given: 61e6 }), [
    "sent 61.0 MB to other machines",
  ]);
  assertEquals(gaveInWords({ event, given: 0, why: "no port" }), [
    "could not send to other machines: no port",
  ]);
  assertEquals(gaveInWords({ event, given: 0 }), []);
});
