import {
  StreamError,
  type ConsumeBounds,
  type LogFacts,
  type PartitionLog,
  type PartitionReader,
  type StoredMessage,
} from "@sluice/core";
import { addDivergence, type Divergence } from "@sluice/core";
import type { MemoryLog } from "./memory-log.ts";

export interface MemoryRejection {
  streamId: string;
  brokerSequence: number;
  index: number;
  reason: string;
  element: Uint8Array;
}

/** Ingest's way to a MemoryLog. */
export class MemoryPartitionLog implements PartitionLog {
  readonly log: MemoryLog;
  readonly #rejected = new Map<string, MemoryRejection>();

  constructor(log: MemoryLog) {
    this.log = log;
  }

  get partitions(): number {
    return this.log.partitions;
  }

  /** Rejections in the order of their first arrival. */
  get rejected(): readonly MemoryRejection[] {
    return [...this.#rejected.values()];
  }

  async facts(): Promise<LogFacts> {
    this.#assertReachable();
    const { createdMs, firstSequence, lastSequence, maxAgeMs, divergences, isFull, fullness } = this.log;
    return {
      createdMs,
      firstSequence,
      lastSequence,
      maxAgeMs,
      divergences,
      fullness: isFull ? 1 : fullness,
      space: { usedBytes: 0, limitBytes: Infinity },
    };
  }

  async recordDivergence(
    after: number,
    lost: { brokerSequence: number; timestampMs: number },
    known: readonly Divergence[],
  ): Promise<void> {
    this.#assertReachable();
    if (this.log.divergences.length !== known.length) return;
    this.log.divergences = addDivergence(known, after, lost);
  }

  async timestampAt(brokerSequence: number): Promise<number | null> {
    this.#assertReachable();
    const found = this.log.messages.find((message) => message.brokerSequence === brokerSequence);
    return found?.timestampMs ?? null;
  }

  async positionBefore(timeMs: number): Promise<number> {
    this.#assertReachable();
    const older = this.log.messages.findLast((message) => message.timestampMs < timeMs);
    return older?.brokerSequence ?? this.log.firstSequence - 1;
  }

  async read(partition: number, after: number, bounds: ConsumeBounds): Promise<PartitionReader> {
    this.#assertReachable();
    return new MemoryPartitionReader(this.log, partition, after, bounds);
  }

  async *readStream(
    streamId: string,
    after: number,
    pageSize: number,
  ): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    this.#assertReachable();
    const isWanted = (message: StoredMessage): boolean =>
      message.streamId === streamId && message.brokerSequence > after;
    const wanted = this.log.messages.filter(isWanted);
    for (let start = 0; start < wanted.length; start += pageSize) {
      this.#assertReachable();
      yield wanted.slice(start, start + pageSize);
    }
  }

  async *lastMessages(partition: number): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    this.#assertReachable();
    const last = new Map<string, StoredMessage>();
    for (const message of this.log.ofPartition(partition, 0)) last.set(message.streamId, message);
    const inOrder = [...last.values()].toSorted((left, right) => left.brokerSequence - right.brokerSequence);
    if (inOrder.length > 0) yield inOrder;
  }

  async reject(rejected: MemoryRejection): Promise<void> {
    this.#assertReachable();
    const id = `${rejected.brokerSequence}:${rejected.index}`;
    if (!this.#rejected.has(id)) this.#rejected.set(id, rejected);
  }

  #assertReachable(): void {
    if (!this.log.isReachable) throw new StreamError("LOG_UNAVAILABLE", "the log can't be reached");
  }
}

class MemoryPartitionReader implements PartitionReader {
  readonly #log: MemoryLog;
  readonly #partition: number;
  readonly #maxMessages: number;
  readonly #stopListening: () => void;
  #position: number;
  #isClosed = false;
  #wake: (() => void) | null = null;

  constructor(log: MemoryLog, partition: number, after: number, bounds: ConsumeBounds) {
    this.#log = log;
    this.#partition = partition;
    this.#position = after;
    this.#maxMessages = bounds.maxPendingMessages;
    this.#stopListening = log.onChange(() => this.#wake?.());
  }

  get backlog(): number {
    return this.#log.isReachable ? this.#log.ofPartition(this.#partition, this.#position).length : Infinity;
  }

  async next(maxMessages: number): Promise<StoredMessage[] | null> {
    if (this.#wake !== null) throw new Error("next was called while another call of it waits");
    for (;;) {
      if (this.#isClosed) return null;
      const arrived = this.#log.isReachable ? this.#log.ofPartition(this.#partition, this.#position) : [];
      const taken = arrived.slice(0, Math.min(maxMessages, this.#maxMessages));
      const last = taken.at(-1);
      if (last !== undefined) {
        this.#position = last.brokerSequence;
        return taken;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    this.#wake?.();
  }
}
