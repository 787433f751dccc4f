/**
 * One run of `getFiles`: asks the nodes, chooses contents, and has the files
 * saved while more are asked for.
 *
 * @module
 */

import type { Offer } from "../content/choice.ts";
import type { Failure } from "../base/errors.ts";
import { FileQuery, type FoundNode } from "./file_query.ts";
import { FileSearch } from "./file_search.ts";
import { browseAll } from "./browsing.ts";
import { Choosing } from "./choosing.ts";
import type { ClientEvent } from "./events.ts";
import { exhausted, nobodyHasAny } from "./failures.ts";
import { notListedWhole } from "./list_failures.ts";
import { Followups } from "./followups.ts";
import type { Job } from "./jobs.ts";
import { isMissing, MissingNames } from "./missing_names.ts";
import { entriesOf, type ListedNode } from "./nodes.ts";
import { PatternLists } from "./pattern_lists.ts";
import type { Peers } from "./peers.ts";
import { RunJobs } from "./run_jobs.ts";
import { RunNames } from "./run_names.ts";
import { RunNodes } from "./run_nodes.ts";
import type { GetRunOptions } from "./run_options.ts";
import { RunSaving } from "./run_saving.ts";
import { SaveReport } from "./save_report.ts";
import { batchesOf, type Selection } from "./selections.ts";
import { Swarming } from "./swarming.ts";
import { WantedSums } from "./wanted_sums.ts";

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
  readonly #emit: (event: ClientEvent) => void;
  readonly #names: RunNames;
  readonly #nodes: RunNodes;
  /** Names that no node has, but that may be the ends of longer names. */
  readonly #missed: MissingNames;
  readonly #lists: PatternLists;
  readonly #outcomes: SaveReport;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seeking: FileSearch;
  readonly #choosing: Choosing;
  readonly #jobs: RunJobs;
  readonly #followups: Followups;
  readonly #saving: RunSaving;
  readonly #wanted: WantedSums;
  readonly #swarming: Swarming | undefined;
  readonly #nodeOf = (id: string): ListedNode =>
    this.#nodes.byId.get(id) ?? this.#swarming!.metOf(id)!;

  constructor(peers: Peers, options: GetRunOptions) {
    const { sha256, content, prefer, candidates } = options;
    const { nodes } = candidates;
    this.#peers = peers;
    this.#options = options;
    const emit = this.#emit = options.onEvent ?? (() => {});
    const signal = this.#signal = AbortSignal.any([
      this.#stop.signal,
      ...options.signal ? [options.signal] : [],
    ]);
    const wanted = this.#wanted = new WantedSums(options);
    const graceMs = this.#graceMs();
    this.#seeking = new FileSearch(peers, {
      ...{ nodes, wanted, content, graceMs, signal },
    });
    this.#names = new RunNames(options.selections);
    this.#nodes = new RunNodes(peers, { candidates, seeking: this.#seeking });
    this.#lists = new PatternLists({ isKept: wanted.isPinned });
    this.#swarming = options.swarm && new Swarming(peers, {
      ...options.swarm,
      emit,
      isOpen: (sources) => this.#isOpen(sources),
    });
    this.#outcomes = new SaveReport(emit, {
      nodeOf: this.#nodeOf,
      isHolder: (id) => this.#swarming?.metOf(id) !== undefined,
    });
    const criteria = { sha256, content, prefer };
    this.#choosing = new Choosing(peers, {
      ...{ criteria, wanted, nodes, emit, signal },
    });
    this.#missed = new MissingNames(peers, {
      ...options,
      anywhere: options.anywhere && options.sums === undefined,
      isOne: sha256 !== undefined || options.base !== undefined,
      choosing: this.#choosing,
      emit,
      signal,
      fail: (name, failure) => this.#outcomes.fail(name, failure),
    });
    this.#jobs = this.#newJobs();
    this.#followups = this.#newFollowups();
    this.#saving = this.#newSaving();
  }

  /** Whether nodes have a file, and no private relay lists any of them. */
  #isOpen(sources: Iterable<string>): boolean {
    const nodes = [...sources].flatMap((id) => this.#nodes.byId.get(id) ?? []);
    return nodes.length > 0 &&
      nodes.flatMap(entriesOf).every(({ grant }) => grant === undefined);
  }

  /**
   * Additional time for slower nodes: an existing file is not replaced only
   * because they answer late.
   */
  #graceMs(): number | undefined {
    const { overwrite, content } = this.#options;
    const isPinned = this.#wanted.isPinned || content !== undefined;
    return overwrite && !isPinned ? this.#peers.limits.settleMs : undefined;
  }

  #newJobs(): RunJobs {
    const { pathOf, sums, dryRun = false } = this.#options;
    return new RunJobs({
      ...{ pathOf, hasSums: sums !== undefined, dryRun },
      turnMs: this.#peers.limits.turnMs,
      folderCount: this.#peers.limits.savedFolderCount,
      signal: this.#signal,
      names: this.#names,
      lists: this.#lists,
      missed: this.#missed,
      nodes: this.#nodes.byId,
      wanted: this.#wanted,
      choosing: this.#choosing,
      outcomes: this.#outcomes,
    });
  }

  #newFollowups(): Followups {
    return new Followups(this.#peers, {
      nodes: this.#nodes.byId,
      offersOf: (name) =>
        this.#names.offersOf(name) ?? this.#lists.offersOf(name),
      settled: () => this.#seeking.settled(),
      sessionOf: (id) => this.#nodes.sessionOf(id),
      choosing: this.#choosing,
      emit: this.#emit,
      signal: this.#signal,
    });
  }

  #newSaving(): RunSaving {
    return new RunSaving(this.#peers, this.#options, {
      names: this.#names,
      nodes: this.#nodes,
      wanted: this.#wanted,
      outcomes: this.#outcomes,
      followups: this.#followups,
      swarming: this.#swarming,
      stop: this.#stop,
      signal: this.#signal,
      emit: this.#emit,
      nodeOf: this.#nodeOf,
    });
  }

  async run(): Promise<GetResult> {
    const batches = this.#batches();
    for (;;) {
      const { value: jobs, done } = await batches.next();
      if (done) break;
      if (jobs.length > 0) await this.#saving.save(jobs, batches);
    }
    const outcomes = this.#outcomes;
    const comesAgain = this.#options.isRepeated === true &&
      outcomes.failed.values().some(isMissing);
    if (!comesAgain) await this.#swarming?.linger(this.#options.signal);
    return {
      get saved() {
        return outcomes.saved;
      },
      failed: outcomes.failed,
    };
  }

  /**
   * Yields the jobs as they are found. Nodes are asked for the next batch when
   * the files of the previous one are open, and while they are being received.
   */
  async *#batches(): AsyncGenerator<readonly Job[], undefined> {
    const { selections, candidates } = this.#options;
    const { nodes, unaskedCount } = candidates;
    const mayAsk = nodes.length + unaskedCount > 0;
    const batches = batchesOf(selections, this.#peers.limits.queryBatchCount);
    for (const [n, batch] of batches.entries()) {
      const more = n < batches.length - 1;
      if (mayAsk) await this.#ask(batch, more);
      else for (const selection of batch) this.#failWithoutNodes(selection);
      yield await this.#choose({ more: more || this.#missed.isWaiting });
    }
    if (!this.#missed.isWaiting) return;
    await this.#searchWider();
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
      emit: this.#emit,
    });
    for (const [id, session] of browsed.sessions) {
      if (this.#nodes.sessionOf(id)) await session[Symbol.asyncDispose]();
      else this.#nodes.keep(id, session);
    }
    const { catalogue } = browsed;
    this.#lists.add({
      catalogue,
      criteria: this.#choosing.criteria,
      selection,
    });
    this.#names.addListed(catalogue);
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

  /** Asks all nodes for some names. */
  async #find(
    selections: readonly (Selection & { kind: "name" })[],
    more: boolean,
  ): Promise<void> {
    if (selections.length === 0) return;
    const queries = selections.map(({ name }) =>
      new FileQuery(this.#peers, { name, emit: this.#emit })
    );
    const onFound = (query: FileQuery, found: FoundNode) =>
      this.#take(query.name, found);
    await this.#seeking.seek(queries, { more, onFound });
    this.#signal.throwIfAborted();
    const missed = queries.filter(({ name }) => !this.#hasWanted(name));
    const nodes = await this.#nodes.widen(missed);
    await this.#seeking.seek(missed, { more, onFound, nodes });
    this.#signal.throwIfAborted();
    for (const query of missed) {
      if (this.#names.offersOf(query.name)) continue;
      this.#names.decide(query.name, null);
      await this.#missed.add(query);
    }
  }

  /**
   * Whether a node has offered a name, with the wanted content if there is one.
   */
  #hasWanted(name: string): boolean {
    const { content, candidates } = this.#options;
    const offers = this.#names.offersOf(name) ?? [];
    return candidates.isByContent
      ? offers.some((offer) => offer.content === content)
      : offers.length > 0;
  }

  /** Takes a node's offer. Returns whether it is useful. */
  #take(name: string, { node, session, offer }: FoundNode): boolean {
    const isUseful = this.#isUseful(name, offer);
    if (isUseful) this.#nodes.keep(node.id, session);
    return isUseful;
  }

  /** Looks for the missed names as folders, and as parts of longer names. */
  async #searchWider(): Promise<void> {
    const { names, folders } = await this.#missed.look();
    for (const folder of folders) await this.#browse(folder);
    for (const [name, asked] of names) {
      this.#names.alias(name, asked);
    }
    const found = [...names.keys()].filter((name) =>
      !this.#names.offersOf(name)
    );
    const kind = "name" as const;
    await this.#find(found.map((name) => ({ kind, name })), false);
  }

  /**
   * Stores an offer, or lets a node that answered late deliver a file. Returns
   * whether it may be chosen, or has the chosen content.
   */
  #isUseful(name: string, offer: Offer): boolean {
    const { node, content } = offer;
    const job = this.#names.jobOf(name);
    if (job === null) return false;
    const isChosen = content !== undefined && job?.group.content === content;
    if (job && isChosen) this.#nodes.addHolder(job, node, content);
    // The chosen content may turn out wrong.
    else if (job && !this.#wanted.isPinned) return false;
    else this.#names.addOffer(name, offer);
    return true;
  }

  /**
   * Decides on a content for each undecided name; `more` says that other names
   * may follow.
   */
  #choose({ more }: { more: boolean }): Promise<Job[]> {
    this.#nodes.isAsked = !more;
    return this.#jobs.choose({ more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("ended"));
    await this.#swarming?.[Symbol.asyncDispose]();
    await this.#seeking[Symbol.asyncDispose]();
    await this.#choosing[Symbol.asyncDispose]();
    await this.#followups[Symbol.asyncDispose]();
    await this.#nodes[Symbol.asyncDispose]();
    this.#saving[Symbol.dispose]();
  }
}
