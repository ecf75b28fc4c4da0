import type { ChunkCache, LogEntry, RestoredPage } from "@sluice/core";
import * as fc from "fast-check";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { append, checkpointAt, contentOf } from "./chunk-cache-steps.ts";
import { CountedLog, STREAMS, type Published, type Stream } from "./counted-log.ts";

/** Events of a partition: messages, two ingesters at their own pace, and losses. */
export type ScheduleStep =
  | { kind: "publish"; message: Published }
  | { kind: "ingest"; ingester: 0 | 1; maxEntries: number }
  | { kind: "repeat"; ingester: 0 | 1 }
  /** A rebuild reads the log now and is laid into the cache only with the `lay` after it. */
  | { kind: "rebuild"; stream: Stream }
  | { kind: "lay" }
  | { kind: "cancel"; stream: Stream; requestedMs: number }
  | { kind: "snapshot" }
  | { kind: "rollback" }
  | { kind: "flush" }
  | { kind: "dropChunks"; stream: Stream }
  | { kind: "dropMeta"; stream: Stream };

const stream = fc.constantFrom(...STREAMS);
const ingester = fc.constantFrom(0 as const, 1 as const);
const message = fc.record({
  stream,
  elements: fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constant("text" as const) },
      { weight: 1, arbitrary: fc.constant("rejected" as const) },
      { weight: 1, arbitrary: fc.constant("end" as const) },
    ),
    { maxLength: 4 },
  ),
  isTombstone: fc.nat(11).map((roll) => roll === 0),
  isProven: fc.boolean(),
  beatIntervalMs: fc.constantFrom(null, 500, 5_000),
});
const step: fc.Arbitrary<ScheduleStep> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("publish" as const), message }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("ingest" as const),
      ingester,
      maxEntries: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("repeat" as const), ingester }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rebuild" as const), stream }) },
  { weight: 2, arbitrary: fc.constant({ kind: "lay" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("cancel" as const),
      stream,
      requestedMs: fc.integer({ min: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "snapshot" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rollback" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("dropChunks" as const), stream }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("dropMeta" as const), stream }) },
);

export const schedules: fc.Arbitrary<ScheduleStep[]> = fc.array(step, { minLength: 5, maxLength: 60 });

/**
 * Runs a schedule and then lets both ingesters come to the end of the log.
 * @returns all that could be seen, step by step: two caches that do the same give equal lists
 * @throws Error at the first chunk or head that isn't where the log has it
 */
export async function runSchedule(
  harness: ChunkCacheUnderTest,
  steps: readonly ScheduleStep[],
): Promise<unknown[]> {
  const run = new ScheduleRun(harness);
  for (const each of steps) await run.take(each);
  await run.settle();
  return run.seen;
}

class ScheduleRun {
  readonly seen: unknown[] = [];
  readonly #harness: ChunkCacheUnderTest;
  readonly #cache: ChunkCache;
  readonly #log = new CountedLog();
  /** Position that each ingester has read up to, and its last batch. */
  readonly #readUpTo = [0, 0];
  readonly #lastBatch: { readAfter: number; entries: LogEntry[] }[] = [];
  #rebuilt: RestoredPage | null = null;
  #rollback: (() => Promise<void>) | null = null;

  constructor(harness: ChunkCacheUnderTest) {
    this.#harness = harness;
    this.#cache = harness.cache;
  }

  async take(each: ScheduleStep): Promise<void> {
    this.seen.push([each.kind, await this.#do(each)]);
    for (const name of STREAMS) this.seen.push(await this.#look(name));
    this.seen.push(await this.#cache.readCheckpoint(0), await this.#cache.readOpenStreams(0, null, 10));
    this.seen.push(await this.#lookAtLists());
  }

  async settle(): Promise<void> {
    for (const number of [0, 1] as const) {
      // A rewind or a rebuild takes a round; each is needed at most a few times once nothing is lost any more.
      for (let round = 0; round < 50 && !(await this.#isAtEnd(number)); round++) {
        await this.take({ kind: "ingest", ingester: number, maxEntries: 100 });
      }
      if (!(await this.#isAtEnd(number)))
        throw new Error(`ingester ${number} doesn't come to the end of the log`);
    }
    for (const name of STREAMS) {
      await this.take({ kind: "rebuild", stream: name });
      await this.take({ kind: "lay" });
      const { last, status, texts } = this.#log.position(name);
      if (last === 0) continue;
      const page = await this.#cache.readPage(name, 0, { maxChunks: 10_000, maxBytes: 1e9 });
      const expected = status === "deleted" ? 0 : texts.size;
      if (page?.head !== last || page.status !== status || page.chunks.length !== expected) {
        throw new Error(
          `stream ${name} ends at ${page?.head} ${page?.status} with ${page?.chunks.length} chunks`,
        );
      }
    }
  }

  async #do(each: ScheduleStep): Promise<unknown> {
    switch (each.kind) {
      case "publish":
        this.#log.publish(each.message);
        break;
      case "ingest":
        return this.#ingest(each.ingester, each.maxEntries);
      case "repeat": {
        const batch = this.#lastBatch[each.ingester];
        return batch === undefined ? null : append(this.#cache, batch.readAfter, batch.entries);
      }
      case "rebuild":
        this.#rebuilt = this.#log.rebuild(each.stream);
        break;
      case "lay":
        return this.#rebuilt === null ? null : this.#cache.restore(this.#rebuilt);
      case "cancel":
        return this.#cache.requestCancel(each.stream, { requestedMs: each.requestedMs, reason: "requested" });
      case "snapshot":
        this.#rollback = await this.#harness.snapshot();
        break;
      case "rollback":
        await this.#rollback?.();
        break;
      case "flush":
        await this.#harness.flush();
        break;
      case "dropChunks":
        await this.#harness.dropChunks(each.stream);
        break;
      case "dropMeta":
        await this.#harness.dropMeta(each.stream);
        break;
    }
    return null;
  }

  async #ingest(number: 0 | 1, maxEntries: number): Promise<unknown> {
    const readAfter = this.#readUpTo[number] ?? 0;
    const entries = this.#log.entries.slice(readAfter, readAfter + maxEntries);
    const outcome = await append(this.#cache, readAfter, entries);
    if (outcome.kind === "applied") {
      this.#readUpTo[number] = readAfter + entries.length;
      this.#lastBatch[number] = { readAfter, entries };
    } else if (outcome.kind === "rewind") {
      const checkpoint = outcome.checkpoint ?? (await this.#cache.seedCheckpoint(0, checkpointAt(0)));
      this.#readUpTo[number] = checkpoint.brokerSequence;
    } else {
      for (const name of outcome.streamIds) {
        const page = this.#log.rebuild(name as Stream);
        if (page !== null) await this.#cache.restore(page);
      }
    }
    return outcome;
  }

  /** The lists, held against the records: who has one stands where it says, with the time of its last message. */
  async #lookAtLists(): Promise<unknown> {
    const query = { prefix: "", after: null, limit: 10 };
    const open = await this.#cache.readRecentStreams(0, { ...query, list: "open" });
    const ended = await this.#cache.readRecentStreams(0, { ...query, list: "ended" });
    for (const name of STREAMS) {
      const info = await this.#cache.readInfo(name);
      if (info === null) continue;
      const { streams } = info.head.status === "open" ? open : ended;
      const listed = streams.find(({ streamId }) => streamId === name);
      if (listed?.updatedMs !== info.updatedMs) {
        throw new Error(`${name} is listed with ${listed?.updatedMs}, not ${info.updatedMs}`);
      }
    }
    return { open, ended };
  }

  async #isAtEnd(number: 0 | 1): Promise<boolean> {
    const end = this.#log.entries.length;
    const checkpoint = await this.#cache.readCheckpoint(0);
    return this.#readUpTo[number] === end && checkpoint?.brokerSequence === end;
  }

  /** All that the cache tells of a stream, held against the log. */
  async #look(name: Stream): Promise<unknown> {
    const { heads, texts } = this.#log.position(name);
    const info = await this.#cache.readInfo(name);
    const page = await this.#cache.readPage(name, 0, { maxChunks: 10_000, maxBytes: 1e9 });
    if ((info === null) !== (page === null)) throw new Error(`record and page of ${name} disagree`);
    if (info !== null && heads.get(info.head.brokerSequence) !== info.head.sequence) {
      throw new Error(`head of ${name} is ${info.head.sequence} after message ${info.head.brokerSequence}`);
    }
    const chunks = (page?.chunks ?? []).map((chunk): [number, string] => [chunk.sequence, contentOf(chunk)]);
    for (const [sequence, content] of chunks) {
      if (texts.get(sequence) !== content) throw new Error(`${name} has "${content}" under ${sequence}`);
    }
    if (chunks.some(([sequence], index) => index > 0 && sequence <= (chunks[index - 1]?.[0] ?? 0))) {
      throw new Error(`chunks of ${name} are out of order or double`);
    }
    return { info, head: page?.head, status: page?.status, chunks };
  }
}
