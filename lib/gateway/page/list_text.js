// @ts-check
/**
 * Parses the list of files, which has a line for each file, in slices: parsing
 * 100,000 files at once would block the worker. Pure.
 */

/** @typedef {import("./finder.js").FileList} FileList */

/** Characters parsed between two pauses. */
const SLICE_LENGTH = 200_000;

/**
 * Yields between slices.
 * @param {string} text
 * @returns {Generator<void, FileList>}
 */
export function* readList(text) {
  const lines = text.indexOf("\n") + 1;
  /** @type {FileList} */
  const list = JSON.parse(`${text.slice(0, lines)}]}`);
  const end = text.lastIndexOf("\n]");
  for (let at = lines; at < end;) {
    const cut = text.indexOf(",\n", at + SLICE_LENGTH);
    const to = cut < 0 ? end : cut;
    for (const file of JSON.parse(`[${text.slice(at, to)}]`)) {
      list.files.push(file);
    }
    at = to + 2;
    yield;
  }
  return list;
}
