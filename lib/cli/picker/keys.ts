/**
 * Turns the bytes of a terminal into keys. Pure: bytes in, keys out. A sequence
 * that is cut off at the end of a read waits for the next read. Only time can
 * distinguish the escape key from the start of a sequence, so the caller
 * reports the time.
 *
 * @module
 */

/** A key, or text that was typed or pasted. */
export type Key =
  /**
   * Printable text. Pasted text arrives only as text, with line breaks as
   * spaces.
   */
  | { readonly kind: "text"; readonly text: string }
  /** A key without a character. */
  | { readonly kind: "key"; readonly name: KeyName }
  /** The terminal's answer to {@linkcode ASK_TERMINAL}. */
  | { readonly kind: "terminal" };

/**
 * The names of keys; `ctrl_a` to `ctrl_z` are the combinations without another
 * name.
 */
export type KeyName =
  | "enter"
  | "escape"
  | "backspace"
  | "delete"
  | "tab"
  | "up"
  | "down"
  | "left"
  | "right"
  | "home"
  | "end"
  | "page_up"
  | "page_down"
  | `ctrl_${string}`;

/**
 * Asks a terminal what it is. Any terminal that understands escape sequences
 * answers.
 */
export const ASK_TERMINAL = "\x1b[c";

/**
 * After this time a lone escape is the escape key, because the bytes of one key
 * arrive together.
 */
export const ESCAPE_MS = 100;

const ESC = 0x1b;
const CTRL_C = 0x03;
const DEL = 0x7f;
const PASTE_END = [ESC, 0x5b, 0x32, 0x30, 0x31, 0x7e]; // ESC [ 2 0 1 ~

// Real sequences are shorter; longer ones are dropped.
const MOST_SEQUENCE_BYTES = 64;
// The limit for text answers of a terminal, such as its title.
const MOST_STRING_BYTES = 4096;

const CONTROL_KEYS: ReadonlyMap<number, KeyName> = new Map([
  [0x08, "backspace"],
  [0x09, "tab"],
  [0x0a, "enter"],
  [0x0d, "enter"],
  [DEL, "backspace"],
]);

/** Keys by the final byte of `ESC [ … X` and `ESC O X`. */
const LETTER_KEYS: ReadonlyMap<string, KeyName> = new Map([
  ["A", "up"],
  ["B", "down"],
  ["C", "right"],
  ["D", "left"],
  ["F", "end"],
  ["H", "home"],
  ["M", "enter"], // of the keypad
]);

/** Keys by the number in `ESC [ N ~`. */
const NUMBER_KEYS: ReadonlyMap<string, KeyName> = new Map([
  ["1", "home"],
  ["3", "delete"],
  ["4", "end"],
  ["5", "page_up"],
  ["6", "page_down"],
  ["7", "home"],
  ["8", "end"],
]);

/** The key at the start of the bytes, if any, and its length in bytes. */
interface Taken {
  readonly bytes: number;
  readonly key?: Key;
}

/** More bytes are needed to decide. */
const MORE = null;

/** Turns bytes into keys, across reads. */
export class KeyDecoder {
  #held: Uint8Array = new Uint8Array();
  #isPasting = false;

  /** Whether an escape waits that may be the start of a sequence. */
  get hasLoneEscape(): boolean {
    return !this.#isPasting && this.#held.length === 1 && this.#held[0] === ESC;
  }

  /** The keys in `bytes`, together with bytes left from earlier ones. */
  feed(bytes: Uint8Array): Key[] {
    const all = new Uint8Array(this.#held.length + bytes.length);
    all.set(this.#held);
    all.set(bytes, this.#held.length);
    const keys: Key[] = [];
    let at = 0;
    while (at < all.length) {
      const rest = all.subarray(at);
      const taken = this.#isPasting ? this.#takePasted(rest) : this.#take(rest);
      if (taken === MORE) break;
      at += taken.bytes;
      if (taken.key !== undefined) addKey(keys, taken.key);
    }
    this.#held = all.slice(at);
    return keys;
  }

  /** Ends the wait after {@linkcode ESCAPE_MS}: a lone escape is the key. */
  settle(): Key[] {
    if (!this.hasLoneEscape) return [];
    this.#held = new Uint8Array();
    return [{ kind: "key", name: "escape" }];
  }

  #take(bytes: Uint8Array): Taken | null {
    const first = bytes[0]!;
    if (first === ESC) return this.#takeEscape(bytes);
    if (first < 0x20 || first === DEL) {
      return { bytes: 1, key: { kind: "key", name: controlKey(first) } };
    }
    return takeCharacter(bytes);
  }

  #takeEscape(bytes: Uint8Array): Taken | null {
    switch (String.fromCharCode(bytes[1] ?? 0)) {
      case "\0":
        return bytes.length === 1 ? MORE : { bytes: 2 };
      case "\x1b":
        return { bytes: 1, key: { kind: "key", name: "escape" } };
      case "[":
        return this.#takeSequence(bytes);
      case "O":
        return bytes.length < 3
          ? MORE
          : keyed(3, LETTER_KEYS.get(letter(bytes, 2)));
      case "]":
      case "P":
      case "X":
      case "^":
      case "_":
        return takeString(bytes);
      default: {
        // A combination with Alt, which we do not use.
        const taken = this.#take(bytes.subarray(1));
        return taken === MORE ? MORE : { bytes: 1 + taken.bytes };
      }
    }
  }

  /** `ESC [`, parameters, and a letter. */
  #takeSequence(bytes: Uint8Array): Taken | null {
    // The function keys of the Linux console: `ESC [ [ A`.
    if (letter(bytes, 2) === "[") return bytes.length < 4 ? MORE : { bytes: 4 };
    let end = 2;
    while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! < 0x40) {
      if (++end === MOST_SEQUENCE_BYTES) return { bytes: end };
    }
    if (end === bytes.length) return MORE;
    // Interrupted by another byte, which is handled on its own.
    if (bytes[end]! < 0x20 || bytes[end]! >= DEL) return { bytes: end };
    const parameters = String.fromCharCode(...bytes.subarray(2, end));
    return this.#sequence(parameters, letter(bytes, end), end + 1);
  }

  #sequence(parameters: string, final: string, bytes: number): Taken {
    if (final === "c" && parameters.startsWith("?")) {
      return { bytes, key: { kind: "terminal" } };
    }
    if (final !== "~") return keyed(bytes, LETTER_KEYS.get(final));
    const [number = ""] = parameters.split(";");
    if (number === "200") this.#isPasting = true;
    return keyed(bytes, NUMBER_KEYS.get(number));
  }

  #takePasted(bytes: Uint8Array): Taken | null {
    const first = bytes[0]!;
    if (first === ESC) {
      const same = PASTE_END.findIndex((byte, at) => byte !== bytes[at]);
      if (same >= 0) return same >= bytes.length ? MORE : { bytes: 1 };
      this.#isPasting = false;
      return { bytes: PASTE_END.length };
    }
    if (first === CTRL_C) { // a way out if the end of the paste never comes
      this.#isPasting = false;
      return { bytes: 1, key: { kind: "key", name: "ctrl_c" } };
    }
    if (first < 0x20 || first === DEL) {
      return { bytes: 1, key: { kind: "text", text: " " } };
    }
    return takeCharacter(bytes);
  }
}

function letter(bytes: Uint8Array, at: number): string {
  return at < bytes.length ? String.fromCharCode(bytes[at]!) : "";
}

function keyed(bytes: number, name: KeyName | undefined): Taken {
  return name === undefined ? { bytes } : { bytes, key: { kind: "key", name } };
}

function controlKey(byte: number): KeyName {
  return CONTROL_KEYS.get(byte) ??
    `ctrl_${String.fromCharCode(byte + 0x40).toLowerCase()}`;
}

/** `ESC ]` and the like, up to BEL or `ESC \`. */
function takeString(bytes: Uint8Array): Taken | null {
  for (let at = 2; at < Math.min(bytes.length, MOST_STRING_BYTES); at++) {
    if (bytes[at] === 0x07) return { bytes: at + 1 };
    if (bytes[at] !== ESC) continue;
    if (at + 1 === bytes.length) return MORE;
    return { bytes: bytes[at + 1] === 0x5c ? at + 2 : at };
  }
  return bytes.length < MOST_STRING_BYTES ? MORE : { bytes: MOST_STRING_BYTES };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One character of UTF-8; invalid bytes are dropped one by one. */
function takeCharacter(bytes: Uint8Array): Taken | null {
  const first = bytes[0]!;
  const length = first < 0x80
    ? 1
    : first >= 0xc2 && first < 0xe0
    ? 2
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xf0 && first < 0xf5
    ? 4
    : 0;
  if (length === 0) return { bytes: 1 };
  for (let at = 1; at < length; at++) {
    if (at === bytes.length) return MORE;
    if ((bytes[at]! & 0xc0) !== 0x80) return { bytes: at };
  }
  try {
    const text = decoder.decode(bytes.subarray(0, length));
    // C1 controls can come as characters too.
    const isControl = /\p{Cc}/u.test(text);
    return isControl
      ? { bytes: length }
      : { bytes: length, key: { kind: "text", text } };
  } catch {
    return { bytes: length }; // a surrogate, or an overlong form
  }
}

/** Adds `key`; text joins text. */
function addKey(keys: Key[], key: Key): void {
  const last = keys.at(-1);
  if (last?.kind === "text" && key.kind === "text") {
    keys[keys.length - 1] = { kind: "text", text: last.text + key.text };
  } else keys.push(key);
}
