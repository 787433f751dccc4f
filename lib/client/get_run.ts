/**
 * One run of `getFiles`: asks the nodes, chooses contents, and has the files
 * saved while more are asked for.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import { Failure } from "../base/errors.ts";
import type { BaseFile } from "../disk/base_file.ts";
import type { Hasher } from "../transfer/hashing.ts";
import type { Lanes } from "../transfer/lanes.ts";
import type { NodeSession } from "../transfer/session.ts";
import { followedBy } from "./ahead.ts";
import { Asking, type FoundNode } from "./ask_node.ts";
import type { Candidates } from "./candidates.ts";
import { Choosing } from "./choosing.ts";
import { Clashes } from "./clashes.ts";
import { boundsOf, hasherFor, lanesFor, sourceOf } from "./downloading.ts";
import { DryRun } from "./dry_run.ts";
import type { ClientEvent } from "./events.ts";
import {
  asMismatch,
  exhausted,
  hasNoSum,
  nobodyHasAny,
  notListedWhole,
} from "./failures.ts";
import { Followups } from "./followups.ts";
import { type Job, jobOf, ListedJob, sizeOf } from "./jobs.ts";
import { type ListedPlace, PatternLists } from "./pattern_lists.ts";
import { browseAll } from "./browsing.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { compareNames } from "./listing.ts";
import { MissedNames } from "./missed.ts";
import type { ListedNode } from "./nodes.ts";
import { SaveReport } from "./save_report.ts";
import type { Peers } from "./peers.ts";
import { SaveRun } from "./save_run.ts";
import { Seeking } from "./ask_nodes.ts";
import { batchesOf, type Selection } from "./selections.ts";
import { Turns } from "../base/turns.ts";
import { Swarming, type SwarmOptions } from "./swarming.ts";
import { Targets } from "./targets.ts";
import type { TransferOptions } from "./transfer_options.ts";
import { WantedSums } from "./wanted_sums.ts";

/** Options of {@linkcode GetRun}. */
export interface GetRunOptions extends TransferOptions {
  readonly selections: readonly Selection[];
  /** The nodes to ask. */
  readonly candidates: Candidates;
  /** The path to save a file at. */
  readonly pathOf: (name: string, selection: Selection) => string;
  /** Whether to replace existing files. */
  readonly overwrite?: boolean;
  /** Whether files are durable before they count as saved; by default they are. */
  readonly sync?: boolean;
  /** The SHA-256 of each file; others are not fetched. */
  readonly sums?: ReadonlyMap<string, string>;
  /** An older file: what is right in it is copied, and not fetched. */
  readonly base: BaseFile | undefined;
  /** With `--wait`: a node's first scan of its share is waited for. */
  readonly waitMs?: number;
  /** Only tells what would become of each file. */
  readonly dryRun?: boolean;
  /** Whether large files are fetched together with other clients. */
  readonly swarm?: SwarmOptions;
}

/** The result of `getFiles`. */
export interface GetResult {
  /** The path of each saved file, by name. */
  readonly saved: ReadonlyMap<string, string>;
  /** Files that could not be fetched, by name. */
  readonly failed: ReadonlyMap<string, Failure>;
}

/** Fetches files once. */
export class GetRun implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: GetRunOptions;
  readonly #tell: (event: ClientEvent) => void;
  readonly #nodes: Map<string, ListedNode>;
  readonly #offers = new Map<string, readonly Offer[]>();
  /** The names that the user gave, and how. */
  readonly #named: Map<string, Selection>;
  /** Names that no node has, and that may stand for others. */
  readonly #missed: MissedNames;
  readonly #lists: PatternLists;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #outcomes: SaveReport;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seeking: Seeking;
  readonly #choosing: Choosing;
  readonly #followups: Followups;
  readonly #clashes: Clashes;
  readonly #wanted: WantedSums;
  readonly #swarming: Swarming | undefined;
  /** The job for each name; `null` if it cannot be fetched. */
  readonly #jobs = new Map<string, Job | null>();
  /**
   * Whether all questions have been asked, so that the download may use the
   * sessions.
   */
  #isAsked = false;
  #saveRun: SaveRun | null = null;
  #hasher: Hasher | null = null;
  #lanes: Lanes | undefined;

  constructor(peers: Peers, options: GetRunOptions) {
    const { signal, sha256, content, prefer, overwrite } = options;
    const { nodes } = options.candidates;
    this.#wanted = new WantedSums(options);
    const wanted = this.#wanted;
    const isPinned = wanted.isPinned || content !== undefined;
    this.#peers = peers;
    this.#options = options;
    this.#tell = options.onEvent ?? (() => {});
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.#named = new Map(
      options.selections.flatMap((selection) =>
        selection.kind === "name" ? [[selection.name, selection]] : []
      ),
    );
    this.#lists = new PatternLists({ isKept: wanted.isPinned });
    this.#swarming = options.swarm && new Swarming(peers, {
      ...options.swarm,
      tell: this.#tell,
      isPrivate: () =>
        this.#nodes.values().some(({ grant }) => grant !== undefined),
    });
    this.#outcomes = new SaveReport(this.#tell, {
      nodeOf: (id) => this.#nodeOf(id),
      isHolder: (id) => this.#swarming?.metOf(id) !== undefined,
    });
    this.#signal = signal === undefined
      ? this.#stop.signal
      : AbortSignal.any([signal, this.#stop.signal]);
    this.#seeking = new Seeking(peers, {
      nodes,
      wanted,
      content,
      // An existing file is not replaced only because other nodes were slower
      // to answer.
      graceMs: overwrite && !isPinned ? peers.limits.settleMs : undefined,
      signal: this.#signal,
    });
    this.#clashes = new Clashes({
      // The user named none of the listed files: see #chooseListed.
      isNamed: (job) =>
        !(job instanceof ListedJob) && this.#named.has(job.name),
      turnMs: peers.limits.turnMs,
      nodeName: (id) => this.#nodes.get(id)!.name,
      // To find out, a file would have to be made.
      ...(options.dryRun
        ? { tellsApart: () => Promise.resolve(Deno.build.os === "linux") }
        : {}),
    });
    this.#choosing = new Choosing(peers, {
      wish: { sha256, content, prefer },
      wanted,
      nodes,
      tell: this.#tell,
      signal: this.#signal,
    });
    this.#missed = new MissedNames(peers, {
      ...options,
      anywhere: options.anywhere && options.sums === undefined,
      isOne: sha256 !== undefined || options.base !== undefined,
      choosing: this.#choosing,
      tell: this.#tell,
      signal: this.#signal,
      fail: (name, failure) => this.#outcomes.fail(name, failure),
    });
    this.#followups = new Followups(peers, {
      nodes: this.#nodes,
      offersOf: (name) => this.#offers.get(name) ?? this.#lists.offersOf(name),
      settled: () => this.#seeking.settled(),
      sessionOf: (id) => this.#sessions.get(id),
      choosing: this.#choosing,
      tell: this.#tell,
      signal: this.#signal,
    });
  }

  async run(): Promise<GetResult> {
    const batches = this.#batches();
    for (;;) {
      const { value: jobs, done } = await batches.next();
      if (done) break;
      if (jobs.length > 0) await this.#save(jobs, batches);
    }
    await this.#swarming?.linger(this.#options.signal);
    const outcomes = this.#outcomes;
    return {
      get saved() {
        return outcomes.saved;
      },
      failed: outcomes.failed,
    };
  }

  /** A node, or another client that gives pieces. */
  #nodeOf(id: string): ListedNode {
    return this.#nodes.get(id) ?? this.#swarming!.metOf(id)!;
  }

  /**
   * Yields the jobs as they are found. A batch is requested when the one before
   * has been opened, while that is being received.
   */
  async *#batches(): AsyncGenerator<readonly Job[], undefined> {
    const { selections, candidates } = this.#options;
    const { nodes, unaskedCount } = candidates;
    const mayAsk = nodes.length + unaskedCount > 0;
    const batches = batchesOf(selections, this.#peers.limits.askingBatchCount);
    for (const [n, batch] of batches.entries()) {
      const more = n < batches.length - 1;
      if (mayAsk) await this.#ask(batch, more);
      else for (const selection of batch) this.#failWithoutNodes(selection);
      yield await this.#choose({ more: more || this.#missed.isWaiting });
    }
    if (!this.#missed.isWaiting) return;
    await this.#lookWider();
    yield await this.#choose({ more: false });
  }

  /**
   * Asks all nodes for all of a batch. `more` says that another batch may
   * follow.
   */
  async #ask(batch: readonly Selection[], more: boolean): Promise<void> {
    for (const selection of batch) {
      if (selection.kind === "matching") await this.#browse(selection);
    }
    const names = batch.filter((selection) => selection.kind === "name");
    await this.#find(names, more);
  }

  #failWithoutNodes(selection: Selection): void {
    const name = selection.kind === "name" ? selection.name : selection.pattern;
    this.#outcomes.fail(name, exhausted(name, new Map(), new Set()));
  }

  async #browse(selection: Selection & { kind: "matching" }): Promise<void> {
    const { nodes, unaskedCount } = this.#options.candidates;
    const browsed = await browseAll(this.#peers, nodes, {
      ...selection,
      isPatient: this.#options.waitMs !== undefined,
      tell: this.#tell,
    });
    for (const [id, session] of browsed.sessions) {
      if (this.#sessions.has(id)) await session[Symbol.asyncDispose]();
      else this.#keep(id, session);
    }
    const { catalogue } = browsed;
    this.#lists.add({ catalogue, wish: this.#choosing.wish, selection });
    for (const name of this.#named.keys()) {
      const at = catalogue.placeOf(name);
      if (at === undefined || this.#offers.has(name)) continue;
      this.#offers.set(name, catalogue.entryAt(at).offers);
    }
    const { pattern } = selection;
    if (browsed.incomplete.length > 0) {
      const failure = notListedWhole(browsed.incomplete, { pattern, nodes });
      return this.#outcomes.fail(pattern, failure);
    }
    if (browsed.catalogue.count > 0) return;
    if (nodes.length + unaskedCount === 0) return;
    const nodeCount = browsed.sessions.size;
    const counts = { nodeCount, unaskedCount };
    this.#outcomes.fail(pattern, nobodyHasAny(pattern, counts));
  }

  /** Keeps one session for each node, and fetches from it. */
  #keep(id: string, session: NodeSession): void {
    if (this.#sessions.has(id)) return;
    this.#sessions.set(id, session);
    this.#saveRun?.addSource(this.#sourceOf(id, session));
  }

  /**
   * The node as a source for the download. While there are more questions, the
   * download opens a session of its own, because answers would wait behind file
   * bytes.
   */
  #sourceOf(id: string, session: NodeSession) {
    const node = this.#nodes.get(id)!;
    if (!this.#isAsked) return sourceOf(this.#peers, { node });
    this.#seeking.release(id, session);
    return sourceOf(this.#peers, { node, session, lanes: this.#lanes });
  }

  /** Asks all nodes for some names. */
  async #find(
    selections: readonly (Selection & { kind: "name" })[],
    more: boolean,
  ): Promise<void> {
    if (selections.length === 0) return;
    const askings = selections.map(({ name }) =>
      new Asking(this.#peers, { name, tell: this.#tell })
    );
    const onFound = (asking: Asking, found: FoundNode) =>
      this.#take(asking.name, found);
    await this.#seeking.seek(askings, { more, onFound });
    this.#signal.throwIfAborted();
    const missed = askings.filter(({ name }) => !this.#hasWanted(name));
    const nodes = await this.#widen(missed);
    await this.#seeking.seek(missed, { more, onFound, nodes });
    this.#signal.throwIfAborted();
    for (const asking of missed) {
      if (this.#offers.has(asking.name)) continue;
      this.#jobs.set(asking.name, null);
      await this.#missed.add(asking);
    }
  }

  /** Whether a node has offered a name, with the wanted content if need be. */
  #hasWanted(name: string): boolean {
    const { content, candidates } = this.#options;
    const offers = this.#offers.get(name) ?? [];
    return candidates.isByContent
      ? offers.some((offer) => offer.content === content)
      : offers.length > 0;
  }

  /** Takes a node's offer; whether it is of use. */
  #take(name: string, { node, session, offer }: FoundNode): boolean {
    const isOfUse = this.#jobs.has(name)
      ? this.#join(name, offer)
      : this.#note(name, offer);
    if (isOfUse) this.#keep(node.id, session);
    return isOfUse;
  }

  /** Further nodes that may have names in other folders. */
  async #widen(missed: readonly { name: string }[]) {
    if (missed.length === 0) return [];
    const { candidates } = this.#options;
    const more = await candidates.widen(missed.map(({ name }) => name));
    for (const node of more) this.#nodes.set(node.id, node);
    return more;
  }

  /** The same file from nodes that were not asked, if some have it. */
  async #elsewhere(job: Job): Promise<Job | undefined> {
    if (!this.#options.candidates.isByContent) return undefined;
    const nodes = await this.#widen([job]);
    const next = await this.#followups.elsewhere(job, nodes);
    for (const id of next?.sources.keys() ?? []) {
      const node = this.#nodes.get(id)!;
      this.#saveRun?.addSource(sourceOf(this.#peers, { node }));
    }
    return next;
  }

  /** Looks for the missed names as folders, and as parts of longer names. */
  async #lookWider(): Promise<void> {
    const { names, folders } = await this.#missed.look();
    for (const folder of folders) await this.#browse(folder);
    for (const [name, asked] of names) {
      this.#named.set(name, this.#named.get(asked)!);
    }
    const found = [...names.keys()].filter((name) => !this.#offers.has(name));
    const kind = "name" as const;
    await this.#find(found.map((name) => ({ kind, name })), false);
  }

  /** Stores an offer that may be chosen. */
  #note(name: string, offer: Offer): boolean {
    this.#offers.set(name, [...this.#offers.get(name) ?? [], offer]);
    return true;
  }

  /**
   * Lets a node that answered late deliver a file. Returns whether it has the
   * chosen content, or one to choose if the chosen one turns out wrong.
   */
  #join(name: string, offer: Offer): boolean {
    const { node, content } = offer;
    const job = this.#jobs.get(name);
    if (!job) return false;
    if (content === undefined || job.group.content !== content) {
      return this.#wanted.isPinned && this.#note(name, offer);
    }
    if (this.#saveRun !== null) this.#saveRun.addHolder(job, node, content);
    else job.sources.set(node, content);
    return true;
  }

  /**
   * Decides on a content for each undecided name; `more` says that other names
   * may follow.
   */
  async #choose({ more }: { more: boolean }): Promise<Job[]> {
    this.#isAsked = !more;
    const jobs = await this.#chooseListed();
    const names = [...this.#offers.keys()].filter((name) =>
      !this.#jobs.has(name)
    );
    for (const name of names.sort(compareNames)) {
      const offers = this.#offers.get(name)!;
      const selection = this.#named.get(name)!;
      const job = await this.#jobFor({ name, offers }, selection);
      this.#jobs.set(name, job);
      if (job !== null) jobs.push(job);
    }
    const { admitted, refused } = await this.#clashes.admit(jobs);
    if (this.#isAsked) this.#clashes.clear();
    for (const { job: { name }, failure } of refused) {
      if (this.#jobs.has(name)) this.#jobs.set(name, null);
      this.#outcomes.fail(name, failure);
    }
    this.#outcomes.expect(admitted, { more });
    return admitted;
  }

  /**
   * The same for listed files. If two patterns match a name, the first counts.
   */
  async #chooseListed(): Promise<Job[]> {
    const jobs: Job[] = [];
    const turns = new Turns(this.#peers.limits.turnMs);
    const listed = this.#lists.takeNew((name) =>
      this.#named.has(name) || this.#missed.takes(name)
    );
    for (const { list, at, isTaken } of listed) {
      if (turns.isOver) await turns.give();
      this.#signal.throwIfAborted();
      if (isTaken) continue;
      const entry = list.catalogue.entryAt(at);
      const job = await this.#jobFor(entry, list.selection, { list, at });
      if (job !== null) jobs.push(job);
    }
    return jobs;
  }

  /** The job for a name; `null` if the content cannot be decided. */
  async #jobFor(
    { name, offers }: CatalogueEntry,
    selection: Selection,
    listed?: ListedPlace,
  ): Promise<Job | null> {
    try {
      if (!this.#wanted.allows(name)) throw hasNoSum(name);
      const choosing = this.#choosing;
      const choice = await choosing.choose(name, offers);
      const path = this.#options.pathOf(name, selection);
      return jobOf(choice, { name, path, listed });
    } catch (error) {
      this.#signal.throwIfAborted(); // this is no failure of the file
      if (!(error instanceof Failure)) throw error;
      const { sums } = this.#options;
      this.#outcomes.fail(name, sums ? asMismatch(error) : error);
      return null;
    }
  }

  /** Saves some files, and those of the batches after them. */
  async #save(
    jobs: readonly Job[],
    batches: AsyncIterable<readonly Job[]>,
  ): Promise<void> {
    const { overwrite = false, sync = true, base } = this.#options;
    const wanted = this.#wanted;
    const outcomes = this.#outcomes;
    // The files that follow may be large.
    const sizes = this.#isAsked ? jobs.map(sizeOf) : [Infinity];
    const { limits } = this.#peers;
    const { limitRate, dryRun } = this.#options;
    // Without its hashes, a lane could not check a file.
    const isKnown = jobs.every((job) =>
      sizeOf(job) < limits.smallFileBytes || job.group.content !== undefined
    );
    const swarming = this.#swarming;
    const isSwarmed = (job: Job) => swarming?.wants(job) ?? false;
    const lanes = this.#isAsked && isKnown && !dryRun && !jobs.some(isSwarmed)
      ? lanesFor(sizes, { limits, limitRate })
      : undefined;
    const hasher = lanes ?? hasherFor(sizes);
    this.#lanes = lanes;
    this.#hasher = hasher;
    const describe = (job: Job) => this.#followups.describe(job);
    if (this.#options.dryRun) {
      return await new DryRun({
        ...{ overwrite, wanted, base, hasher, describe, outcomes },
        isClaimed: () => this.#options.candidates.isByContent,
        elsewhere: (job) => this.#elsewhere(job),
        nodeOf: (id) => this.#nodes.get(id)!,
        tell: this.#tell,
        turnMs: this.#peers.limits.turnMs,
        signal: this.#signal,
      }).run(followedBy(jobs, batches));
    }
    this.#saveRun = new SaveRun({
      ...boundsOf(this.#peers, this.#options),
      hasher,
      laneCount: lanes?.count ?? 0,
      stop: this.#stop,
      signal: this.#signal,
      outcomes,
      targets: new Targets({
        overwrite,
        sync,
        wanted,
        base,
        signal: this.#signal,
        hasher,
        outcomes,
        openFileCount: this.#peers.limits.openFileCount,
        describe,
        isSwarmed,
      }),
      swarming,
      again: (job) => this.#replace(job, this.#followups.again(job)),
      isDisbelieved: (job) => this.#followups.isDisbelieved(job),
      otherwise: (job) => this.#replace(job, this.#followups.otherwise(job)),
      elsewhere: (job) => this.#elsewhere(job),
      nodeName: (id) => this.#nodeOf(id).name,
      onTrouble: ({ source, kind, cause, out }) => {
        const node = this.#nodeOf(source);
        // Other clients come and go.
        if (!this.#nodes.has(source) && kind !== "lied") return;
        this.#tell({ event: "node_trouble", node, kind, cause, out });
      },
    });
    for (const [id, session] of this.#sessions) {
      this.#saveRun.addSource(this.#sourceOf(id, session));
    }
    try {
      await this.#saveRun.run(followedBy(jobs, batches));
    } catch (error) {
      this.#swarming?.failed(error);
      throw error;
    } finally {
      this.#saveRun = null;
    }
  }

  /** Notes the job that replaces another, if there is one. */
  async #replace(
    { name }: Job,
    asked: Promise<Job | Failure>,
  ): Promise<Job | Failure> {
    const next = await asked;
    if (this.#jobs.has(name)) {
      this.#jobs.set(name, next instanceof Failure ? null : next);
    }
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("ended"));
    await this.#swarming?.[Symbol.asyncDispose]();
    await this.#seeking[Symbol.asyncDispose]();
    await this.#choosing[Symbol.asyncDispose]();
    await this.#followups[Symbol.asyncDispose]();
    for (const session of this.#sessions.values()) {
      await session[Symbol.asyncDispose]();
    }
    this.#hasher?.[Symbol.dispose]();
  }
}
