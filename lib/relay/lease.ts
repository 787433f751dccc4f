/**
 * The requests and answers of a registry: registrations, leases, pages.
 *
 * @module
 */

/** A registration whose signature has been checked. */
export interface Registration {
  /** Id of the node. */
  readonly id: string;
  /** Distinguishes processes with the same identity. */
  readonly instance: string;
  /** Rises with every registration of one node. */
  readonly sequence: number;
  /** The node's part of a listing, packed by the caller. */
  readonly entry: string;
  /** Bytes of the entry on a page, unpacked. */
  readonly listedBytes: number;
  /** The host from which the node connected. */
  readonly observedHost: string;
  /** The address group of that host. */
  readonly source: string;
}

/** A node's listing until `expiresAt`. */
export interface Lease extends Registration {
  /** When the node last registered or renewed, on the caller's clock. */
  readonly renewedAt: number;
  /** End of the lease, in milliseconds on the caller's monotonic clock. */
  readonly expiresAt: number;
  /**
   * The instance of the relay that granted it, if several share one registry;
   * empty for this one.
   */
  readonly holder: string;
  /** Whether the node is attached to that instance, if it is another one. */
  readonly isAttachedThere: boolean;
}

/** A lease that another instance of the relay has granted. */
export interface Replica extends Registration {
  /** That instance. */
  readonly holder: string;
  /** Milliseconds until the lease ends. */
  readonly leftMs: number;
  /** Whether the node is attached to that instance. */
  readonly isAttachedThere: boolean;
}

/** The outcome of a replica. */
export type MergeOutcome =
  /** It is listed, or replaces an older registration of the node. */
  | "taken"
  /** It is the registration that is listed, and its time was updated. */
  | "extended"
  /**
   * A newer one is listed, or the node has withdrawn since, or it has ended.
   */
  | "stale"
  /** There is no room. */
  | "full";

/** Data about an id that outlives its lease for a while. */
export interface History {
  sequence: number;
  /** Registrations and renewals since `windowAt`. */
  windowCount: number;
  windowAt: number;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A lease as the registry stores it. */
export interface MutableLease extends Mutable<Lease>, History {
  /** The process that had the lease before `instance`. */
  displaced: string | undefined;
  /**
   * When the heap next checks whether the granted time of this lease is over;
   * it must not change while the lease is in the heap.
   */
  checkAt: number;
  /** Index in the dense array; -1 when the lease has ended. */
  index: number;
}

/** How long leases last and how often to renew; the relay sets both. */
export interface LeaseTerms {
  /** Seconds until the lease ends. */
  readonly leaseSeconds: number;
  /** Seconds after which the node should renew, give or take 10 %. */
  readonly renewSeconds: number;
}

/** Why a registration was refused. */
export type RegisterRefusal =
  | "identity_used_twice"
  | "stale_sequence"
  | "registering_too_fast"
  | "registry_full"
  | "too_many_nodes_for_address";

/** The outcome of a renewal without a signature. */
export type RenewOutcome =
  | { readonly kind: "granted"; readonly terms: LeaseTerms }
  | {
    readonly kind: "refused";
    readonly reason: "unknown" | "registering_too_fast";
  };

/** The outcome of a registration. */
export type RegisterOutcome =
  | {
    readonly kind: "granted";
    readonly terms: LeaseTerms;
    /** Whether the node had no lease before. */
    readonly isNew: boolean;
  }
  | { readonly kind: "refused"; readonly reason: RegisterRefusal };

/** A part of the listing. */
export interface Page {
  /** Nodes registered now, on all pages, as the registry counts them. */
  readonly count: number;
  /** Entries on this page. */
  readonly entries: readonly string[];
  /** Their leases, in the same order. */
  readonly leases: readonly Lease[];
  /** When the first of their leases ends; Infinity if there is none. */
  readonly trueUntil: number;
  /** The cursor of the next page; absent on the last one. */
  readonly cursor?: string;
}
