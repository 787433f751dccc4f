// @ts-check
/** Formats numbers as the terminal does, and knows file types by name. */

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/**
 * Bytes in the usual units, in powers of 1000.
 * @param {number} bytes
 */
export function formatBytes(bytes) {
  let unit = 0;
  let amount = bytes;
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit++;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : 1;
  const whole = amount.toFixed(digits);
  return unit === 0 && whole === "1" ? "1 byte" : `${whole} ${UNITS[unit]}`;
}

/**
 * A whole number in groups of three digits.
 * @param {number} value
 */
export function formatCount(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * A count with its noun.
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A time for programs; empty if no date can express it.
 * @param {number} ms
 */
export function isoDate(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

/**
 * Day and minute in local time.
 * @param {number} ms
 */
export function formatDate(ms) {
  const date = new Date(ms);
  if (isoDate(ms) === "") return "-";
  /** @param {number} value */
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${
    two(date.getDate())
  } ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/**
 * How long ago something was.
 * @param {number} ms
 */
export function formatAgo(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 2) return "now";
  if (seconds < 90) return `${seconds} seconds ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} minutes ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} hours ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/**
 * A file's address below `/files/`.
 * @param {string} name
 * @param {URL} root the gateway's root URL
 */
export function fileUrl(name, root) {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return new URL(`files/${path}`, root).href;
}

const KINDS = {
  picture: "avif bmp gif ico jpeg jpg png svg webp",
  film: "m4v mkv mov mp4 ogv webm",
  sound: "aac flac m4a mp3 oga ogg opus wav",
  text:
    "c cc cfg conf cpp cs css csv diff go h hpp htm html ini java js json " +
    "kt log lua md mjs nfo patch php pl py rb rs rst rtf scss sh sql srt svelte " +
    "swift tex toml ts tsv tsx txt vtt xml yaml yml zig",
};

/**
 * How the page can show a file. Uses the extension, as the gateway does for
 * the content type.
 * @param {string} name
 * @returns {"picture" | "film" | "sound" | "text" | "file"}
 */
export function kindOf(name) {
  const base = name.slice(name.lastIndexOf("/") + 1).toLowerCase();
  const extension = base.slice(base.lastIndexOf(".") + 1);
  for (
    const kind of /** @type {const} */ (["picture", "film", "sound", "text"])
  ) {
    if (KINDS[kind].split(" ").includes(extension)) return kind;
  }
  return /^(readme|license|changelog|makefile|dockerfile|containerfile)$/
      .test(base)
    ? "text"
    : "file";
}
