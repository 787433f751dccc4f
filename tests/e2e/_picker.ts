import { nodeHere, relayHere } from "../_scenery.ts";

export const EXPECT = ["expect", "stty"];

export const TMUX = ["tmux", "stty"];

/** A relay, and two nodes that share the files of the demo. */
export async function demo() {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await relayHere());
  const alpha = stack.use(
    await nodeHere(relay, "files/one", { name: "alpha" }),
  );
  const beta = stack.use(
    await nodeHere(relay, "files/two", { name: "beta" }),
  );
  const owned = stack.move();
  return {
    ...{ relay, alpha, beta },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What the dialogue has always printed, where it is not on a terminal. */
export function plainTranscript(
  place: Awaited<ReturnType<typeof demo>>,
  name: string,
  rest: readonly string[],
): string {
  const { alpha, beta } = place;
  return [
    "relay says: hello, this is the relay",
    "peer node count: 2",
    `1  alpha  127.0.0.1:${alpha.port}`,
    `2  beta   127.0.0.1:${beta.port}`,
    `file name: ${name}`,
    ...rest,
    "",
  ].join("\n");
}

export const NO_NAME =
  "error: Cannot ask for file (): a name must not be empty";

export const SIZE = { columns: 78, rows: 14 };
