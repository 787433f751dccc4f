/**
 * Fetches files to the disk: any number of them, from all nodes that have them,
 * resumed where an earlier run broke off, published only whole and verified.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import {
  type ContentGroup,
  differ,
  groupOffers,
  type Offer,
} from "../choice.ts";
import { describeCause, Failure, isBug, localKindOf } from "../errors.ts";
import { HASH_BYTES, sha256 } from "../hash.ts";
import { Manifest, pieceCountOf, pieceLength } from "../manifest.ts";
import { RateLimit } from "../rate.ts";
import { show } from "../text.ts";
import {
  Download,
  type DownloadFile,
  type DownloadSource,
  type FileFailure,
  type Sink,
  type SourceTrouble,
} from "../transfer/download.ts";
import type { Hasher } from "../transfer/hashing.ts";
import {
  type Occupant,
  occupantOf,
  OTHERS,
  PartialFile,
  partialPathOf,
  removePublished,
  syncFolder,
  type TargetOptions,
} from "../transfer/partial.ts";
import type { NodeSession } from "../transfer/session.ts";
import { SmallFiles } from "../transfer/small_files.ts";
import { Asking } from "./asking.ts";
import { causeOf, type ClientEvent } from "./events.ts";
import {
  checkedName,
  chosenNodes,
  exhausted,
  hasherFor,
  notThatSha256,
  type TransferOptions,
} from "./fetch.ts";
import { browseAll, compareNames } from "./listing.ts";
import { Deliveries } from "./deliveries.ts";
import type { ListedNode } from "./nodes.ts";
import { Peers } from "./peers.ts";
import { Seeking } from "./seeking.ts";
import { Tally } from "./tally.ts";

/** What to fetch: a name, or all names that match. */
export type Selection =
  | { readonly kind: "name"; readonly name: string }
  | {
    readonly kind: "matching";
    /** As the person wrote it. */
    readonly pattern: string;
    /** What every match begins with. */
    readonly prefix: string;
    readonly matches: (name: string) => boolean;
  };

/** Options of {@linkcode getFiles}. */
export interface GetOptions extends TransferOptions {
  /** What to fetch. */
  selections: readonly Selection[];
  /** Where a file of that name is to be saved. */
  pathOf: (name: string, selection: Selection) => string;
  /** Whether files that are there may be replaced. */
  overwrite?: boolean;
}

/** What became of it. */
export interface GetResult {
  /** Files that are there now, by name: where. */
  readonly saved: ReadonlyMap<string, string>;
  /** Files that could not be had, by name. */
  readonly failed: ReadonlyMap<string, Failure>;
}

/**
 * Fetches files to the disk.
 *
 * @throws {Failure} of kind `usage` for names that no file can have or that
 * would be saved in one place, `relay` when the relay cannot be asked, `local`
 * when the disk fails, and with the signal's reason.
 */
export async function getFiles(options: GetOptions): Promise<GetResult> {
  const selections = options.selections.map((selection) =>
    selection.kind === "name"
      ? { ...selection, name: checkedName(selection.name) }
      : selection
  );
  await using stack = new AsyncDisposableStack();
  const tell = options.onEvent ?? (() => {});
  const peers = stack.use(new Peers(options, tell));
  const nodes = chosenNodes(
    options.nodes ?? (await peers.list()).nodes,
    options,
  );
  const get = stack.use(new Get(peers, { ...options, selections, nodes }));
  return await get.run();
}

/** One file to be saved. */
interface Job {
  readonly name: string;
  readonly path: string;
  readonly group: ContentGroup;
  /** What to ask each node for, by its id: a content id or a version. */
  readonly sources: Map<string, string>;
}

/** A file that the download knows, by its index there. */
interface Incoming {
  readonly job: Job;
  readonly deliveries: Deliveries;
  /** Pieces that were there from an earlier run. */
  readonly have: number;
}

/** A download that runs: nodes that answer late may join it. */
interface Running {
  readonly download: Download;
  /** What the download calls each file. */
  readonly files: Map<Job, number>;
}

// Large files that are open, or being looked at for what is there already.
const OPEN_LARGE_FILES = 3;
const PROGRESS_MS = 100;

/** One run of {@linkcode getFiles}. */
class Get implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: GetOptions & { nodes: readonly ListedNode[] };
  readonly #tell: (event: ClientEvent) => void;
  readonly #nodes: ReadonlyMap<string, ListedNode>;
  readonly #offers = new Map<string, Offer[]>();
  readonly #selectionOf = new Map<string, Selection>();
  readonly #sessions = new Map<string, NodeSession>();
  readonly #saved = new Map<string, string>();
  readonly #failed = new Map<string, Failure>();
  readonly #partials = new Map<string, PartialFile>();
  readonly #small: SmallFiles;
  readonly #tally = new Tally(performance.now());
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seeking: Seeking;
  /** What is to be saved, by name; nothing before that has been decided. */
  #jobs: ReadonlyMap<string, Job> | null = null;
  #running: Running | null = null;
  /** Files that have failed, and whose partial files are being closed. */
  readonly #failing = new Set<Promise<void>>();
  #hasher: Hasher | null = null;

  constructor(
    peers: Peers,
    options: GetOptions & { nodes: readonly ListedNode[] },
  ) {
    this.#peers = peers;
    this.#options = options;
    this.#tell = options.onEvent ?? (() => {});
    this.#small = new SmallFiles(peers.limits.openFileCount);
    this.#nodes = new Map(options.nodes.map((node) => [node.id, node]));
    this.#signal = options.signal === undefined
      ? this.#stop.signal
      : AbortSignal.any([options.signal, this.#stop.signal]);
    const { nodes, sha256 } = options;
    this.#seeking = new Seeking(peers, { nodes, sha256, signal: this.#signal });
  }

  async run(): Promise<GetResult> {
    await this.#ask();
    const jobs = this.#choose();
    this.#jobs = new Map(jobs.map((job) => [job.name, job]));
    refuseClashes(jobs);
    this.#hasher = hasherFor(jobs.map(({ group }) => group.size));
    if (jobs.length > 0) await this.#receive(jobs);
    return { saved: this.#saved, failed: this.#failed };
  }

  /** Asks all nodes for all that was selected, some nodes at a time. */
  async #ask(): Promise<void> {
    const { selections, nodes } = this.#options;
    for (const selection of selections) {
      if (selection.kind === "matching") await this.#browse(selection);
      else await this.#find(selection);
    }
    if (nodes.length > 0) return;
    for (const selection of selections) {
      const name = selection.kind === "name"
        ? selection.name
        : selection.pattern;
      this.#fail(name, exhausted(name, new Map(), new Set()));
    }
  }

  async #browse(selection: Selection & { kind: "matching" }): Promise<void> {
    const { nodes } = this.#options;
    const browsed = await browseAll(this.#peers, nodes, {
      ...selection,
      tell: this.#tell,
    });
    for (const [id, session] of browsed.sessions) await this.#keep(id, session);
    for (const [name, offers] of browsed.offers) {
      this.#offers.set(name, offers);
      this.#selectionOf.set(name, selection);
    }
    if (browsed.offers.size > 0 || nodes.length === 0) return;
    this.#fail(
      selection.pattern,
      new Failure("not_found", {
        what: "Cannot find files",
        where: show(selection.pattern),
        why: `none of ${browsed.sessions.size} nodes has any that match`,
        remedy: "see the command ls",
      }),
    );
  }

  /** Keeps one session a node, and fetches from it. */
  async #keep(id: string, session: NodeSession): Promise<void> {
    if (this.#sessions.has(id)) return await session[Symbol.asyncDispose]();
    this.#sessions.set(id, session);
    this.#running?.download.addSource(this.#sourceOf([id, session]));
  }

  /** Asks all nodes for one name. */
  async #find(selection: Selection & { kind: "name" }): Promise<void> {
    const { name } = selection;
    const asking = new Asking(this.#peers, { name, tell: this.#tell });
    await this.#seeking.seek(asking, async ({ node, session, offer }) => {
      const isOfUse = this.#jobs === null
        ? this.#note(selection, offer)
        : this.#join(name, offer);
      if (isOfUse) await this.#keep(node.id, session);
      else await session[Symbol.asyncDispose]();
    });
    if (!this.#offers.has(name) && this.#nodes.size > 0) {
      this.#fail(name, exhausted(name, asking.answers, asking.found));
    }
  }

  /** Notes an offer that may be chosen. */
  #note(selection: Selection & { kind: "name" }, offer: Offer): boolean {
    const { name } = selection;
    this.#offers.set(name, [...this.#offers.get(name) ?? [], offer]);
    this.#selectionOf.set(name, selection);
    return true;
  }

  /**
   * Lets a node that answered late deliver a file; whether it has the content
   * that was chosen.
   */
  #join(name: string, { node, content }: Offer): boolean {
    const job = this.#jobs?.get(name);
    if (content === undefined || job?.group.content !== content) return false;
    job.sources.set(node, content);
    const file = this.#running?.files.get(job);
    if (file !== undefined) {
      this.#running?.download.addHolder(file, node, content);
    }
    return true;
  }

  /** Decides, for each name, which content to take. */
  #choose(): Job[] {
    const { prefer = "most-nodes", pathOf } = this.#options;
    const wanted = this.#options.sha256?.toLowerCase();
    const jobs: Job[] = [];
    for (const name of [...this.#offers.keys()].sort(compareNames)) {
      const groups = groupOffers(this.#offers.get(name)!, prefer);
      if (differ(groups)) {
        this.#tell({ event: "contents_differ", name, groups });
      }
      const group = wanted === undefined
        ? groups[0]
        : groups.find(({ offers }) =>
          offers.some((offer) => offer.sha256 === wanted)
        );
      if (group === undefined) {
        this.#fail(name, noSuchContent(name));
        continue;
      }
      const path = pathOf(name, this.#selectionOf.get(name)!);
      const sources = new Map(
        group.offers.map((
          { node, content, version },
        ) => [node, content ?? version]),
      );
      jobs.push({ name, path, group, sources });
    }
    return jobs;
  }

  #fail(name: string, failure: Failure): void {
    this.#failed.set(name, failure);
    this.#tell({ event: "file_failed", name, error: failure });
  }

  async #receive(jobs: readonly Job[]): Promise<void> {
    const folders = new Folders();
    const incoming: Incoming[] = [];
    const freed = { wake: () => {} };
    const download = new Download({
      ...this.#downloadOptions(),
      onBytes: (arrived) => {
        incoming[arrived.file]!.deliveries.add(arrived);
        this.#tally.add(arrived.path, arrived.bytes);
      },
      onFinished: (file) => {
        this.#received(incoming[file]!, download.hashesOf(file));
        freed.wake();
      },
      onFailed: (file, failure) => {
        const failing = this.#undelivered(incoming[file]!, failure)
          .finally(() => this.#failing.delete(failing));
        this.#failing.add(failing);
        freed.wake();
      },
    });
    const files = new Map<Job, number>();
    this.#running = { download, files };
    const prepare = async () => {
      for (const session of this.#sessions) {
        download.addSource(this.#sourceOf(session));
      }
      download.closeSources();
      for (const job of jobs) {
        while (
          this.#partials.size >= OPEN_LARGE_FILES && !this.#stop.signal.aborted
        ) await new Promise<void>((resolve) => freed.wake = resolve);
        if (this.#stop.signal.aborted) return;
        const prepared = await this.#prepare(job, folders);
        if (prepared === undefined) continue;
        incoming.push({
          job,
          deliveries: new Deliveries(),
          have: prepared.have?.length ?? 0,
        });
        files.set(job, download.addFile(prepared));
      }
    };
    const clock = setInterval(() => this.#tellProgress(download), PROGRESS_MS);
    const preparing = prepare().finally(() => download.close());
    try {
      await Promise.all([download.run(), preparing]);
    } finally {
      clearInterval(clock);
      this.#running = null;
      this.#stop.abort(new Error("ended"));
      freed.wake();
      await preparing.catch(() => {}); // judged above
      await Promise.all(this.#failing);
      for (const partial of this.#partials.values()) await partial.keep();
    }
    this.#tellProgress(download);
    await folders.sync();
  }

  #downloadOptions() {
    const { connections = 1, limitRate, lowestSpeed } = this.#options;
    const { limits } = this.#peers;
    return {
      limits,
      hasher: this.#hasher!,
      connections,
      rate: limitRate === undefined ? undefined : new RateLimit(limitRate),
      lowestBytesPerSecond: lowestSpeed ?? limits.lowestBytesPerSecond,
      signal: this.#signal,
      onTrouble: ({ source, kind, cause, out }: SourceTrouble) => {
        const node = this.#nodes.get(source)!;
        this.#tell({ event: "node_trouble", node, kind, cause, out });
      },
    };
  }

  #sourceOf([id, session]: [string, NodeSession]): DownloadSource {
    const node = this.#nodes.get(id)!;
    return {
      id,
      session,
      open: async (signal) =>
        (await this.#peers.open(node, { signal })).session,
    };
  }

  /** Looks at what is there of a file; nothing where no more is to be done. */
  async #prepare(
    job: Job,
    folders: Folders,
  ): Promise<DownloadFile | undefined> {
    const { name, path, group, sources } = job;
    try {
      const isNew = await folders.ensure(dirname(path));
      await folders.refuseLinks(path, name);
      const occupant = isNew ? "none" : await occupantOf(path, group.size);
      const isCut = pieceCountOf(group.size) > 1;
      let manifest: Manifest | undefined;
      if (isCut && group.content !== undefined) {
        manifest = await this.#describe(group);
      }
      if (occupant === "same_size") manifest ??= await this.#describe(group);
      if (await this.#isPresent(job, occupant, manifest)) return undefined;
      const { size, content } = group;
      const file = { name, size, content, manifest, sources };
      if (!isCut) return { ...file, sink: this.#smallSink(job) };
      const large = await this.#largeSink(job, manifest);
      return large && { ...file, ...large };
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!(error instanceof Failure)) throw error;
      await this.#partials.get(name)?.keep();
      this.#partials.delete(name);
      this.#fail(name, error);
      return undefined;
    }
  }

  /** Whether the file is there already; throws where another one is. */
  async #isPresent(
    { name, path, group }: Job,
    occupant: Occupant,
    manifest: Manifest | undefined,
  ): Promise<boolean> {
    if (occupant === "none") return false;
    if (occupant === "folder") {
      throw inTheWay(path, "a folder of that name is there");
    }
    if (occupant === "same_size" && manifest !== undefined) {
      const hashes = await hashFile(path, this.#hasher!);
      if (
        hashes !== undefined &&
        new Manifest(group.size, hashes).contentId === manifest.contentId
      ) {
        // A run that was killed in between has left its other name.
        await removePublished(partialPathOf(path), path);
        this.#tally.expect(group.size, group.size);
        this.#tally.complete();
        this.#saved.set(name, path);
        this.#tell({ event: "file_present", name, path });
        return true;
      }
    }
    if (this.#options.overwrite) return false;
    throw inTheWay(path, "exists already, with another content");
  }

  /**
   * The manifest of a content, from the first node that gives it.
   *
   * @throws {Failure} of kind `undelivered` when none does.
   */
  async #describe(
    { content, size, offers }: ContentGroup,
  ): Promise<Manifest> {
    for (const { node, version } of offers) {
      const session = this.#sessions.get(node);
      if (session === undefined) continue;
      try {
        const answer = await session.describe(content ?? version);
        const isIt = answer.kind === "described" &&
          answer.manifest.size === size;
        if (isIt) return answer.manifest;
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (isBug(error)) throw error;
        // It was ourselves who ended it.
        if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
        const cause = causeOf(error);
        const told = { node: this.#nodes.get(node)!, cause, out: false };
        this.#tell({ event: "node_trouble", kind: "broke_off", ...told });
      }
    }
    throw new Failure("undelivered", {
      what: "Cannot fetch file",
      why: "no node could describe it",
      remedy: "run again to resume",
    });
  }

  #smallSink({ name, path, group }: Job): Sink {
    this.#tally.expect(group.size, 0);
    const options = this.#targetOptions(group);
    const wanted = this.#options.sha256?.toLowerCase();
    const save = async (bytes: Uint8Array) => {
      if (wanted !== undefined && sha256(bytes).toHex() !== wanted) {
        throw notThatSha256(path);
      }
      await this.#small.save(path, bytes, options);
    };
    return {
      write: (_first, bytes) => this.#attempt(name, () => save(bytes)),
      finish: async () => {
        if (group.size > 0) return;
        await this.#attempt(name, () => save(new Uint8Array())); // had no pieces
      },
    };
  }

  /**
   * Opens the partial file, and finds out what of it is right; nothing where the
   * file has come to be there meanwhile.
   */
  async #largeSink(
    job: Job,
    known: Manifest | undefined,
  ): Promise<
    | { sink: Sink; have: number[]; manifest: Manifest | undefined }
    | undefined
  > {
    const { name, path, group } = job;
    const { size } = group;
    const options = { size, ...this.#targetOptions(group) };
    const partial = await PartialFile.open(path, options);
    this.#partials.set(name, partial);
    // Another may have published it until this one had the lock.
    const occupant = options.overwrite ? "none" : await occupantOf(path, size);
    if (occupant !== "none") {
      if (await partial.byteCount() === 0) await partial.discard();
      else await partial.keep();
      this.#partials.delete(name);
      const manifest = known ?? await this.#describe(group);
      if (await this.#isPresent(job, occupant, manifest)) return undefined;
    }
    let manifest = known;
    let have: number[] = [];
    if (await partial.byteCount() > 0) {
      manifest ??= await this.#describe(group);
      have = await partial.resume(manifest, this.#hasher!);
    }
    const bytes = have.reduce(
      (sum, piece) => sum + pieceLength(size, piece),
      0,
    );
    this.#tally.expect(size, bytes);
    if (bytes > 0) this.#tell({ event: "file_resumed", name, path, bytes });
    return { sink: this.#verifying(name, partial), have, manifest };
  }

  /** A sink that holds the whole to the SHA-256 that was asked for. */
  #verifying(name: string, partial: PartialFile): Sink {
    const wanted = this.#options.sha256?.toLowerCase();
    return {
      write: (first, bytes) => partial.write(first, bytes),
      finish: async () => {
        if (wanted !== undefined && await partial.sha256() !== wanted) {
          await partial.discard();
          throw notThatSha256(partial.path);
        }
        await this.#attempt(name, () => partial.finish());
      },
    };
  }

  /**
   * Saves. That something else has come to be in the way is told of that file
   * alone; that the disk fails ends everything.
   */
  async #attempt(name: string, save: () => Promise<void>): Promise<void> {
    try {
      await save();
    } catch (error) {
      if (!(error instanceof Failure) || !isInTheWay(error)) throw error;
      this.#fail(name, error);
    }
  }

  #targetOptions({ modifiedMs }: ContentGroup): TargetOptions {
    return { overwrite: this.#options.overwrite ?? false, modifiedMs };
  }

  #received({ job, deliveries }: Incoming, hashes: Uint8Array): void {
    const { name, path, group } = job;
    this.#partials.delete(name);
    if (this.#failed.has(name)) return; // something came to be in the way
    const content = group.content ?? new Manifest(group.size, hashes).contentId;
    const from = deliveries.by((id) => this.#nodes.get(id)!);
    this.#saved.set(name, path);
    this.#tally.complete();
    const bytes = group.size;
    this.#tell({ event: "file_received", name, bytes, content, from, path });
  }

  async #undelivered(
    { job: { name, group }, deliveries, have }: Incoming,
    kind: FileFailure,
  ): Promise<void> {
    const partial = this.#partials.get(name);
    this.#partials.delete(name);
    await partial?.keep();
    const received = deliveries.total + have * pieceLength(group.size, 0);
    this.#fail(
      name,
      kind === "corrupt"
        ? new Failure("corrupt", {
          what: "Cannot verify file",
          where: show(name),
          why:
            "nodes sent something else than they vouched for, and no other has it",
          remedy: "look at those nodes",
        })
        : new Failure("undelivered", {
          what: "Cannot fetch file",
          where: show(name),
          why: "no node that has it is left, at " +
            `${Math.floor(100 * received / Math.max(1, group.size))} %`,
          remedy: "run again to resume",
        }),
    );
  }

  #tellProgress(download: Download): void {
    const progress = this.#tally.progress(
      performance.now(),
      download.activeCount,
    );
    this.#tell({ event: "progress", ...progress });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("ended"));
    await this.#seeking.settled();
    for (const session of this.#sessions.values()) {
      await session[Symbol.asyncDispose]();
    }
    this.#hasher?.[Symbol.dispose]();
  }
}

/** Folders that files are saved in: made where they are missing. */
class Folders {
  readonly #known = new Map<string, "new" | "old">();
  readonly #links = new Map<string, boolean>();

  /** Makes sure of a folder; whether it is new, and so empty. */
  async ensure(path: string): Promise<boolean> {
    const known = this.#known.get(path);
    if (known !== undefined) return known === "new";
    let isNew = false;
    try {
      await Deno.mkdir(path);
      isNew = true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        await this.ensure(dirname(path));
        await Deno.mkdir(path).catch((cause) => {
          throw cannotMake(path, cause);
        });
        isNew = true;
      } else if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw cannotMake(path, error);
      }
    }
    this.#known.set(path, isNew ? "new" : "old");
    return isNew;
  }

  /**
   * Refuses folders that a name asks for, and that are links to elsewhere. Where
   * the person said to save may be one: that is their own word.
   */
  async refuseLinks(path: string, name: string): Promise<void> {
    if (!path.endsWith(name)) return;
    for (
      let at = dirname(name), folder = dirname(path);
      at !== ".";
      at = dirname(at), folder = dirname(folder)
    ) {
      if (!this.#links.has(folder)) {
        this.#links.set(folder, (await Deno.lstat(folder)).isSymlink);
      }
      if (this.#links.get(folder)) {
        throw inTheWay(folder, "is a link, and leads elsewhere");
      }
    }
  }

  /** Makes the names in all of them durable. */
  async sync(): Promise<void> {
    for (const path of this.#known.keys()) {
      await syncFolder(path).catch((cause) => {
        throw cannotSync(path, cause);
      });
    }
  }
}

function cannotSync(path: string, error: unknown): Failure {
  return new Failure("local", {
    what: "Cannot make folder durable",
    where: show(path),
    why: describeCause(error),
    remedy: "what was saved is there, but may not outlast a power failure",
    cause: error,
  });
}

function cannotMake(path: string, error: unknown): Failure {
  return new Failure(localKindOf(error), {
    what: "Cannot make folder",
    where: show(path),
    why: describeCause(error),
    cause: error,
  });
}

/** Whether somebody else has put the file there, or is about to. */
function isInTheWay({ cause }: Failure): boolean {
  return cause instanceof Deno.errors.AlreadyExists || cause === OTHERS;
}

function inTheWay(path: string, why: string): Failure {
  return new Failure("local", {
    what: "Cannot save file",
    where: show(path),
    why,
    remedy: "give --overwrite to replace it, or -o for another place",
  });
}

function noSuchContent(name: string): Failure {
  return new Failure("not_found", {
    what: "Cannot find file",
    where: show(name),
    why: "no node has it with that SHA-256",
    remedy: "see the command ls",
  });
}

/**
 * Refuses to save two files in one place, or one file inside of another.
 *
 * @throws {Failure} of kind `usage`.
 */
function refuseClashes(jobs: readonly Job[]): void {
  const taken = new Map<string, string>();
  for (const { name, path } of jobs) {
    const key = path.normalize("NFC").toLowerCase();
    const other = taken.get(key);
    if (other !== undefined) throw clash(name, other);
    taken.set(key, name);
  }
  for (const { name, path } of jobs) {
    for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
      const other = taken.get(at.normalize("NFC").toLowerCase());
      if (other !== undefined) throw clash(name, other);
    }
  }
}

function clash(name: string, other: string): Failure {
  return new Failure("usage", {
    what: "Cannot save files",
    where: `${show(name)} and ${show(other)}`,
    why: "they would be in each other's place",
    remedy: "fetch them one after the other, with -o",
  });
}

/** Hashes of the pieces of a file on the disk; nothing where it cannot be read. */
async function hashFile(
  path: string,
  hasher: Hasher,
): Promise<Uint8Array | undefined> {
  try {
    using file = await Deno.open(path, { read: true });
    const { size } = await file.stat();
    const hashes = new Uint8Array(pieceCountOf(size) * HASH_BYTES);
    for (let piece = 0; piece < pieceCountOf(size); piece++) {
      const buffer = new Uint8Array(pieceLength(size, piece));
      for (let filled = 0; filled < buffer.length;) {
        const read = await file.read(buffer.subarray(filled));
        if (read === null) return undefined;
        filled += read;
      }
      const hashed = await hasher.hash(buffer, buffer.length);
      hashes.set(hashed.hashes[0]!, piece * HASH_BYTES);
    }
    return hashes;
  } catch (error) {
    if (isBug(error)) throw error;
    return undefined; // not to be read: then it is another
  }
}
