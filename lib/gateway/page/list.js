// @ts-check
/// <reference lib="dom" />
/**
 * A list of any length, of which only the visible rows are elements. Tab moves
 * to one row, the arrow keys move to the others.
 */

/** @typedef {import("./finder.js").Row} Row */

/**
 * @typedef {object} ListParts
 * @property {HTMLElement} body the element that holds the rows
 * @property {() => HTMLElement} blank makes an empty row
 * @property {(element: HTMLElement, row: Row) => void} fill shows a row in it
 * @property {() => string} style changes if rows must be drawn in another way
 * @property {(from: number, to: number) => void} ask requests rows that have not arrived
 * @property {(row: Row, index: number) => void} open called when a row is chosen
 * @property {() => void} leave called for the arrow key up in the first row
 */

/** Rows above and below the window that are drawn in advance. */
const OVERSCAN = 12;
/** Delay before they are drawn: more typing may replace the view first. */
const OVERSCAN_DELAY_MS = 150;
/** Rows in one request. */
const BLOCK = 100;

export class RowList {
  /** @type {ListParts} */
  #parts;
  /** @type {Map<number, Row>} */
  #rows = new Map();
  /** @type {Map<number, HTMLElement>} */
  #shown = new Map();
  /**
   * What each element shows, to fill it only with something else.
   * @type {WeakMap<HTMLElement, string>}
   */
  #contents = new WeakMap();
  /** Whether a button of the mouse, or a finger, is down on a row. */
  #isPressed = false;
  /**
   * A view that arrived during a press: the list does not change until it ends.
   * @type {(() => void) | undefined}
   */
  #next;
  #asked = new Set();
  #count = 0;
  #current = 0;
  #height = 44;
  #isDue = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #overscanTimer;

  /** @param {ListParts} parts */
  constructor(parts) {
    this.#parts = parts;
    addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    addEventListener("resize", () => this.#redraw());
    const { body } = parts;
    body.addEventListener("keydown", (event) => this.#onKey(event));
    body.addEventListener("pointerdown", ({ button }) => {
      this.#isPressed = button === 0;
    });
    for (const type of ["pointerup", "pointercancel"]) {
      addEventListener(type, () => setTimeout(() => this.#release()));
    }
    body.addEventListener("click", (event) => this.#onClick(event));
    body.addEventListener("focusin", ({ target }) => {
      const index = indexOf(target);
      if (index !== undefined) this.#setCurrent(index);
    });
  }

  /** Number of rows. */
  get count() {
    return this.#count;
  }

  /**
   * Shows another view.
   * @param {number} count
   * @param {Row[]} first
   */
  show(count, first) {
    if (this.#isPressed) {
      this.#next = () => this.show(count, first);
      return;
    }
    this.#count = count;
    this.#rows = new Map(first.map((row, index) => [index, row]));
    this.#asked.clear();
    this.#setCurrent(Math.min(this.#current, Math.max(0, count - 1)));
    this.#redraw();
  }

  /** Called after the press, when its row has been opened. */
  #release() {
    const next = this.#next;
    [this.#isPressed, this.#next] = [false, undefined];
    next?.();
  }

  /** Makes the first row current. */
  reset() {
    this.#setCurrent(0);
  }

  /**
   * Adds rows that have arrived.
   * @param {number} from
   * @param {Row[]} rows
   */
  add(from, rows) {
    rows.forEach((row, index) => this.#rows.set(from + index, row));
    this.#drawSoon();
  }

  /**
   * A row, if it has arrived; otherwise this requests it.
   * @param {number} index
   */
  row(index) {
    const row = this.#rows.get(index);
    if (row === undefined) this.#ask(index, index + 1);
    return row;
  }

  /**
   * Moves to a row and makes it visible.
   * @param {number} index
   * @param {{ focus?: boolean }} [options]
   */
  goTo(index, { focus = true } = {}) {
    if (this.#count === 0) return;
    const at = Math.max(0, Math.min(this.#count - 1, index));
    this.#setCurrent(at);
    const top = this.#top() + at * this.#height;
    const above = this.#headHeight();
    if (top < scrollY + above) scrollTo({ top: top - above });
    else if (top + this.#height > scrollY + innerHeight) {
      scrollTo({ top: top + this.#height - innerHeight + 8 });
    }
    this.#draw();
    if (focus) this.#linkAt(at)?.focus({ preventScroll: true });
  }

  /** Where the list begins on the page. */
  #top() {
    return this.#parts.body.getBoundingClientRect().top + scrollY;
  }

  /** Rows above the window; negative if the list begins below its top. */
  #above() {
    const { top } = this.#parts.body.getBoundingClientRect();
    return Math.floor(-top / this.#height);
  }

  /** Height of the head that stays at the top of the window. */
  #headHeight() {
    const style = getComputedStyle(document.documentElement);
    return parseFloat(style.getPropertyValue("--head")) || 0;
  }

  /** Draws the visible rows now, and those beyond the window later. */
  #redraw() {
    const style = getComputedStyle(this.#parts.body);
    this.#height = parseFloat(style.getPropertyValue("--row")) || 44;
    const focused = indexOf(document.activeElement);
    const above = this.#above(); // measured before changes, which would force a layout
    for (const index of this.#shown.keys()) {
      if (index >= this.#count) this.#remove(index);
    }
    this.#parts.body.style.height = `${this.#count * this.#height}px`;
    this.#draw({ above, overscan: 0 });
    clearTimeout(this.#overscanTimer);
    this.#overscanTimer = setTimeout(() => this.#draw(), OVERSCAN_DELAY_MS);
    if (focused !== undefined && this.#count > 0) {
      this.#linkAt(Math.min(focused, this.#count - 1))?.focus({
        preventScroll: true,
      });
    }
  }

  /** @param {number} index */
  #remove(index) {
    this.#shown.get(index)?.remove();
    this.#shown.delete(index);
  }

  #drawSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw({ above = this.#above(), overscan = OVERSCAN } = {}) {
    const visible = Math.ceil(innerHeight / this.#height) + 1;
    const from = Math.max(0, Math.min(above - overscan, this.#count));
    const to = Math.min(this.#count, Math.max(0, above + visible + overscan));
    for (const [index, element] of this.#shown) {
      const isKept = index === this.#current && element.contains(
        document.activeElement,
      );
      if ((index < from || index >= to) && !isKept) this.#remove(index);
      else this.#fill(element, index);
    }
    /** @type {HTMLElement[]} */
    const made = [];
    for (let index = from; index < to; index++) {
      if (!this.#rows.has(index) || this.#shown.has(index)) continue;
      const element = this.#parts.blank();
      element.setAttribute("aria-rowindex", String(index + 2));
      element.dataset["index"] = String(index);
      this.#fill(element, index);
      this.#shown.set(index, element);
      made.push(element);
    }
    this.#parts.body.append(...made);
    if (made.length > 0) this.#sortElements();
    this.#ask(from, to);
  }

  /** Keeps elements in the order of their rows, for screen readers. */
  #sortElements() {
    const ordered = [...this.#shown].sort(([a], [b]) => a - b);
    /** @type {HTMLElement | undefined} */
    let previous;
    for (const [, element] of ordered) {
      const isInPlace = previous === undefined
        ? this.#parts.body.firstElementChild === element
        : previous.nextElementSibling === element;
      if (!isInPlace) {
        if (previous === undefined) this.#parts.body.prepend(element);
        else previous.after(element);
      }
      previous = element;
    }
  }

  /**
   * Shows a row in an element, unless it shows it already.
   * @param {HTMLElement} element
   * @param {number} index
   */
  #fill(element, index) {
    const top = `${index * this.#height}px`;
    if (element.style.top !== top) element.style.top = top;
    const row = this.#rows.get(index);
    if (row === undefined) return;
    const content = this.#parts.style() + JSON.stringify(row);
    if (this.#contents.get(element) === content) return;
    this.#contents.set(element, content);
    this.#parts.fill(element, row);
    const link = element.querySelector("a");
    if (link !== null) link.tabIndex = index === this.#current ? 0 : -1;
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #ask(from, to) {
    const first = Math.floor(from / BLOCK);
    for (let block = first; block * BLOCK < to; block++) {
      const start = block * BLOCK;
      const end = Math.min(this.#count, start + BLOCK);
      if (this.#asked.has(block)) continue;
      let isMissing = false;
      for (let index = start; index < end; index++) {
        isMissing ||= !this.#rows.has(index);
      }
      if (!isMissing) continue;
      this.#asked.add(block);
      this.#parts.ask(start, end);
    }
  }

  /** @param {number} index */
  #linkAt(index) {
    return this.#shown.get(index)?.querySelector("a");
  }

  /** @param {number} index */
  #setCurrent(index) {
    const before = this.#linkAt(this.#current);
    if (before) before.tabIndex = -1;
    this.#current = index;
    const link = this.#linkAt(index);
    if (link) link.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(innerHeight / this.#height) - 3);
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: this.#current + 1,
      ArrowUp: this.#current - 1,
      PageDown: this.#current + page,
      PageUp: this.#current - page,
      Home: 0,
      End: this.#count - 1,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    if (event.key === "ArrowUp" && this.#current === 0) this.#parts.leave();
    else this.goTo(target);
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (
      event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey
    ) {
      return; // a new tab
    }
    const index = indexOf(event.target);
    const row = index === undefined ? undefined : this.#rows.get(index);
    if (row === undefined || index === undefined) return;
    event.preventDefault();
    this.#setCurrent(index);
    this.#parts.open(row, index);
  }
}

/**
 * The index of the row around an element.
 * @param {unknown} target
 */
function indexOf(target) {
  if (!(target instanceof Element)) return undefined;
  const row = target.closest("[data-index]");
  return row instanceof HTMLElement ? Number(row.dataset["index"]) : undefined;
}
