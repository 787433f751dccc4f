/**
 * Tracks whether the relays list the node of `send`.
 *
 * @module
 */

import type { FurtherRelay } from "../../access/further_relay.ts";
import { formatEndpoint } from "../../base/conn.ts";
import type { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { within } from "../../base/waiting.ts";
import type { NodeEvent } from "../../node/server.ts";
import type { EventPrinter } from "./event_printer.ts";

/** The node at one relay. */
interface LifeAtRelay {
  /** The relay, with its id once it is known. */
  relay: FurtherRelay;
  /** Whether it refuses the node permanently. */
  isEnded: boolean;
  /** The result of its attempts so far. */
  outcome: "listed" | Failure | undefined;
  /** Resolves when there is an outcome. */
  readonly tried: PromiseWithResolvers<void>;
}

/** Whether the relays list the node: `send` waits for that. */
export class NodeLife {
  readonly #printer: EventPrinter;
  /** By the name in events, in the order of the relays. */
  readonly #relays: ReadonlyMap<string, LifeAtRelay>;
  readonly #ended = Promise.withResolvers<never>();
  /** Rejects when the node cannot continue at any relay. */
  readonly ended: Promise<never> = this.#ended.promise;

  constructor(printer: EventPrinter, relays: readonly FurtherRelay[]) {
    this.#printer = printer;
    this.#relays = new Map(relays.map((relay) => [
      formatEndpoint(relay.address),
      {
        ...{ relay, isEnded: false, outcome: undefined },
        tried: Promise.withResolvers(),
      },
    ]));
    this.#ended.promise.catch(() => {}); // reported where it is awaited
  }

  /**
   * Returns the relays that list the node: the first, and those that follow
   * within `linkRelaysMs`.
   *
   * @throws {Failure} of the first relay if none does.
   */
  async registered(
    signal: AbortSignal,
  ): Promise<readonly [FurtherRelay, ...FurtherRelay[]]> {
    const lives = [...this.#relays.values()];
    const tried = lives.map((life) => life.tried.promise);
    const listed = lives.map(async (life) => {
      await life.tried.promise;
      if (life.outcome !== "listed") throw life.outcome;
    });
    await Promise.any(listed).catch(() => {}); // none: thrown below
    await within(Promise.all(tried), LIMITS.linkRelaysMs, signal);
    const [first, ...others] = lives
      .flatMap(({ outcome, relay }) => outcome === "listed" ? [relay] : []);
    if (first === undefined) throw lives[0]!.outcome;
    return [first, ...others];
  }

  note(event: NodeEvent): void {
    switch (event.event) {
      case "registered":
        return settle(this.#at(event.relay), "listed");
      case "registration_failed":
        // Later on it tries again by itself.
        return settle(this.#at(event.relay), event.error);
      case "outdated":
      case "turned_away":
        return this.#lose(event);
      case "relay_unverified":
      case "relay_remembered":
      case "relay_changed": {
        const life = this.#at(event.relay);
        const address = { ...life.relay.address, id: event.id };
        life.relay = { ...life.relay, address };
        return this.#printer.onEvent(event);
      }
      case "relay_motd":
      case "relay_version_differs":
      case "relay_open":
      case "clock_gap":
        return this.#printer.onEvent(event);
    }
  }

  #lose({ relay, error }: { relay: string; error: Failure }): void {
    const life = this.#at(relay);
    life.isEnded = true;
    settle(life, error);
    const all = [...this.#relays.values()];
    if (all.every(({ isEnded }) => isEnded)) this.#ended.reject(error);
  }

  #at(relay: string): LifeAtRelay {
    const life = this.#relays.get(relay);
    if (life === undefined) throw new TypeError(`No such relay: ${relay}`);
    return life;
  }
}

function settle(life: LifeAtRelay, outcome: LifeAtRelay["outcome"]): void {
  if (life.outcome !== "listed") life.outcome = outcome;
  life.tried.resolve();
}
