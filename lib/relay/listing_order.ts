/**
 * The order of a long listing. It differs for each listing and visits each
 * place once. A cursor of four numbers stores it, so that an unfinished listing
 * costs the relay no memory. Pure.
 *
 * @module
 */

/**
 * A walk through `span` places that visits each of them once, in an irregular
 * order.
 */
export interface Walk {
  /** The first place. */
  readonly start: number;
  /**
   * The step from one place to the next, wrapping at the end; coprime to
   * `span`.
   */
  readonly stride: number;
  /** Number of places. */
  readonly span: number;
  /** Number of places visited so far. */
  step: number;
}

/**
 * Starts an unpredictable walk; `random` is from 0 to below 1. `undefined` if
 * there are no places.
 */
export function startWalk(
  span: number,
  random: () => number,
): Walk | undefined {
  if (span === 0) return undefined;
  const start = Math.floor(random() * span);
  let stride = 1 + Math.floor(random() * span);
  // A stride coprime to the span visits every place once.
  while (greatestCommonDivisor(stride, span) !== 1) stride++;
  return { start, stride: stride % span || 1, span, step: 0 };
}

/** The current place. */
export function placeOf({ start, stride, span, step }: Walk): number {
  return (start + step * stride) % span;
}

/**
 * Moves to the next place below `count`, in case the table has shrunk since the
 * walk began; `false` if there is none. It jumps, so that no cursor can make
 * the relay look at a million empty places.
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
 * The least `k` for which `k * stride % modulus` is between `low` (above 0) and
 * `high` (below `modulus`); Infinity if there is none. If the first pass
 * through the modulus has no such `k`, the number of passes is found by solving
 * the same problem with smaller numbers, as in Euclid's algorithm.
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

/** Text of a walk, for {@linkcode parseCursor}. */
export function formatCursor(walk: Walk): string {
  return [walk.start, walk.stride, walk.span, walk.step].join(".");
}

/** The walk in a cursor; `undefined` if no listing can have made it. */
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
