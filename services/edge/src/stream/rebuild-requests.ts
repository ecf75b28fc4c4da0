import type { LiveFeed, RebuildAnswer } from "@sluice/core";
import type { EdgeMetrics } from "../metrics.ts";
import { FairQueue, type QueuedWork } from "./fair-queue.ts";
import type { ReadingClient } from "./page-reads.ts";

// Anybody can ask for ids that nobody knows, and each question costs ingest a read of the log and one of Redis.
const MAX_ASKED = 256;
const MAX_ASKED_FOR_ADDRESS = 128;

// Without this bound a scan over random ids fills the heap with those that wait.
const MAX_WAITING = 10_000;

interface RebuildRequest extends QueuedWork {
  readonly partition: number;
  readonly clients: ReadingClient[];
  readonly answer: PromiseWithResolvers<RebuildAnswer | null>;
  isSent: boolean;
}

/**
 * Asks ingest to bring streams back from the log: one request for a stream at a time, whoever asks meanwhile gets its
 * answer; a bounded number in all, in turns by client address; and none for who has gone before its turn.
 */
export class RebuildRequests {
  readonly #liveFeed: Pick<LiveFeed, "requestRebuild">;
  readonly #timeoutMs: number;
  readonly #metrics: Pick<EdgeMetrics, "rebuildRequests">;
  readonly #queue = new FairQueue<RebuildRequest>({
    total: MAX_ASKED,
    perAddress: MAX_ASKED_FOR_ADDRESS,
    perStream: 1,
  });
  readonly #standing = new Map<string, RebuildRequest>();

  constructor(
    liveFeed: Pick<LiveFeed, "requestRebuild">,
    timeoutMs: number,
    metrics: Pick<EdgeMetrics, "rebuildRequests">,
  ) {
    this.#liveFeed = liveFeed;
    this.#timeoutMs = timeoutMs;
    this.#metrics = metrics;
  }

  /** @returns null without an answer in time, also where too many wait */
  ask(partition: number, streamId: string, client: ReadingClient): Promise<RebuildAnswer | null> {
    const standing = this.#standing.get(streamId);
    if (standing !== undefined) {
      standing.clients.push(client);
      if (!standing.isSent) this.#queue.add(standing, client.address);
      this.#askWaiting();
      return standing.answer.promise;
    }
    if (this.#queue.size >= MAX_WAITING) return Promise.resolve(null);
    const answer = Promise.withResolvers<RebuildAnswer | null>();
    const clients = [client];
    const request: RebuildRequest = { streamId, partition, bytes: 1, clients, answer, isSent: false };
    this.#standing.set(streamId, request);
    this.#queue.add(request, client.address);
    this.#askWaiting();
    return answer.promise;
  }

  #askWaiting(): void {
    for (let request = this.#queue.take(); request !== null; request = this.#queue.take())
      void this.#send(request);
  }

  async #send(request: RebuildRequest): Promise<void> {
    request.isSent = true;
    const isWanted = request.clients.some(({ signal }) => !signal.aborted);
    const answer = isWanted ? await this.#askIngest(request) : null;
    this.#standing.delete(request.streamId);
    this.#queue.done(request);
    request.answer.resolve(answer);
    this.#askWaiting();
  }

  async #askIngest({ partition, streamId }: RebuildRequest): Promise<RebuildAnswer | null> {
    const answer = await this.#liveFeed.requestRebuild(partition, streamId, this.#timeoutMs);
    this.#metrics.rebuildRequests.inc({ outcome: answer?.kind ?? "unanswered" });
    return answer;
  }
}
