/**
 * Durations as users write them: `90s`, `30m`, `24h`, `7d`.
 *
 * @module
 */

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Seconds, at least one; `undefined` if the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  const seconds = Number(count) * SECONDS[unit as keyof typeof SECONDS];
  return seconds > 0 ? seconds : undefined;
}

/** Seconds in the largest unit that divides them. */
export function formatDuration(seconds: number): string {
  for (const unit of ["d", "h", "m"] as const) {
    if (seconds % SECONDS[unit] === 0) {
      return `${seconds / SECONDS[unit]}${unit}`;
    }
  }
  return `${seconds}s`;
}
