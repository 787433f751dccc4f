/**
 * Sorts numbers with pauses, so that others get their turn. Pure.
 *
 * @module
 */

/** Entries that are worked on between two pauses: a few milliseconds. */
export const AT_ONCE = 2_048;

type Compare = (a: number, b: number) => number;

/** Sorts `from` and returns it or another array; pauses now and then. */
export function* sortInRuns(
  from: Uint32Array<ArrayBuffer>,
  compare: Compare,
): Generator<void, Uint32Array<ArrayBuffer>> {
  const count = from.length;
  for (let start = 0; start < count; start += AT_ONCE) {
    from.subarray(start, start + AT_ONCE).sort(compare);
    yield;
  }
  let to = new Uint32Array(count);
  for (let run = AT_ONCE; run < count; run *= 2) {
    for (let start = 0; start < count; start += 2 * run) {
      yield* merge({ from, to, start, run }, compare);
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Merges two runs that begin at `start`. */
function* merge(
  { from, to, start, run }: {
    from: Uint32Array;
    to: Uint32Array;
    start: number;
    run: number;
  },
  compare: Compare,
): Generator<void, void> {
  const middle = Math.min(start + run, from.length);
  const end = Math.min(start + 2 * run, from.length);
  // Nodes list in order, so most runs follow each other already.
  if (middle === end || compare(from[middle - 1]!, from[middle]!) <= 0) {
    to.set(from.subarray(start, end), start);
    return yield;
  }
  let [one, other] = [start, middle];
  for (let at = start; at < end; at++) {
    const isFirst = other === end ||
      (one < middle && compare(from[one]!, from[other]!) <= 0);
    to[at] = from[isFirst ? one++ : other++]!;
    if ((at + 1) % AT_ONCE === 0) yield;
  }
}
