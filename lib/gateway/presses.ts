/**
 * The presses of a link's button. A second press in the same page, because of a
 * double click or because the download was interrupted, takes over the use of
 * the first. Pure: time is an argument.
 *
 * @module
 */

import { toBase64Url } from "../access/keys.ts";
import type { Limits } from "../base/limits.ts";
import { GroupSizes, placeToEvict } from "../guard/eviction.ts";

/** A press: one use of the link, whatever number of downloads it takes. */
export interface Press {
  /** Identifies the fetch for the relay. */
  readonly fetch: string;
  /** Whether all of the file was sent once. */
  isDelivered: boolean;
  /** Ends the download that is under way. */
  end?: (() => void) | undefined;
  /** When it is forgotten; not while it waits for its file. */
  until: number;
}

/** A press that is remembered, and the group of the address that it is from. */
interface Known {
  readonly press: Press;
  readonly group: string;
}

const FETCH_BYTES = 16;

/** Remembers presses for a while. */
export class Presses {
  readonly #limits: Limits;
  readonly #known = new Map<string, Known>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * A press in a page, which gives its `id`: the same again while it is
   * remembered. Without an id it is always a new one. It counts for `group`: if
   * there are too many, one of the group with most is forgotten.
   */
  of(
    link: string,
    { id, group, now }: { id: string | undefined; group: string; now: number },
  ): Press {
    if (id === undefined || !/^[\w-]{16,64}$/.test(id)) return fresh();
    const key = `${id} ${link}`;
    const known = this.#known.get(key)?.press;
    const press = known !== undefined && known.until > now ? known : fresh();
    this.#known.delete(key);
    this.#known.set(key, { press, group });
    if (this.#known.size > this.#limits.gatewayPressCount) this.#forgetOne();
    return press;
  }

  /** Anybody can send links, so no address makes it forget those of others. */
  #forgetOne(): void {
    const sizes = new GroupSizes(this.#known.values());
    const loser = placeToEvict(this.#known, {
      sizeOf: ([, { group }]) => sizes.of(group),
    });
    if (loser !== undefined) this.#known.delete(loser[0]);
  }

  /** A download of a press begins. */
  begun(press: Press, end: () => void): void {
    press.end = end;
    if (!press.isDelivered) press.until = Infinity;
  }

  /** All of the file was sent. Only the first time counts. */
  delivered(press: Press, now: number): void {
    if (press.isDelivered) return;
    press.isDelivered = true;
    press.until = now + this.#limits.gatewayPressAgainMs;
  }

  /** A download of a press has ended. */
  ended(press: Press, now: number): void {
    press.end = undefined;
    if (press.isDelivered) return;
    press.until = now + this.#limits.gatewayPressRetryMs;
  }
}

function fresh(): Press {
  const bytes = crypto.getRandomValues(new Uint8Array(FETCH_BYTES));
  return { fetch: toBase64Url(bytes), isDelivered: false, until: Infinity };
}
