/**
 * The files of the page: style, scripts and icon, which the browser fetches
 * once. They are text in the program, so that no permission to read is needed.
 *
 * @module
 */

import activity from "./page/activity.js" with { type: "text" };
import app from "./page/app.js" with { type: "text" };
import dom from "./page/dom.js" with { type: "text" };
import finder from "./page/finder.js" with { type: "text" };
import formats from "./page/formats.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import link from "./page/link.js" with { type: "text" };
import list from "./page/list.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };
import preview from "./page/preview.js" with { type: "text" };
import rates from "./page/rates.js" with { type: "text" };
import share from "./page/share.js" with { type: "text" };
import worker from "./page/worker.js" with { type: "text" };

/** A file of the page. */
export interface PageAsset {
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly body: string;
}

const SCRIPT = "text/javascript; charset=utf-8";

const ASSETS: ReadonlyMap<string, PageAsset> = new Map([
  ["page.css", { type: "text/css; charset=utf-8", body: style }],
  ["icon.svg", { type: "image/svg+xml", body: icon }],
  ...Object.entries({
    ...{ activity, app, dom, finder, formats, link, list },
    ...{ preview, rates, share, worker },
  }).map(([name, body]) => [`${name}.js`, { type: SCRIPT, body }] as const),
]);

/** Names of all files of the page. */
export const PAGE_ASSETS: readonly string[] = [...ASSETS.keys()];

/** The file of the page below `/page/`, if there is one with that name. */
export function pageAsset(path: string): PageAsset | undefined {
  return ASSETS.get(path);
}
