/** Starts members of a swarm that do harm, in processes of their own. */

import { TextLineStream } from "@std/streams";

/** A liar and an idler, once they are listed. */
export async function startEvil(
  relay: string,
  path: string,
): Promise<AsyncDisposable> {
  const script = new URL("_evil_client.ts", import.meta.url).pathname;
  const processes = ["liar", "idler"].map((kind) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", script, kind, relay, path],
      stdin: "null",
      stdout: "piped",
    }).spawn()
  );
  await Promise.all(processes.map(async ({ stdout }) => {
    const lines = stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    const listed = Promise.withResolvers<void>();
    // Its further lines are read too, or it would end with a broken pipe.
    void lines.pipeTo(
      new WritableStream({
        write: (line) => {
          if (line === "holder_listed") listed.resolve();
        },
      }),
    );
    await listed.promise;
  }));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const process of processes) process.kill("SIGKILL");
      await Promise.all(processes.map(({ status }) => status));
    },
  };
}
