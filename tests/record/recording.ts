/**
 * Writes down what was typed on terminals, how long each step took, and what
 * stood on the screen. Pure.
 *
 * @module
 */

import { counted } from "../../lib/base/text.ts";

/** Something that was typed, and what came of it. */
export interface Step {
  /** The machine and its terminal. */
  readonly terminal: string;
  /** What the step is for. */
  readonly what: string;
  /** The text that was typed, or the name of a key. */
  readonly typed: string;
  /** Keys that were pressed, Enter among them. */
  readonly keys: number;
  /** From the last key until the step was complete. */
  readonly seconds: number;
  /** The rows that it left on the screen, with what was typed. */
  readonly rows: readonly string[];
}

/** The document. */
export function formatRecording(
  steps: readonly Step[],
  { date, machine }: { date: string; machine: string },
): string {
  const keys = steps.reduce((sum, step) => sum + step.keys, 0);
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  return `# The first minute, recorded

Two fresh machines with Node and npm, a checkout in \`~/relay-p2p\` and nothing
else: from the installation to a file that was interrupted and then resumed.
\`deno task record\` typed it in real terminals and wrote this document and
[the picture](first-minute.svg).

- ${counted(keys, "key")}, ${seconds.toFixed(1)} seconds of waiting in ${
    counted(steps.length, "step")
  }. Typing itself takes a person longer.
- ${date}, ${machine}. Both machines are network namespaces of one computer,
  with a network of their own; only the installation reaches the internet.

| Step | Terminal | Typed | Keys | Seconds |
| ---: | --- | --- | ---: | ---: |
${
    steps.map(({ terminal, typed, keys, seconds }, n) =>
      `| ${n + 1} | ${terminal} | \`${typed}\` | ${keys} | ${
        seconds.toFixed(1)
      } |`
    ).join("\n")
  }

${
    steps.map(({ terminal, what, rows }, n) =>
      `## ${n + 1}. ${what}\n\nOn \`${terminal}\`:\n\n\`\`\`text\n${
        rows.join("\n")
      }\n\`\`\`\n`
    ).join("\n")
  }`;
}
