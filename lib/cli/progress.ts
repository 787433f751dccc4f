/**
 * Progress in one line.
 *
 * @module
 */

import type { Progress } from "../client/events.ts";

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** Bytes as people say them, in powers of 1000. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit++;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : 1;
  return `${amount.toFixed(digits)} ${UNITS[unit]}`;
}

/** Seconds as `m:ss` or `h:mm:ss`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
  ];
  return hours > 0
    ? `${hours}:${pad(minutes)}:${pad(whole % 60)}`
    : `${minutes}:${pad(whole % 60)}`;
}

/** Part, rate, time left, sources in use. */
export function formatProgress(progress: Progress): string {
  const { received, total, bytesPerSecond, files, fileCount, nodes, paths } =
    progress;
  const percent = total === 0 ? 0 : Math.floor(100 * received / total);
  const left = bytesPerSecond > 0
    ? `${formatSeconds((total - received) / bytesPerSecond)} left`
    : "waiting";
  return [
    `${String(percent).padStart(3)} %`,
    `${formatBytes(received)} of ${formatBytes(total)}`,
    ...(fileCount > 1 ? [`${files} of ${fileCount} files`] : []),
    `${formatBytes(bytesPerSecond)}/s`,
    left,
    `${nodes} ${nodes === 1 ? "node" : "nodes"}`,
    ...(paths.tunnel > 0
      ? [`${formatBytes(paths.tunnel)} through the relay`]
      : []),
  ].join("  ");
}
