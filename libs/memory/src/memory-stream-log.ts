import {
  StreamError,
  type LogAppendOutcome,
  type OutgoingMessage,
  type StoredMessage,
  type StreamLog,
} from "@sluice/core";
import type { MemoryLog } from "./memory-log.ts";

/** A producer's way to a MemoryLog, which can be made to lose messages and answers. */
export class MemoryStreamLog implements StreamLog {
  readonly log: MemoryLog;
  #acksToLose = 0;
  #messagesToLose = 0;

  constructor(log: MemoryLog) {
    this.log = log;
  }

  get maxMessageBytes(): number {
    return this.log.maxMessageBytes;
  }

  get partitions(): number {
    return this.log.partitions;
  }

  /** The next appends are stored, and answered with `unknown`. */
  loseAcks(count: number): void {
    this.#acksToLose = count;
  }

  /** The next appends get lost on their way, and are answered with `unknown`. */
  loseMessages(count: number): void {
    this.#messagesToLose = count;
  }

  async append(message: OutgoingMessage): Promise<LogAppendOutcome> {
    if (message.payload.byteLength > this.maxMessageBytes) {
      throw new StreamError("CHUNK_TOO_LARGE", `at most ${this.maxMessageBytes} bytes are allowed`);
    }
    this.#assertReachable();
    if (this.#messagesToLose > 0) {
      this.#messagesToLose -= 1;
      return { kind: "unknown", cause: new Error("the message was lost") };
    }
    if (this.log.isFull) throw new StreamError("LOG_FULL", "the log is full");
    const stored = this.log.append(message);
    if (stored === null) return { kind: "conflict" };
    if (this.#acksToLose > 0) {
      this.#acksToLose -= 1;
      return { kind: "unknown", cause: new Error("the acknowledgement was lost") };
    }
    return { kind: "stored", brokerSequence: stored.brokerSequence };
  }

  async lastMessage(streamId: string): Promise<StoredMessage | null> {
    this.#assertReachable();
    return this.log.lastOf(streamId) ?? null;
  }

  async firstAfter(streamId: string, brokerSequence: number): Promise<StoredMessage | null> {
    this.#assertReachable();
    const isNext = (message: StoredMessage): boolean =>
      message.streamId === streamId && message.brokerSequence > brokerSequence;
    return this.log.messages.find(isNext) ?? null;
  }

  async purgeBefore(streamId: string, brokerSequence: number): Promise<void> {
    this.#assertReachable();
    this.log.purgeBefore(streamId, brokerSequence);
  }

  async fullness(): Promise<number> {
    this.#assertReachable();
    return this.log.isFull ? 1 : this.log.fullness;
  }

  #assertReachable(): void {
    if (!this.log.isReachable) throw new StreamError("LOG_UNAVAILABLE", "the log can't be reached");
  }
}
