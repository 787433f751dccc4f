/**
 * An error with its causes and stack traces, for `--debug`. Messages may hold a
 * peer's words: each is one escaped line.
 *
 * @module
 */

import { showWhole } from "../../base/text.ts";

// Causes of causes; a loop among them must end.
const MOST_CAUSES = 8;
const FRAME = /^\s+at /;

/** The lines of an error. */
export function inspected(error: unknown): string {
  return linesOf(error, MOST_CAUSES).join("\n");
}

function linesOf(error: unknown, left: number): string[] {
  if (!(error instanceof Error)) return [showWhole(String(error))];
  const { name, message, stack = "", cause } = error;
  // The message is in the stack too, with line breaks as they are.
  const frames = stack.slice(stack.indexOf(message) + message.length)
    .split("\n")
    .filter((line) => FRAME.test(line));
  const inner = error instanceof AggregateError ? [...error.errors] : [];
  if (cause !== undefined) inner.push(cause);
  const code = "code" in error ? ` (${error.code})` : "";
  return [
    showWhole(`${name}${code}: ${message}`),
    ...frames.map(showWhole),
    ...left === 0 ? [] : inner.flatMap((one) => {
      const [first, ...rest] = linesOf(one, left - 1);
      return [`Caused by ${first}`, ...rest];
    }),
  ];
}
