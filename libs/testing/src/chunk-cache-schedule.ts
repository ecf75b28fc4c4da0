import {
  numberEntry,
  type CachedChunk,
  type ChunkCache,
  type LogElement,
  type LogEntry,
  type RestoredPage,
  type StreamHead,
  type StreamInfo,
} from "@sluice/core";
import { chunkJsonHead } from "@sluice/protocol";
import fc from "fast-check";
import type { ChunkCacheHarness } from "./chunk-cache-harness.ts";
import { append, checkpointAt, contentOf } from "./chunk-cache-steps.ts";
import { logEntry, rejectedElement, textElement } from "./log-entry-samples.ts";

const STREAMS = ["a", "b", "c"] as const;
type Stream = (typeof STREAMS)[number];

interface Published {
  stream: Stream;
  elements: readonly ("text" | "rejected" | "end")[];
  isTombstone: boolean;
  /** Whether the message proves its own number. */
  isProven: boolean;
}

/** What happens to a partition: messages, two ingesters at their own pace, and losses. */
export type ScheduleStep =
  | { kind: "publish"; message: Published }
  | { kind: "ingest"; ingester: 0 | 1; maxEntries: number }
  | { kind: "repeat"; ingester: 0 | 1 }
  /** A rebuild reads the log now and is laid into the cache only with the `lay` after it. */
  | { kind: "rebuild"; stream: Stream }
  | { kind: "lay" }
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
  { weight: 2, arbitrary: fc.constant({ kind: "snapshot" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rollback" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("dropChunks" as const), stream }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("dropMeta" as const), stream }) },
);

export const schedules: fc.Arbitrary<ScheduleStep[]> = fc.array(step, { minLength: 5, maxLength: 60 });

interface Position {
  /** Head after each message of the stream, by broker sequence. */
  heads: Map<number, number>;
  /** By sequence; "" for a placeholder. */
  texts: Map<number, string>;
  last: number;
  status: "open" | "completed" | "deleted";
}

/** The log, with each element's position counted as it is published: what a cache's numbers have to be. */
class CountedLog {
  readonly entries: LogEntry[] = [];
  readonly streams = new Map<Stream, Position>(
    STREAMS.map((name) => [name, { heads: new Map(), texts: new Map(), last: 0, status: "open" }]),
  );

  publish(published: Published): void {
    const position = this.position(published.stream);
    const brokerSequence = this.entries.length + 1;
    const isOpen = position.status === "open";
    const proven = position.last + 1;
    const elements = published.isTombstone
      ? []
      : published.elements.map((kind, index) => element(kind, brokerSequence, index));
    if (published.isTombstone && position.status !== "deleted") {
      position.status = "deleted";
      position.last++;
    } else if (isOpen) {
      for (const [index, kind] of (published.isTombstone ? [] : published.elements).entries()) {
        position.texts.set(++position.last, kind === "rejected" ? "" : text(brokerSequence, index));
        if (kind === "end") {
          position.status = "completed";
          break;
        }
      }
    }
    position.heads.set(brokerSequence, position.last);
    this.entries.push(
      logEntry(brokerSequence, {
        streamId: published.stream,
        // Producers are told of the end: what comes after it is a bare publish.
        firstSequence: isOpen && (published.isProven || proven === 1) ? proven : null,
        isTombstone: published.isTombstone,
        elements,
      }),
    );
  }

  position(name: Stream): Position {
    const position = this.streams.get(name);
    if (position === undefined) throw new Error(`no stream ${name}`);
    return position;
  }

  /** A rebuild of a stream as of now; null where the log holds nothing of it. */
  rebuild(name: Stream): RestoredPage | null {
    const chunks: CachedChunk[] = [];
    let head: StreamHead | null = null;
    const info: Omit<StreamInfo, "head"> = {
      streamId: name,
      chunkCount: 0,
      byteCount: 0,
      createdMs: 0,
      updatedMs: 0,
      endedMs: null,
      options: null,
    };
    for (const entry of this.entries.filter(({ streamId }) => streamId === name)) {
      const numbering = numberEntry(head, {
        ...entry,
        firstSequence: head === null ? 1 : entry.firstSequence,
      });
      if (numbering.kind !== "numbered")
        throw new Error("a log read from its beginning numbers every message");
      const wasOpen: boolean = head === null || head.status === "open";
      head = numbering.head;
      if (!wasOpen && !(entry.isTombstone && numbering.count === 1)) continue;
      info.createdMs ||= entry.timestampMs;
      info.updatedMs = entry.timestampMs;
      if (head.status !== "open") info.endedMs ??= entry.timestampMs;
      for (const [index, { kind, ...rest }] of entry.elements.slice(0, numbering.count).entries()) {
        const sequence = numbering.first + index;
        const body = "body" in rest ? chunkJsonHead(name, sequence) + rest.body : "";
        chunks.push({ sequence, json: Buffer.from(body) });
        info.chunkCount += kind === "chunk" ? 1 : 0;
        info.byteCount += Buffer.byteLength(body);
      }
    }
    if (head === null) return null;
    const completion = {
      info: { ...info, head },
      snapshotBrokerSequence: this.entries.length,
      isProven: true,
    };
    return {
      partition: 0,
      streamId: name,
      chunkTtlSeconds: 300,
      chunks: head.status === "deleted" ? [] : chunks,
      completion,
    };
  }
}

function text(brokerSequence: number, index: number): string {
  // Every other message says the same, so that equal payloads meet.
  return brokerSequence % 2 === 0 ? "same" : `${brokerSequence}/${index}`;
}

function element(kind: "text" | "rejected" | "end", brokerSequence: number, index: number): LogElement {
  if (kind === "rejected") return rejectedElement();
  return textElement(text(brokerSequence, index), kind === "end" ? { endStatus: "completed" } : {});
}

/**
 * Runs a schedule and then lets both ingesters come to the end of the log.
 * @returns all that could be seen, step by step: two caches that do the same give equal lists
 * @throws Error at the first chunk or head that isn't where the log has it
 */
export async function runSchedule(
  harness: ChunkCacheHarness,
  steps: readonly ScheduleStep[],
): Promise<unknown[]> {
  const run = new ScheduleRun(harness);
  for (const each of steps) await run.take(each);
  await run.settle();
  return run.seen;
}

class ScheduleRun {
  readonly seen: unknown[] = [];
  readonly #harness: ChunkCacheHarness;
  readonly #cache: ChunkCache;
  readonly #log = new CountedLog();
  /** What each ingester has read up to, and its last batch. */
  readonly #readUpTo = [0, 0];
  readonly #lastBatch: { readAfter: number; entries: LogEntry[] }[] = [];
  #rebuilt: RestoredPage | null = null;
  #rollback: (() => Promise<void>) | null = null;

  constructor(harness: ChunkCacheHarness) {
    this.#harness = harness;
    this.#cache = harness.cache;
  }

  async take(each: ScheduleStep): Promise<void> {
    this.seen.push([each.kind, await this.#do(each)]);
    for (const name of STREAMS) this.seen.push(await this.#look(name));
    this.seen.push(await this.#cache.readCheckpoint(0));
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
        return this.#log.publish(each.message);
      case "ingest":
        return await this.#ingest(each.ingester, each.maxEntries);
      case "repeat": {
        const batch = this.#lastBatch[each.ingester];
        return batch === undefined ? null : await append(this.#cache, batch.readAfter, batch.entries);
      }
      case "rebuild":
        this.#rebuilt = this.#log.rebuild(each.stream);
        return null;
      case "lay":
        return this.#rebuilt === null ? null : await this.#cache.restore(this.#rebuilt);
      case "snapshot":
        this.#rollback = await this.#harness.snapshot();
        return null;
      case "rollback":
        return await this.#rollback?.();
      case "flush":
        return await this.#harness.flush();
      case "dropChunks":
        return await this.#harness.dropChunks(each.stream);
      case "dropMeta":
        return await this.#harness.dropMeta(each.stream);
    }
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
