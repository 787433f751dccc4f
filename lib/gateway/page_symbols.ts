/**
 * The icons of the page, as symbols of one hidden picture.
 *
 * @module
 */

import { type Markup, markup } from "../base/html.ts";

// Strokes on a field of 20 by 20.
const PATHS: Readonly<Record<string, string>> = {
  search: "M9 3.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 0 0 0-11M13 13l4 4",
  folder:
    "M2.500 6a1.500 1.500 0 0 1 1.500-1.500h3.500l2 2H16A1.500 1.500 0 0 1 17.500 8v6.500A1.500 1.500 0 0 1 16 16H4a1.500 1.500 0 0 1-1.500-1.500z",
  file: "M5 3h6l4 4v10H5zM11 3v4h4",
  text: "M5 3h6l4 4v10H5zM11 3v4h4M7.500 10.500h5M7.500 13.500h5",
  picture:
    "M3 4.500h14v11H3zM3 13.500l4-4 3.500 3.500 2.500-2.500 4 4M12.500 7.750a.75.75 0 1 0 1.500 0a.75.75 0 1 0-1.500 0",
  film: "M3 4.500h14v11H3zM8.500 7.500v5l4-2.500z",
  sound:
    "M7.500 14.500v-9l8-1.500v9M7.500 14.500a2 2 0 1 1-4 0a2 2 0 0 1 4 0M15.500 13a2 2 0 1 1-4 0a2 2 0 0 1 4 0",
  download: "M10 3v9.500M6 9l4 4 4-4M3.500 16.500h13",
  link:
    "M8.500 11.500a3 3 0 0 0 4.250 0l3-3a3 3 0 0 0-4.250-4.250l-1 1M11.500 8.500a3 3 0 0 0-4.250 0l-3 3a3 3 0 0 0 4.250 4.250l1-1",
  close: "M5 5l10 10M15 5l-10 10",
  left: "M12 4.500l-5.500 5.500 5.500 5.500",
  right: "M8 4.500l5.500 5.500-5.500 5.500",
  up: "M5 12.500l5-5 5 5",
  down: "M5 7.500l5 5 5-5",
  direct: "M3 10h14M13 6l4 4-4 4",
  tunnel: "M3 15v-4a7 7 0 0 1 14 0v4M7 15v-4a3 3 0 0 1 6 0v4",
};

/** All of them; a page has this once, and refers to `#i-NAME`. */
export const SYMBOLS: Markup = markup`<svg hidden>${
  Object.entries(PATHS).map(([name, path]) =>
    markup`<symbol id="i-${name}" viewBox="0 0 20 20"><path d="${path}"/></symbol>`
  )
}</svg>`;
