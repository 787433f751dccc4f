/**
 * Very many holders of contents at a relay: its memory, what a renewal and a
 * question cost it on a connection that is kept, and what a question costs that
 * comes by a connection of its own.
 */

import { eachOf } from "../_each_of.ts";
import { contentFingerprint } from "../../lib/content/fingerprints.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import {
  type Exchange,
  greetFrom,
  hostOf,
  identityMaker,
  messageIn,
  PEERS_PER_HOST,
} from "./_big_relay.ts";
import { mainThreadMs, ratePerSecond, residentBytes } from "./_figures.ts";
import { print } from "./_report.ts";

/** Holders of one content: a large swarm. */
const SWARM_COUNT = 100;
const AT_ONCE = 32;
/** Of the holders, those that ask: it takes long by connections of their own. */
const ASKING_COUNT = 1_000;
const KIB = 1024;

/** A connection of a client that becomes a holder. */
interface Client {
  readonly exchange: Exchange;
  readonly enter: Uint8Array;
  readonly n: number;
}

type Target = Parameters<typeof greetFrom>[1];

async function openClients(count: number, target: Target): Promise<Client[]> {
  const makeIdentity = await identityMaker();
  const clients: Client[] = [];
  await eachOf(Array(count).keys(), AT_ONCE, async (n) => {
    const host = hostOf(n, PEERS_PER_HOST);
    const { exchange, hello } = await greetFrom(host, target, "client");
    const signed = await signRegistration({
      purpose: "hold",
      relay: hello.id!,
      nonce: hello.nonce!,
      instance: crypto.getRandomValues(new Uint8Array(12)).toBase64(),
      sequence: 0,
      name: "",
      addresses: [], // nothing to dial: a dial is not to be measured
    }, await makeIdentity());
    const enter = encodeMessage({ kind: "enter", ...signed });
    clients.push({ exchange, enter, n });
  });
  return clients;
}

/** Says how much of the relay's main thread `work` needs for each client. */
async function sayCost(
  what: string,
  { pid, clients }: { pid: number; clients: readonly Client[] },
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const before = await mainThreadMs(pid);
  const rate = await ratePerSecond(clients, work);
  const ms = (await mainThreadMs(pid) - before) / clients.length;
  print(
    `  ${what}: ${rate.toFixed(0)} a second, ${ms.toFixed(2)} ms of the ` +
      `main thread each`,
  );
}

/** Opens `count` holders, and says what they cost. */
export async function benchHolders(count: number): Promise<void> {
  await using relay = await spawnRelay(["--host", "0.0.0.0", "--quiet", "0"]);
  const { pid } = relay;
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  const target = { at, plaintext: false };
  const contentOf = (n: number) =>
    contentFingerprint(relay.id, `${Math.floor(n / SWARM_COUNT)}`);
  const emptyBytes = await residentBytes(pid);
  const clients = await openClients(count, target);
  const idleBytes = await residentBytes(pid);
  const all = { pid, clients };
  await sayCost("enter", all, async ({ exchange, enter }) => {
    messageIn(await exchange.ask(enter), "entered");
  });
  const hold = async ({ exchange, n }: Client) => {
    const contents = [contentOf(n)];
    const frame = encodeMessage({ kind: "hold", contents });
    messageIn(await exchange.ask(frame), "held");
  };
  await sayCost("say what is held", all, hold);
  const heldBytes = await residentBytes(pid);
  const perConnection = (idleBytes - emptyBytes) / count / KIB;
  const perHolder = (heldBytes - idleBytes) / count / KIB;
  print(
    `  ${count} holders: ${perConnection.toFixed(1)} KiB for a connection, ` +
      `${perHolder.toFixed(1)} KiB more for a holder`,
  );
  await sayCost("renew", all, hold);
  const asking = { pid, clients: clients.slice(0, ASKING_COUNT) };
  for (const most of [8, 50]) {
    const ask = async ({ exchange, n }: Pick<Client, "exchange" | "n">) => {
      const content = contentOf(n);
      const frame = encodeMessage({ kind: "holders", content, most });
      const list = messageIn(await exchange.ask(frame), "holderList");
      if (list.holders.length !== most) throw new Error("too few holders");
    };
    await ratePerSecond(clients, hold); // the leases last a minute
    await sayCost(`ask for ${most} of ${SWARM_COUNT}`, asking, ask);
    await sayCost(
      `the same by a connection of its own`,
      asking,
      async ({ n }) => {
        const { exchange } = await greetFrom("127.0.0.1", target, "client");
        using _conn = exchange.conn;
        await ask({ exchange, n });
      },
    );
  }
  for (const { exchange } of clients) exchange.conn.close();
}
