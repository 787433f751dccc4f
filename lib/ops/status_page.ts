/**
 * The status page of a relay or a node: its last hour in counts, as HTML
 * without script. Pure.
 *
 * It is made of metrics alone, so it holds no name, id or address either.
 *
 * @module
 */

import { type Markup, markup } from "../base/html.ts";
import { counted } from "../base/text.ts";
import { formatBytes, formatSeconds } from "../base/units.ts";
import type { NodeTrouble, RelayTrouble } from "./metrics.ts";
import { plotBars, plotLevels, sumsOver } from "./plot.ts";
import { labelsIn, type Reading, type Samples, valueIn } from "./samples.ts";
import {
  type Card,
  CARDS,
  type CountTable,
  TABLES,
  TROUBLES,
} from "./status_parts.ts";

type Trouble = RelayTrouble | NodeTrouble;

/** What a status page shows. */
export interface StatusModel {
  /** The role. */
  readonly role: "relay" | "node";
  /** The version of the program. */
  readonly version: string;
  /** The metrics now. */
  readonly reading: Reading;
  /** Those of the last hour. */
  readonly samples: Samples;
  /** Why the role is unhealthy; empty if it is healthy. */
  readonly troubles: readonly Trouble[];
  /** The time now, on the clock of the samples. */
  readonly now: number;
  /** How long the process has run, in milliseconds. */
  readonly upMs: number;
  /** Time between two samples. */
  readonly sampleMs: number;
}

const HOUR_MS = 3_600_000;
const BAR_COUNT = 60;
const REFRESH_SECONDS = 10;

/** The name of the page's style sheet, in the same folder as the page. */
export const STATUS_STYLE = "status.css";

/** The page, complete. */
export function renderStatusPage(model: StatusModel): string {
  const { role, version, upMs, troubles } = model;
  const isWell = troubles.length === 0;
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="refresh" content="${REFRESH_SECONDS}">
        <title>${isWell ? "" : "(!) "}${role} · relay-p2p</title>
        <link rel="stylesheet" href="${STATUS_STYLE}">
      </head>
      <body>
        <header>
          <h1>relay-p2p <b>${role}</b></h1>
          <p>version ${version}, running for ${formatSpan(upMs)}</p>
        </header>
        <main>
          ${healthOf(troubles)}
          <section aria-labelledby="hour">
            <h2 id="hour">${
    upMs < HOUR_MS ? "Since the start" : "The last hour"
  }</h2>
            <div class="cards">
              ${CARDS[role].map((card) => cardOf(card, model))}
            </div>
          </section>
          <section aria-labelledby="counts">
            <h2 id="counts">Counts</h2>
            <div class="tables">
              ${TABLES[role].map((table) => tableOf(table, model))}
              ${processOf(model)}
            </div>
          </section>
        </main>
        <footer>
          <p>Counts only: no name, no id, no address. This page reloads every ${REFRESH_SECONDS} seconds. For programs: <a href="metrics">metrics</a>, <a href="healthz">health</a>.</p>
        </footer>
      </body>
    </html>
  `.text;
}

function healthOf(troubles: readonly Trouble[]): Markup {
  if (troubles.length === 0) {
    return markup`<p class="health well">All is well.</p>`;
  }
  return markup`
    <div class="health ill" role="alert">
      <h2>Not well</h2>
      <ul>${
    troubles.map((trouble) =>
      markup`<li><b>${TROUBLES[trouble]}</b> <code>${trouble}</code></li>`
    )
  }</ul>
    </div>
  `;
}

function cardOf(card: Card, model: StatusModel): Markup {
  const { figure, words, plot } = card.kind === "level"
    ? levelCard(card, model)
    : counterCard(card, model);
  return markup`
    <article>
      <h3>${card.title}</h3>
      <p class="figure">${figure}</p>
      ${plot}
      <p class="axis"><span>1 hour ago</span><span>now</span></p>
      <p class="words">${words}</p>
    </article>
  `;
}

/** The parts of a card. */
interface CardParts {
  readonly figure: string;
  readonly words: string;
  readonly plot: Markup;
}

function levelCard(card: Card, model: StatusModel): CardParts {
  const { samples, reading, now, sampleMs } = model;
  const format = (value: number) => formatValue(value, card.unit);
  const current = valueIn(reading, card.name);
  const from = now - HOUR_MS;
  const points = [
    ...samples.levels(card.name).filter(({ at }) => at >= from),
    { at: now, value: current },
  ];
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const most = Math.max(...values);
  const words = least === most
    ? "did not change"
    : `between ${format(least)} and ${format(most)}`;
  const label = `${card.title} over the last hour: ${words}, now ${
    format(current)
  }`;
  const gapMs = 3 * sampleMs;
  const plot = plotLevels(points, { from, to: now, gapMs, label });
  return { figure: format(current), words, plot };
}

function counterCard(card: Card, model: StatusModel): CardParts {
  const { samples, now } = model;
  const format = (value: number) => formatValue(value, card.unit);
  const from = now - HOUR_MS;
  const sums = sumsOver(samples.rises(card.name), {
    ...{ from, to: now },
    count: BAR_COUNT,
  });
  const total = sums.reduce((sum, value) => sum + value, 0);
  const most = Math.max(...sums);
  const words = most === 0
    ? "none in this hour"
    : `at most ${format(most)} in a minute`;
  const label = `${card.title} by the minute, over the last hour: ${
    format(total)
  } in all, ${words}`;
  return { figure: format(total), words, plot: plotBars(sums, { label }) };
}

function tableOf({ title, name }: CountTable, model: StatusModel): Markup {
  const { reading, samples } = model;
  const rows = labelsIn(reading, name).map((label) => ({
    label: label.replaceAll("_", " "),
    hour: samples.rise(`${name} ${label}`),
    total: valueIn(reading, `${name} ${label}`),
  })).filter(({ total }) => total > 0);
  if (rows.length === 0) {
    return markup`
      <table>
        <caption>${title}</caption>
        <tbody>
          <tr>
            <td>none</td>
          </tr>
        </tbody>
      </table>
    `;
  }
  return markup`
    <table>
      <caption>${title}</caption>
      <thead>
        <tr>
          <th scope="col">which</th>
          <th scope="col">last hour</th>
          <th scope="col">since the start</th>
        </tr>
      </thead>
      <tbody>${
    rows.map(({ label, hour, total }) =>
      markup`
          <tr>
            <th scope="row">${label}</th>
            <td>${formatCount(hour)}</td>
            <td>${formatCount(total)}</td>
          </tr>
        `
    )
  }</tbody>
    </table>
  `;
}

function processOf({ reading, upMs }: StatusModel): Markup {
  const cpu = valueIn(reading, "process_cpu_seconds_total");
  const rows: [string, string][] = [
    [
      "memory",
      formatBytes(valueIn(reading, "process_resident_memory_bytes")),
    ],
    ["processor, since the start", `${(cpu / upMs * 1e5).toFixed(1)} %`],
    [
      "connections that failed",
      formatCount(valueIn(
        reading,
        "relay_p2p_connections_failed_total",
      )),
    ],
  ];
  if (reading.has("process_open_fds")) {
    rows.push([
      "open file descriptors",
      formatCount(valueIn(reading, "process_open_fds")),
    ]);
  }
  return markup`
    <table>
      <caption>The process</caption>
      <tbody>${
    rows.map(([label, value]) =>
      markup`
          <tr>
            <th scope="row">${label}</th>
            <td>${value}</td>
          </tr>
        `
    )
  }</tbody>
    </table>
  `;
}

function formatValue(value: number, unit: Card["unit"]): string {
  return unit === "bytes" ? formatBytes(value) : formatCount(value);
}

/** A whole number in groups of three digits. */
function formatCount(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function formatSpan(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  const rest = formatSeconds((ms - days * 86_400_000) / 1_000);
  return days === 0 ? rest : `${counted(days, "day")} and ${rest}`;
}
