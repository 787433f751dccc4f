import { assertEquals } from "@std/assert";
import {
  formatDuration,
  parseDuration,
} from "../../../lib/cli/options/values.ts";

const DURATIONS: readonly [string, number][] = [
  ["1s", 1],
  ["90s", 90],
  ["30m", 1_800],
  ["1h", 3_600],
  ["7d", 604_800],
];

for (const [text, seconds] of DURATIONS) {
  Deno.test(`parseDuration reads ${text}, and formatDuration writes it`, () => {
    assertEquals(parseDuration(text), seconds);
    assertEquals(formatDuration(seconds), text);
  });
}

for (
  const text of ["", "0s", "1", "h", "-1h", "1.5h", "1 h", "1w", "99999999s"]
) {
  Deno.test(`parseDuration refuses ${JSON.stringify(text)}`, () => {
    assertEquals(parseDuration(text), undefined);
  });
}
