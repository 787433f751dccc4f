/**
 * Servers of others to compare with, as processes on ports of their own.
 */

import { basename, dirname, join } from "@std/path";
import { Lines } from "../e2e/_processes.ts";
import { hasTool } from "../_tools.ts";
import { LIBTORRENT_SCRIPT, PYTHON } from "./_libtorrent.ts";

// For a server that does not end when it is stopped.
const TERMINATION_MS = 5_000;

/** Where a program is, /usr/sbin included. */
export function findProgram(name: string): string | undefined {
  return [name, join("/usr/sbin", name)].find(hasTool);
}

/** A server that runs. Disposing ends it. */
interface Server extends AsyncDisposable {
  /** What it said when it was ready. */
  readonly ready: RegExpExecArray;
  readonly pid: number;
}

/** Starts a server and waits for a line on either of its outputs. */
async function startServer(
  [program = "", ...args]: readonly string[],
  ready: RegExp,
): Promise<Server> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped", // stays open: rsync takes /dev/null for inetd's socket
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const outputs = [new Lines(child.stdout), new Lines(child.stderr)];
  const end = async () => {
    await child.stdin.close().catch(() => {}); // it ended before
    try {
      child.kill("SIGTERM"); // and not SIGKILL: nginx has workers to end
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // ended just now
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), TERMINATION_MS);
    await child.status;
    clearTimeout(timer);
  };
  try {
    const found = await Promise.any(
      outputs.map((output) => output.until(ready)),
    );
    return { ready: found, pid: child.pid, [Symbol.asyncDispose]: end };
  } catch {
    await end();
    const said = outputs.flatMap(({ all }) => all).join("\n");
    throw new Error(`Cannot start ${program}: ${said}`);
  }
}

/** Runs a program that prepares something. */
export async function run(
  [program = "", ...args]: readonly string[],
): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args })
    .output();
  if (code === 0) return;
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  throw new Error(`${program}: exit code ${code}: ${said.join("").trim()}`);
}

/** A port that was free just now, for servers that cannot pick one. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server and where it serves what, each address without a slash at its end. */
export type Serving<Scheme extends string> =
  & AsyncDisposable
  & Readonly<Record<Scheme, string>>;

/** nginx with `directory` over HTTP, and over HTTPS with TLS 1.3 and P-256. */
export async function serveNginx(
  directory: string,
  folder: string,
): Promise<Serving<"http" | "https">> {
  const [http, https] = [freePort(), freePort()];
  const path = (name: string) => join(folder, `nginx-${name}`);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  await run([
    ...["openssl", "req", "-x509", ...curve, "-nodes", "-days", "2"],
    ...["-subj", "/CN=127.0.0.1", "-keyout", path("key"), "-out", path("cert")],
  ]);
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  await Deno.writeTextFile(
    path("conf"),
    `
${Deno.uid() === 0 ? "user root;" : ""}
daemon off;
worker_processes 2;
pid ${path("pid")};
error_log stderr notice;
events {}
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  ${scratch.map((name) => `${name}_temp_path ${path("temp")};`).join("\n  ")}
  server {
    listen 127.0.0.1:${http};
    listen 127.0.0.1:${https} ssl;
    ssl_certificate ${path("cert")};
    ssl_certificate_key ${path("key")};
    ssl_protocols TLSv1.3;
    root ${directory};
  }
}
`,
  );
  const server = await startServer(
    [findProgram("nginx") ?? "", "-e", "stderr", "-c", path("conf")],
    /start worker processes/,
  );
  return Object.assign(server, {
    http: `http://127.0.0.1:${http}`,
    https: `https://127.0.0.1:${https}`,
  });
}

/** An rsync daemon with `directory`. */
export async function serveRsync(
  directory: string,
  folder: string,
): Promise<Serving<"rsync">> {
  const port = freePort();
  const configuration = join(folder, "rsyncd.conf");
  await Deno.writeTextFile(
    configuration,
    `
${Deno.uid() === 0 ? "uid = root\ngid = root" : ""}
use chroot = no
reverse lookup = no
[share]
  path = ${directory}
  read only = yes
`,
  );
  const server = await startServer(
    [
      ...["rsync", "--daemon", "--no-detach", "--address=127.0.0.1"],
      ...[`--port=${port}`, `--config=${configuration}`],
      "--log-file=/dev/stderr",
    ],
    /starting, listening on port/,
  );
  return Object.assign(server, { rsync: `rsync://127.0.0.1:${port}/share` });
}

/** The floor's server of one file, and the command that fetches it in lanes. */
export async function serveFloor(
  { file, bytes, lanes, tls }: {
    file: string;
    bytes: number;
    lanes: number;
    tls: boolean;
  },
  folder: string,
): Promise<
  AsyncDisposable & { pid: number; command: (output: string) => string[] }
> {
  const mode = tls ? "tls" : "plain";
  const path = (name: string) => join(folder, `floor-${mode}-${name}`);
  const [key, cert] = [path("key"), path("cert")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  await run([
    ...["openssl", "req", "-x509", ...curve, "-nodes", "-days", "2"],
    ...["-subj", "/CN=floor.invalid"],
    ...["-addext", "subjectAltName=DNS:floor.invalid"],
    ...["-addext", "basicConstraints=CA:FALSE"],
    ...["-keyout", key, "-out", cert],
  ]);
  const script = (name: string) => [
    ...[Deno.execPath(), "run", "-A", "--no-check"],
    new URL(`./_floor_${name}.ts`, import.meta.url).pathname,
  ];
  const server = await startServer(
    [...script("server"), mode, file, cert, key],
    /^floor at (\d+)$/,
  );
  const [, port = ""] = server.ready;
  return Object.assign(server, {
    command: (output: string) => [
      ...[...script("client"), port, String(lanes), String(bytes)],
      ...[join(output, basename(file)), ...tls ? [cert] : []],
    ],
  });
}

/** A libtorrent seed of one file, and the command that fetches it. */
export async function serveTorrent(
  file: string,
  folder: string,
): Promise<AsyncDisposable & { command: (output: string) => string[] }> {
  const script = join(folder, "torrent.py");
  const torrent = join(folder, "big.torrent");
  await Deno.writeTextFile(script, LIBTORRENT_SCRIPT);
  await run([PYTHON, script, "make", file, torrent]);
  const server = await startServer(
    [PYTHON, script, "seed", torrent, dirname(file)],
    /^seeding on (\d+)$/,
  );
  const [, port = ""] = server.ready;
  return Object.assign(server, {
    command: (output: string) => [
      PYTHON,
      script,
      ...["leech", torrent, output, port],
    ],
  });
}
