/**
 * `--metrics`: serves a role's metrics, health and status page over HTTP.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { isLoopback } from "../../base/address.ts";
import { type Endpoint, formatEndpoint } from "../../base/conn.ts";
import {
  EXPOSITION_TYPE,
  formatExposition,
  type MetricFamily,
} from "../../ops/exposition.ts";
import { LIMITS } from "../../base/limits.ts";
import { isGranted } from "../../base/permission.ts";
import { type HttpResponse, serveHttp } from "../../http/server.ts";
import type { NodeTrouble, RelayTrouble } from "../../ops/metrics.ts";
import { type Reading, readingOf, type Samples } from "../../ops/samples.ts";
import { startSampling } from "../../ops/sampling.ts";
import { renderStatusPage, STATUS_STYLE } from "../../ops/status_page.ts";
import { STATUS_CSS } from "../../ops/status_style.ts";
import { VERSION } from "../../base/version.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { listening } from "./role.ts";
import type { Terminal } from "../output/terminal.ts";

type Trouble = RelayTrouble | NodeTrouble;

/** The subject of the metrics. */
export interface Watched {
  /** Its role. */
  readonly role: "relay" | "node";
  /** Its metrics now. */
  families(): readonly MetricFamily[];
  /** Why it is unhealthy; empty if it is healthy. */
  troubles(): readonly Trouble[] | Promise<readonly Trouble[]>;
  /** Further fields of the health answer. */
  health?(): Readonly<Record<string, string>>;
}

/**
 * Serves the metrics, the health and the status page of a role, if the options
 * say so. The caller disposes of it.
 *
 * @throws {Failure} of kind `local` if the address cannot be bound.
 */
export async function serveMetrics(
  at: Endpoint | undefined,
  terminal: Terminal,
  watched: Watched,
): Promise<AsyncDisposable | null> {
  if (at === undefined) return null;
  const read = () => readingNow(watched);
  using stack = new DisposableStack();
  const { samples } = stack.use(startSampling(read, LIMITS));
  const start = () =>
    serveHttp({
      at,
      limits: LIMITS,
      onError: (error) => terminal.error(error),
      routes: {
        "/": () => statusOf(watched, samples),
        [`/${STATUS_STYLE}`]: () => ({
          status: 200,
          type: "text/css; charset=utf-8",
          body: STATUS_CSS,
        }),
        "/metrics": () => metricsOf(watched),
        "/healthz": () => healthOf(watched),
      },
    });
  const server = await listening(
    { ...at, option: "metrics" },
    Promise.try(start),
  );
  const { host, port } = server.address;
  terminal.event<CliEvent>({ event: "metrics_listening", host, port });
  terminal.fact(`metrics on http://${formatEndpoint({ host, port })}/metrics`);
  if (!isLoopback(host)) {
    terminal.note(
      "warning: --metrics: anyone who can reach this address can read the metrics",
    );
  }
  const sampling = stack.move();
  return {
    [Symbol.asyncDispose]: async () => {
      sampling.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

function readingNow({ families }: Watched): Reading {
  return readingOf([...families(), ...processFamilies()]);
}

async function statusOf(
  watched: Watched,
  samples: Samples,
): Promise<HttpResponse> {
  const body = renderStatusPage({
    role: watched.role,
    version: VERSION,
    reading: readingNow(watched),
    samples,
    troubles: await watched.troubles(),
    now: performance.now(),
    upMs: performance.now(),
    sampleMs: LIMITS.sampleMs,
  });
  return { status: 200, type: "text/html; charset=utf-8", body };
}

function metricsOf({ role, families }: Watched): HttpResponse {
  const text = formatExposition([
    {
      name: "relay_p2p_build_info",
      help: "1, with the version and the role.",
      type: "gauge",
      samples: [{ labels: { version: VERSION, role }, value: 1 }],
    },
    ...families(),
    ...processFamilies(),
  ]);
  return { status: 200, type: EXPOSITION_TYPE, body: text };
}

async function healthOf({ troubles, health }: Watched): Promise<HttpResponse> {
  const reasons = await troubles();
  const isWell = reasons.length === 0;
  const status = isWell ? "ok" : "degraded";
  return {
    status: isWell ? 200 : 503,
    type: "application/json",
    body: JSON.stringify({ status, reasons, ...health?.() }) + "\n",
  };
}

// The usual names for these, so that ready-made dashboards show them.
function processFamilies(): MetricFamily[] {
  const { user, system } = cpuUsage();
  const families: MetricFamily[] = [
    {
      name: "process_resident_memory_bytes",
      help: "Memory of this process in RAM, in bytes.",
      type: "gauge",
      samples: [{ value: Deno.memoryUsage().rss }],
    },
    {
      name: "process_cpu_seconds_total",
      help: "Processor time of this process, in seconds.",
      type: "counter",
      samples: [{ value: (user + system) / 1e6 }],
    },
    {
      name: "process_start_time_seconds",
      help: "When this process started, in seconds since 1970.",
      type: "gauge",
      samples: [{ value: performance.timeOrigin / 1000 }],
    },
  ];
  const descriptors = openDescriptors();
  if (descriptors !== undefined) {
    families.push({
      name: "process_open_fds",
      help: "File descriptors that are open.",
      type: "gauge",
      samples: [{ value: descriptors }],
    });
  }
  return families;
}

const DESCRIPTORS = "/proc/self/fd";

/**
 * Number of open descriptors, if the system reports it and Deno already has the
 * permission to read it.
 */
function openDescriptors(): number | undefined {
  if (!isGranted({ name: "read", path: DESCRIPTORS })) return;
  try {
    // One of them belongs to the folder itself.
    return [...Deno.readDirSync(DESCRIPTORS)].length - 1;
  } catch {
    return undefined; // this system has no such folder
  }
}
