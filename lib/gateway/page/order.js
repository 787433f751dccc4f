// @ts-check
/** Natural sort order of names, computed in slices. Pure. */

/**
 * Lower case without accents. Each code unit of the text gives one, so positions
 * are the same in both.
 * @param {string} text
 */
export function fold(text) {
  const small = text.toLowerCase();
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return small;
  let folded = "";
  for (let at = 0; at < text.length; at++) {
    const unit = text[at] ?? "";
    const base = unit.normalize("NFD")[0] ?? unit;
    const letter = base.toLowerCase();
    folded += letter.length === 1 ? letter : unit;
  }
  return folded;
}

/**
 * A sort key for natural order: it ignores case and accents, compares numbers by
 * value, and keeps the files of a folder together.
 * @param {string} folded a name, as {@linkcode fold} makes it
 */
export function orderKey(folded) {
  let key = "";
  let from = 0;
  for (let at = 0; at < folded.length; at++) {
    if (!isDigit(folded.charCodeAt(at))) continue;
    let end = at + 1;
    while (isDigit(folded.charCodeAt(end))) end++;
    let first = at;
    while (first < end - 1 && folded.charCodeAt(first) === ZERO) first++;
    // The length of a number comes before its digits.
    const length = end - first;
    const size = "9".repeat(Math.floor(length / 9)) + (length % 9);
    key += folded.slice(from, at) + size + folded.slice(first, end);
    [from, at] = [end, end - 1];
  }
  return (key + folded.slice(from)).replaceAll("/", "\u0000");
}

const ZERO = 0x30;

/** @param {number} unit */
function isDigit(unit) {
  return unit >= ZERO && unit <= 0x39;
}

/**
 * The position of each key in order; equal keys keep their order. Yields after
 * every `slice` keys: sorts that many at once, and then merges the sorted
 * parts.
 * @param {readonly (string | number)[]} keys
 * @param {number} slice
 * @returns {Generator<void, Uint32Array>}
 */
export function* sortedOrder(keys, slice) {
  /** @param {number} a @param {number} b */
  const isAfter = (a, b) => (keys[a] ?? "") > (keys[b] ?? "");
  const { length } = keys;
  let order = Uint32Array.from(keys.keys());
  for (let start = 0; start < length; start += slice) {
    order.subarray(start, start + slice)
      .sort((a, b) => isAfter(a, b) ? 1 : isAfter(b, a) ? -1 : a - b);
    yield;
  }
  for (let width = slice; width < length; width *= 2) {
    const merged = new Uint32Array(length);
    for (let start = 0; start < length; start += 2 * width) {
      const middle = Math.min(start + width, length);
      const end = Math.min(start + 2 * width, length);
      let [left, right] = [start, middle];
      for (let at = start; at < end; at++) {
        const takesRight = left === middle ||
          right < end && isAfter(order[left] ?? 0, order[right] ?? 0);
        merged[at] = order[takesRight ? right++ : left++] ?? 0;
        if (at % slice === slice - 1) yield;
      }
    }
    order = merged;
  }
  return order;
}
