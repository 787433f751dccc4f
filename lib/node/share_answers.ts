/**
 * A node's answers about files of the share: finds one by its name, lists them,
 * and describes the pieces of one.
 *
 * @module
 */

import type { DescribeOutcome } from "../share/digesting.ts";
import type { ReadRefusal } from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { Limits } from "../base/limits.ts";
import { orAborted } from "../base/waiting.ts";
import { refusal } from "../protocol/hello.ts";
import type { ListedFile, MessageOf } from "../protocol/messages.ts";
import type { GrantedFiles, Shared } from "./granted_files.ts";
import type { Outbox } from "./outbox.ts";
import { WORK_MS } from "./work_ledger.ts";
import type { ClientWork } from "./work_queue.ts";

/** The client that gets the answers. */
export interface AnsweredClient {
  /** Identifies the client, or its address group, for turns with others. */
  readonly requester: unknown;
  /** The files that it may fetch. */
  readonly files: GrantedFiles;
  readonly outbox: Outbox;
  readonly work: ClientWork;
  /** Waits until it is this client's turn. */
  turn(): Promise<void>;
  /** Refuses a request. */
  refuse(reason: ReadRefusal, request: number): Promise<void>;
  /** Does `work`, and meanwhile shows the client that the node is working. */
  whileWorking<T>(
    request: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
}

/** The parts of a node that the answers need. */
export interface AnswersService extends Shared {
  readonly limits: Limits;
}

// Bytes of a listed file in a frame, without its name.
const LISTED_BYTES = 300;

/** Answers one client. */
export class ShareAnswers {
  readonly #service: AnswersService;
  readonly #client: AnsweredClient;
  /** The last file that the client found by name. */
  #found: ShareFile | undefined;

  constructor(service: AnswersService, client: AnsweredClient) {
    this.#service = service;
    this.#client = client;
  }

  /** The last file that the client found by name. */
  get found(): ShareFile | undefined {
    return this.#found;
  }

  async find({ request, name }: MessageOf<"find">): Promise<void> {
    const { share, digests, limits } = this.#service;
    // Checked before the look-up, so the answer does not show whether the file
    // exists.
    if (!this.#client.files.mayName(name)) {
      return await this.#client.outbox.message(
        refusal("unauthorized", "not authorized", request),
      );
    }
    const file = await share.find(name);
    if (file === undefined) {
      this.#client.work.charge(WORK_MS.miss);
      return await this.#client.outbox.message(
        refusal("not_found", "no such file here", request),
      );
    }
    // A small file is hashed at once, so that its answer has the content id.
    if (file.size <= limits.hashOnFindBytes) await this.#describeFile(file);
    const wanted = this.#client.files.content;
    if (wanted !== undefined) {
      await this.#client.whileWorking(
        request,
        (signal) => this.#describeFile(file, signal),
      );
      if (digests.of(file)?.content !== wanted) {
        return await this.#client.outbox.message(
          refusal("other_content", "it has another content here", request),
        );
      }
    }
    this.#found = file;
    const { size, modifiedMs, version } = file;
    const digest = digests.of(file) ?? {};
    await this.#client.outbox.message({
      kind: "found",
      request,
      size,
      modifiedMs,
      version,
      ...digest,
      ...bitOf(file),
    });
  }

  async browse({ request, prefix }: MessageOf<"browse">): Promise<void> {
    const { share, digests, limits } = this.#service;
    this.#client.work.charge(WORK_MS.miss); // also where no file has the prefix
    // Without the files that the scan has not found yet, the list would
    // mislead.
    if (!share.isScanned) {
      const scanned = (left: AbortSignal) => orAborted(share.scanned(), left);
      await this.#client.whileWorking(request, scanned);
    }
    let files: ListedFile[] = [];
    let room = limits.frameControlBytes;
    const listed = this.#client.files.listed(prefix, async (lookedAt) => {
      this.#client.work.charge(lookedAt * WORK_MS.look);
      await this.#client.turn();
    });
    for await (const file of listed) {
      // At most three bytes a unit, as UTF-8 or escaped in JSON.
      const needed = LISTED_BYTES + 3 * file.name.length;
      if (room < needed || files.length === limits.listingPageCount) {
        await this.#client.outbox.message({
          kind: "files",
          request,
          files,
          more: true,
        });
        this.#client.work.charge(files.length * WORK_MS.list);
        files = [];
        room = limits.frameControlBytes;
      }
      room -= needed;
      const { name, size, modifiedMs, version } = file;
      const content = digests.of(file)?.content;
      const known = content === undefined ? {} : { content };
      files.push({
        name,
        size,
        modifiedMs,
        version,
        ...known,
        ...bitOf(file),
      });
    }
    this.#client.work.charge(files.length * WORK_MS.list);
    await this.#client.outbox.message({
      kind: "files",
      request,
      files,
      more: false,
    });
  }

  async describe({ request, of }: MessageOf<"describe">): Promise<void> {
    const file = this.#client.files.standingFor(of);
    if (file === undefined) return await this.#client.refuse("gone", request);
    const outcome = await this.#client.whileWorking(
      request,
      (signal) => this.#describeFile(file, signal),
    );
    if (outcome.kind === "refused") {
      return await this.#client.refuse(outcome.reason, request);
    }
    const { content, sha256, manifest } = outcome.described;
    await this.#client.outbox.message({
      kind: "manifest",
      request,
      size: file.size,
      content,
      sha256,
    });
    const { hashes } = manifest;
    const { limits } = this.#service;
    this.#client.work.charge(WORK_MS.sendByte * hashes.length);
    for (let sent = 0; sent < hashes.length;) {
      const most = Math.min(hashes.length - sent, limits.frameDataBytes);
      sent += await this.#client.outbox.data(request, most, (target) => {
        target.set(hashes.subarray(sent, sent + target.length));
        return target.length;
      });
    }
  }

  /** Describes a file; if it must be hashed first, that is charged. */
  #describeFile(
    file: ShareFile,
    signal?: AbortSignal,
  ): Promise<DescribeOutcome> {
    const { digests } = this.#service;
    if (file.size > 0 && digests.manifestOf(file) === undefined) {
      this.#client.work.charge(WORK_MS.hashByte * file.size);
    }
    return digests.describe(file, this.#client.requester, signal);
  }
}

/** The field for the executable bit; none if it is not set. */
function bitOf({ isExecutable }: ShareFile): { executable?: true } {
  return isExecutable ? { executable: true } : {};
}
