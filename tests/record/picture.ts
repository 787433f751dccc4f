/**
 * Draws terminals as SVG. Text stays text, in the colours that the reader's
 * system prefers, light or dark. Pure.
 *
 * @module
 */

import { widthOf } from "../../lib/cli/output/width.ts";

/** A terminal to draw. */
export interface Panel {
  readonly title: string;
  /** Its rows, with colours as escape sequences. */
  readonly rows: readonly string[];
}

/** What the picture says to people who cannot see it. */
export interface Description {
  readonly title: string;
  readonly text: string;
}

/** Text of one colour. */
interface Span {
  readonly text: string;
  readonly style: string;
}

const COLUMN = 7.8;
const ROW = 18;
const FONT = 13;
const MARGIN = 14;
const BAR = 28;
const GAP = 14;

/** The panels, below each other, `columns` wide. */
export function draw(
  panels: readonly Panel[],
  { columns, description }: { columns: number; description: Description },
): string {
  const width = Math.ceil(columns * COLUMN + 2 * MARGIN);
  let y = 0;
  const drawn = panels.map((panel) => {
    const at = y;
    const height = BAR + panel.rows.length * ROW + MARGIN;
    y += height + GAP;
    return drawPanel(panel, { y: at, width, height });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${
      y - GAP
    }" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(description.title)}</title>`,
    `<desc id="description">${escaped(description.text)}</desc>`,
    STYLE,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

const STYLE = `<style>
text { font: ${FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328; white-space: pre }
.window { fill: #f6f8fa; stroke: #d1d9e0 }
.name { fill: #59636e; text-anchor: middle }
.prompt { fill: #59636e }
.typed { font-weight: bold }
.red { fill: #cf222e } .green { fill: #1a7f37 } .yellow { fill: #9a6700 } .blue { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.window { fill: #0d1117; stroke: #3d444d }
.name, .prompt { fill: #9198a1 }
.red { fill: #ff7b72 } .green { fill: #3fb950 } .yellow { fill: #d29922 } .blue { fill: #58a6ff }
}
</style>`;

function drawPanel(
  { title, rows }: Panel,
  { y, width, height }: { y: number; width: number; height: number },
): string {
  const frame = `<rect class="window" x=".5" y="${y + 0.5}" width="${
    width - 1
  }" height="${height - 1}" rx="8"/>`;
  const name = `<text class="name" x="${width / 2}" y="${y + 19}">${
    escaped(title)
  }</text>`;
  const lines = rows.map((row, n) => drawRow(row, y + BAR + (n + 1) * ROW - 5))
    .filter((line) => line !== "");
  return [frame, name, ...lines].join("\n");
}

/** A row, stretched to its columns in whatever font there is. */
function drawRow(row: string, y: number): string {
  const spans = isTyped(row) ? typed(row) : spansOf(row);
  const columns = widthOf(spans.map(({ text }) => text).join(""));
  if (columns === 0) return "";
  const length = (columns * COLUMN).toFixed(1);
  const parts = spans.map(({ text, style }) =>
    style === ""
      ? escaped(text)
      : `<tspan class="${style}">${escaped(text)}</tspan>`
  );
  return `<text x="${MARGIN}" y="${y}" xml:space="preserve" textLength="${length}" lengthAdjust="spacingAndGlyphs">${
    parts.join("")
  }</text>`;
}

function isTyped(row: string): boolean {
  return row.startsWith("$ ");
}

function typed(row: string): Span[] {
  return [
    { text: "$ ", style: "prompt" },
    { text: plain(row).slice(2), style: "typed" },
  ];
}

// What tmux writes: colours and styles only.
// deno-lint-ignore no-control-regex
const STYLING = /\x1b\[([\d;]*)m/g;
const COLOURS: Readonly<Record<string, string>> = {
  "31": "red",
  "32": "green",
  "33": "yellow",
  "34": "blue",
};

/** The row without colours, and without whitespace at its end. */
export function plain(row: string): string {
  return row.replaceAll(STYLING, "").trimEnd();
}

/** The parts of a row, by colour. Other styles are left out. */
export function spansOf(row: string): Span[] {
  const spans: Span[] = [];
  let style = "";
  let at = 0;
  const end = row.trimEnd().length;
  const take = (until: number) => {
    if (until > at) spans.push({ text: row.slice(at, until), style });
  };
  for (const { 0: { length }, 1: codes = "", index } of row.matchAll(STYLING)) {
    take(Math.min(index, end));
    at = index + length;
    for (const code of codes.split(";")) {
      if (code in COLOURS) style = COLOURS[code]!;
      else if (["", "0", "39"].includes(code)) style = "";
    }
  }
  take(end);
  return spans;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
