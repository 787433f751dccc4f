/**
 * The order of a long listing: different for each listing, each place once, and
 * stored in a cursor of four numbers, so an unfinished listing costs the relay
 * no memory. Pure.
 *
 * @module
 */

/** A way through `span` places in which each comes once, in odd order. */
export interface Walk {
  /** The first place. */
  readonly start: number;
  /** From one place to the next, round the end; no divisor of `span`. */
  readonly stride: number;
  /** How many places there are. */
  readonly span: number;
  /** How many have been visited. */
  step: number;
}

/**
 * A walk that nobody knows beforehand, `random` being from 0 to below 1;
 * `undefined` where there is nowhere to go.
 */
export function startWalk(
  span: number,
  random: () => number,
): Walk | undefined {
  if (span === 0) return undefined;
  const start = Math.floor(random() * span);
  let stride = 1 + Math.floor(random() * span);
  // A stride without a common divisor visits every place once.
  while (greatestCommonDivisor(stride, span) !== 1) stride++;
  return { start, stride: stride % span || 1, span, step: 0 };
}

/** Where the walk stands. */
export function placeOf({ start, stride, span, step }: Walk): number {
  return (start + step * stride) % span;
}

/**
 * Goes on to the next place below `count`, where the table has shrunk since the
 * walk began; `false` when there is none. Jumps: a cursor cannot make the relay
 * look at a million empty places.
 */
export function skipTo(walk: Walk, count: number): boolean {
  const { span, stride } = walk;
  const place = placeOf(walk);
  if (walk.step < span && place >= count) {
    const [low, high] = [span - place, span - place + count - 1];
    walk.step += leastFactor(stride, { low, high, modulus: span });
  }
  return walk.step < span;
}

/**
 * The least `k` for which `k * stride % modulus` is from `low` (above 0) to
 * `high` (below `modulus`); Infinity when there is none. Where the first turn
 * round the modulus has no such `k`, the question is how many turns there must
 * be, which is the same question with smaller numbers, as in Euclid's algorithm.
 */
function leastFactor(
  stride: number,
  { low, high, modulus }: { low: number; high: number; modulus: number },
): number {
  if (stride === 0 || low > high) return Infinity;
  const first = Math.ceil(low / stride);
  if (first * stride <= high) return first;
  const turns = leastFactor(modulus % stride, {
    low: stride - high % stride,
    high: stride - low % stride,
    modulus: stride,
  });
  return Math.ceil((low + turns * modulus) / stride);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Text from which {@linkcode parseCursor} makes the walk again. */
export function formatCursor(walk: Walk): string {
  return [walk.start, walk.stride, walk.span, walk.step].join(".");
}

/** The walk that goes on; `undefined` for what no listing can have given. */
export function parseCursor(text: string, nodeCount: number): Walk | undefined {
  const match = /^(\d{1,7})\.(\d{1,7})\.(\d{1,7})\.(\d{1,7})$/.exec(text);
  if (match === null) return undefined;
  const [start = 0, stride = 0, span = 0, step = 0] = match.slice(1).map(
    Number,
  );
  const isWalk = span <= nodeCount && start < span && step < span &&
    stride > 0 && greatestCommonDivisor(stride, span) === 1;
  return isWalk ? { start, stride, span, step } : undefined;
}
