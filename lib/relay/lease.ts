/**
 * The requests and answers of a registry: registrations, leases, pages.
 *
 * @module
 */

/** What a node asks to be listed as. Its proof has been checked already. */
export interface Registration {
  /** Id of the node. */
  readonly id: string;
  /** Tells processes with the same identity apart. */
  readonly instance: string;
  /** Rises with every registration of one node. */
  readonly sequence: number;
  /** What the listing says of the node, packed by the caller. */
  readonly entry: string;
  /** Bytes of that on a page, unpacked. */
  readonly listedBytes: number;
  /** The host it was seen to register from. */
  readonly observedHost: string;
  /** That host's group, as the caller counts addresses. */
  readonly source: string;
}

/** A node's listing until `expiresAt`. */
export interface Lease {
  /** Id of the node. */
  readonly id: string;
  /** The process that holds the lease. */
  readonly instance: string;
  /** The newest sequence number seen. */
  readonly sequence: number;
  /** What the listing says of the node, as the caller packed it. */
  readonly entry: string;
  /** Bytes of that on a page. */
  readonly listedBytes: number;
  /** The host it was last seen to register from. */
  readonly observedHost: string;
  /** That host's group. */
  readonly source: string;
  /** End of the lease, in milliseconds on the caller's monotonic clock. */
  readonly expiresAt: number;
}

/** How long leases last and how often to renew; the relay dictates both. */
export interface LeaseTerms {
  /** Seconds until the lease ends. */
  readonly leaseSeconds: number;
  /** Seconds after which the node is to renew, give or take 10 %. */
  readonly renewSeconds: number;
}

/** Why a registration was refused. */
export type RegisterRefusal =
  | "identity_used_twice"
  | "stale_sequence"
  | "registering_too_fast"
  | "registry_full"
  | "too_many_nodes_for_address";

/** What became of a registration. */
export type RegisterOutcome =
  | {
    readonly kind: "granted";
    readonly terms: LeaseTerms;
    /** Whether the node held no lease before. */
    readonly isNew: boolean;
  }
  | { readonly kind: "refused"; readonly reason: RegisterRefusal };

/** A part of the listing. */
export interface Page {
  /** Nodes registered at this moment, on all pages; as the registry counts them. */
  readonly count: number;
  /** Entries on this page. */
  readonly entries: readonly string[];
  /** The ids of their nodes, in the same order. */
  readonly ids: readonly string[];
  /** When the first of their leases ends; Infinity where there is none. */
  readonly trueUntil: number;
  /** Asks for the next page; absent on the last one. */
  readonly cursor?: string;
}
