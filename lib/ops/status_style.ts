/**
 * The style sheet of the status page. It is a module, because Deno reads a text
 * file only with `--allow-read` if the project is behind a symbolic link. Pure.
 *
 * @module
 */

/** CSS. */
export const STATUS_CSS = `:root {
  color-scheme: light dark;
  --paper: #faf9f7;
  --card: #ffffff;
  --ink: #1d1c1a;
  --quiet: #625f59;
  --rule: #e4e1db;
  --accent: #0f6b5c;
  --wash: #0f6b5c1f;
  --bad: #a4262c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141514;
    --card: #1c1e1c;
    --ink: #eceae6;
    --quiet: #a5a29b;
    --rule: #30322f;
    --accent: #5fd0b8;
    --wash: #5fd0b826;
    --bad: #ff9a94;
  }
}
* {
  box-sizing: border-box;
}
body {
  margin: 0 auto;
  max-width: 72rem;
  padding: 2rem clamp(1rem, 4vw, 2.5rem) 3rem;
  background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
  font-variant-numeric: tabular-nums;
}
header {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  justify-content: space-between;
  gap: 0 1.5rem;
}
h1 {
  margin: 0;
  font-size: 1.375rem;
  font-weight: 400;
  letter-spacing: -0.01em;
}
h2 {
  margin: 2.5rem 0 0.75rem;
  font-size: 1rem;
  font-weight: 600;
}
h3,
caption {
  margin: 0;
  color: var(--quiet);
  font-size: 0.875rem;
  font-weight: 500;
  text-align: start;
}
header p,
footer p,
.words,
.axis {
  margin: 0;
  color: var(--quiet);
  font-size: 0.875rem;
}
footer {
  margin-top: 3rem;
  padding-top: 1rem;
  border-top: 1px solid var(--rule);
}
a {
  color: var(--accent);
}
.health {
  margin: 1.5rem 0 0;
  padding: 0.75rem 1rem;
  border-inline-start: 3px solid var(--accent);
  border-radius: 2px;
  background: var(--wash);
}
.health h2 {
  margin: 0;
}
.health ul {
  margin: 0.25rem 0 0;
  padding-inline-start: 1.25rem;
}
.health b {
  font-weight: 400;
}
.health code {
  color: var(--quiet);
}
.ill {
  border-color: var(--bad);
  background: color-mix(in srgb, var(--bad) 10%, transparent);
}
.ill h2 {
  color: var(--bad);
}
.cards {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: 1rem;
}
article {
  padding: 1rem 1.125rem 0.875rem;
  border: 1px solid var(--rule);
  border-radius: 10px;
  background: var(--card);
}
.figure {
  margin: 0.125rem 0 0.75rem;
  font-size: 1.75rem;
  font-weight: 300;
  line-height: 1.2;
  letter-spacing: -0.02em;
}
svg {
  display: block;
  width: 100%;
  height: 4.5rem;
  overflow: visible;
  border-bottom: 1px solid var(--rule);
}
.line {
  fill: none;
  stroke: var(--accent);
  stroke-width: 1.75;
  stroke-linejoin: round;
  vector-effect: non-scaling-stroke;
}
.area {
  fill: var(--wash);
}
.bars {
  fill: var(--accent);
}
.axis {
  display: flex;
  justify-content: space-between;
  padding-top: 0.25rem;
  font-size: 0.75rem;
}
.tables {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  gap: 2rem 2.5rem;
  align-items: start;
}
table {
  width: 100%;
  border-collapse: collapse;
  font-size: 0.9375rem;
}
caption {
  padding-bottom: 0.375rem;
}
th,
td {
  padding: 0.375rem 0;
  border-top: 1px solid var(--rule);
  text-align: end;
  vertical-align: baseline;
}
th {
  font-weight: 400;
}
thead th {
  color: var(--quiet);
  font-size: 0.75rem;
}
th:first-child,
td:only-child {
  text-align: start;
}
`;
