/**
 * Draws a QR code of a text in half blocks: two rows of modules per line, with
 * the quiet zone that scanners need. Dark on light, whatever the terminal's
 * colours.
 *
 * @module
 */

// The margin that many scanners need.
const QUIET_ZONE = 4;
const BLACK_ON_WHITE = "\x1b[30;107m";
const RESET = "\x1b[0m";
// Indexed by whether the upper and the lower module are dark.
const HALF_BLOCKS = [[" ", "▄"], ["▀", "█"]] as const;

/**
 * The lines of a QR code, or why there is none: it must fit into the columns.
 * Without colours it is dark on the terminal's own background.
 */
export async function formatQr(
  text: string,
  { columns, colours }: { columns: number; colours: boolean },
): Promise<{ lines: string[] } | { why: string }> {
  // Loaded on demand: no other command needs it.
  const { encode } = await import("uqr");
  const { data, size } = encode(text, { ecc: "L", border: QUIET_ZONE });
  if (size > columns) {
    return {
      why:
        `the QR code needs ${size} columns, and the terminal has ${columns}: ` +
        "widen the terminal, or use smaller letters",
    };
  }
  const lines: string[] = [];
  for (let row = 0; row < size; row += 2) {
    const line = Array.from({ length: size }, (_, column) => {
      const upper = data[row]![column] ? 1 : 0;
      const lower = data[row + 1]?.[column] ? 1 : 0;
      return HALF_BLOCKS[upper][lower];
    }).join("");
    lines.push(colours ? BLACK_ON_WHITE + line + RESET : line);
  }
  return { lines };
}
