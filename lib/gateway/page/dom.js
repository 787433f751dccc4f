// @ts-check
/// <reference lib="dom" />
/** Builds elements. */

/** The gateway's root URL: behind a proxy it may have a path. */
export const ROOT = new URL("..", import.meta.url);

/**
 * An element. Text is text, never markup.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} attributes
 * @param {...(Node | string | undefined)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/**
 * An element of SVG.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} attributes
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, string | number | boolean | undefined>} attributes
 */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * The element with an id; the page always has it.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * The items of a list that is drawn repeatedly. Unchanged items keep their
 * elements, for clicks, selected text and screen readers.
 */
export class ReusedItems {
  #place;
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
  }

  /** @param {{ key: string, make: () => HTMLElement }[]} wanted in order */
  show(wanted) {
    const items = new Map(wanted.map(({ key, make }) => [
      key,
      this.#items.get(key) ?? make(),
    ]));
    this.#items = items;
    const kept = new Set(items.values());
    for (const child of [...this.#place.children]) {
      if (!(child instanceof HTMLElement) || !kept.has(child)) child.remove();
    }
    [...kept].forEach((item, index) => {
      const present = this.#place.children[index];
      if (present !== item) this.#place.insertBefore(item, present ?? null);
    });
  }
}

/**
 * A symbol of the page.
 * @param {string} name
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", "aria-hidden": "true" },
    svg("use", { href: `#i-${name}` }),
  );
}

/**
 * The error text of a failed answer, as the terminal would print it.
 * @param {Response} answer
 */
export async function problemIn(answer) {
  const text = (await answer.text()).trim();
  if (text === "") return `${answer.status} ${answer.statusText}`;
  try {
    const { error, message } = JSON.parse(text);
    return String(error?.message ?? error ?? message ?? text);
  } catch {
    return text;
  }
}
