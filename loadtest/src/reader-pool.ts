import { setTimeout as delay } from "node:timers/promises";
import type { SseReaders } from "../actors/sse-readers.ts";
import { Actor } from "./actor.ts";
import { Latencies } from "./latencies.ts";

export interface Received {
  events: number;
  latencies: Latencies;
  faults: number;
  lowestSequence: number;
}

const POLL_MS = 50;

/** SSE readers, spread over several processes. */
export class ReaderPool implements AsyncDisposable {
  readonly #actors: readonly Actor<SseReaders>[];

  constructor(processes: number) {
    this.#actors = Array.from({ length: processes }, () => Actor.start<SseReaders>("sse-readers.ts"));
  }

  get pids(): number[] {
    return this.#actors.map((actor) => actor.pid);
  }

  /** One connection for each stream id; an id may come several times. */
  async open(edgeUrl: string, streamIds: readonly string[]): Promise<void> {
    await Promise.all(
      this.#actors.map((actor, index) => {
        const mine = streamIds.filter((_, position) => position % this.#actors.length === index);
        return actor.call("open", { edgeUrl, streamIds: mine });
      }),
    );
  }

  /** Takes what has come since it was last asked. */
  async take(): Promise<Received> {
    const reports = await Promise.all(this.#actors.map((actor) => actor.call("take", null)));
    const latencies = new Latencies();
    for (const each of reports) latencies.merge(each.latencies);
    return {
      events: reports.reduce((sum, each) => sum + each.events, 0),
      latencies,
      faults: reports.reduce((sum, each) => sum + each.faults, 0),
      lowestSequence: Math.min(...reports.map((each) => each.lowestSequence)),
    };
  }

  /** The same, once so many events have come or the time is over. */
  async takeAll(events: number, timeoutMs: number): Promise<Received> {
    const deadlineMs = performance.now() + timeoutMs;
    const all = await this.take();
    while (all.events < events && performance.now() < deadlineMs) {
      await delay(POLL_MS);
      const more = await this.take();
      all.events += more.events;
      all.latencies.merge(more.latencies.counts);
      all.faults = more.faults;
      all.lowestSequence = more.lowestSequence;
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#actors.map((actor) => actor[Symbol.asyncDispose]()));
  }
}
