/**
 * A TCP front of the instances of a relay, in a worker. Each connection goes to
 * the next instance, from an address of its own in 127.0.0.0/8, so that the
 * limits which hold for one address are the default ones. One that an instance
 * does not accept goes to the next.
 */

import { connect, createServer, type Socket } from "node:net";
import { hostOf } from "./_big_relay.ts";

/** Connections from one address. */
const PER_HOST = 8;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<number[]>) => void;
  postMessage: (port: number) => void;
};
let ports: number[] = [];
let count = 0;

function pass(socket: Socket, tries = 0): void {
  const n = count++;
  const port = ports[n % ports.length]!;
  const localAddress = hostOf(n, PER_HOST);
  const there = connect({ host: "127.0.0.1", port, localAddress });
  there.once("connect", () => {
    there.off("error", retry);
    there.setNoDelay(true);
    for (const [from, to] of [[socket, there], [there, socket]] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  function retry(): void {
    if (tries < 10) pass(socket, tries + 1);
    else socket.destroy();
  }
  there.once("error", retry);
}

const server = createServer((socket) => {
  socket.setNoDelay(true);
  pass(socket);
});
scope.onmessage = ({ data }) => ports = data;
server.listen(0, "127.0.0.1", () => {
  scope.postMessage((server.address() as { port: number }).port);
});
