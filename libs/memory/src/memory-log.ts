import { partitionOf, type Divergence, type OutgoingMessage, type StoredMessage } from "@sluice/core";

export interface MemoryLogOptions {
  partitions?: number;
  maxMessageBytes?: number;
  maxAgeMs?: number;
  /** The log's clock, ms. */
  now?: () => number;
}

/**
 * A log in memory, seen through MemoryStreamLog and MemoryPartitionLog, with what tests do to logs: fill them up, cut them
 * off, let them forget, roll them back.
 */
export class MemoryLog {
  readonly partitions: number;
  readonly maxMessageBytes: number;
  readonly maxAgeMs: number;
  /** Refuses new messages for want of space. */
  isFull = false;
  /** False: whatever is asked of it throws LOG_UNAVAILABLE; readers wait. */
  isReachable = true;
  fullness = 0;
  createdMs: number;
  /** Ascending; see PartitionLog. */
  divergences: readonly Divergence[] = [];
  readonly #now: () => number;
  #messages: StoredMessage[] = [];
  #firstSequence: number;
  #lastSequence: number;
  #lastTimestampMs = 0;
  readonly #readers = new Set<() => void>();

  constructor(options: MemoryLogOptions = {}) {
    this.partitions = options.partitions ?? 4;
    this.maxMessageBytes = options.maxMessageBytes ?? 2 * 1024 * 1024;
    this.maxAgeMs = options.maxAgeMs ?? Infinity;
    this.#now = options.now ?? Date.now;
    this.createdMs = this.#now();
    this.#firstSequence = this.createdMs;
    this.#lastSequence = this.createdMs - 1;
  }

  /** Oldest first. */
  get messages(): readonly StoredMessage[] {
    return this.#messages;
  }

  /** Sequence of the oldest message; last + 1 when it is empty. */
  get firstSequence(): number {
    return this.#messages[0]?.brokerSequence ?? Math.max(this.#firstSequence, this.#lastSequence + 1);
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Stores it, or null where another than the expected message is the stream's last. */
  append(message: OutgoingMessage): StoredMessage | null {
    const last = this.lastOf(message.streamId)?.brokerSequence ?? 0;
    if (message.expectedLastSequence !== null && message.expectedLastSequence !== last) return null;
    return this.#store({
      streamId: message.streamId,
      messageId: message.messageId,
      producerSequence: message.producerSequence,
      expectedLastSequence: message.expectedLastSequence,
      control: message.control ?? null,
      options: message.options ?? null,
      beatIntervalMs: message.beatIntervalMs ?? null,
      receiptTo: message.receiptTo ?? null,
      payload: message.payload.slice(),
    });
  }

  /** Publishes as `nats pub` does: no id, no expectation, no number. */
  publishBare(streamId: string, payload: Uint8Array): StoredMessage {
    return this.#store({
      streamId,
      messageId: null,
      producerSequence: null,
      expectedLastSequence: null,
      control: null,
      options: null,
      beatIntervalMs: null,
      receiptTo: null,
      payload: payload.slice(),
    });
  }

  lastOf(streamId: string): StoredMessage | undefined {
    return this.#messages.findLast((message) => message.streamId === streamId);
  }

  ofPartition(partition: number, after: number): StoredMessage[] {
    return this.#messages.filter(
      (message) =>
        message.brokerSequence > after && partitionOf(message.streamId, this.partitions) === partition,
    );
  }

  /** Forgets everything before a position, as age does. */
  ageOutBefore(brokerSequence: number): void {
    this.#messages = this.#messages.filter((message) => message.brokerSequence >= brokerSequence);
    this.#firstSequence = brokerSequence;
  }

  purgeBefore(streamId: string, brokerSequence: number): void {
    this.#messages = this.#messages.filter(
      (message) => message.streamId !== streamId || message.brokerSequence >= brokerSequence,
    );
  }

  /** Loses what came after a position, as a power cut does to a log that wasn't flushed; the positions are used again. */
  rollBackTo(brokerSequence: number): void {
    this.#messages = this.#messages.filter((message) => message.brokerSequence <= brokerSequence);
    this.#lastSequence = Math.min(this.#lastSequence, brokerSequence);
  }

  /** Deletes the log and makes a new one of the same name. */
  recreate(): void {
    this.#messages = [];
    this.divergences = [];
    this.createdMs = Math.max(this.#now(), this.#lastSequence + 1);
    this.#firstSequence = this.createdMs;
    this.#lastSequence = this.createdMs - 1;
  }

  setReachable(isReachable: boolean): void {
    this.isReachable = isReachable;
    this.#wakeReaders();
  }

  /** Calls back after each change that may give a reader something. @returns what ends it */
  onChange(handler: () => void): () => void {
    this.#readers.add(handler);
    return () => void this.#readers.delete(handler);
  }

  /** Readers that haven't been closed. */
  get openReaders(): number {
    return this.#readers.size;
  }

  #store(message: Omit<StoredMessage, "brokerSequence" | "timestampMs">): StoredMessage {
    this.#lastSequence += 1;
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, this.#now());
    const stored = { ...message, brokerSequence: this.#lastSequence, timestampMs: this.#lastTimestampMs };
    this.#messages.push(stored);
    this.#wakeReaders();
    return stored;
  }

  #wakeReaders(): void {
    for (const handler of this.#readers) handler();
  }
}
