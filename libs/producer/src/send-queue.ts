import { StreamError } from "@sluice/core";
import type { EncodedChunk } from "./encoded-chunk.ts";
import type { Load } from "./rate-limit.ts";
import { MAX_WAITING_SENDS } from "./settings.ts";

/** Proof that a chunk is durable. */
export interface SendReceipt {
  /** JetStream's sequence of the message that the chunk travelled in. */
  brokerSequence: number;
  /**
   * Number of the chunk in its stream. Null for a heartbeat; and unless the send was confirmed, also if the stream has messages
   * that don't carry their number.
   */
  sequence: number | null;
}

/** Chunks that were sent together and stay together. */
export interface SendUnit {
  readonly chunks: readonly EncodedChunk[];
  readonly bytes: number;
  readonly hasEnd: boolean;
  /** Whether its sender waits for what ingest makes of it. */
  readonly isConfirmed: boolean;
  resolve(receipts: SendReceipt[]): void;
  reject(error: unknown): void;
}

export interface QueueBounds {
  bufferSize: number;
  bufferBytes: number;
  backpressureThreshold: number;
  backpressureTimeoutMs: number;
}

interface Waiting {
  unit: SendUnit;
  timer: NodeJS.Timeout;
}

/**
 * Queue of what waits for its publish, in the order of sending. Two rooms: the buffer, which is bounded, and before it those
 * that wait to be let in, each for a bounded time. From the threshold on nothing is let in; an empty buffer lets in a unit
 * of any size.
 */
export class SendQueue {
  readonly #bounds: QueueBounds;
  readonly #buffer: SendUnit[] = [];
  readonly #waiting: Waiting[] = [];
  /** Called once there is room again. */
  readonly #onRoom: (() => void)[] = [];
  #chunks = 0;
  #bytes = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  /** How full the buffer is, 0 to 1; a large `sendAll` can fill it further. */
  get usage(): number {
    return Math.max(this.#chunks / this.#bounds.bufferSize, this.#bytes / this.#bounds.bufferBytes);
  }

  /** Least that the next message has to carry; null: nothing waits. */
  get next(): Load | null {
    const [first] = this.#buffer;
    return first === undefined ? null : { chunks: first.chunks.length, bytes: first.bytes };
  }

  /** Resolves once a single chunk would be let in at once. */
  async room(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isPressed)
      await new Promise<void>((resolve) => this.#onRoom.push(resolve));
  }

  /** Whether the end of the stream waits here: always last, as its sender lets nothing follow. */
  get hasEnd(): boolean {
    const last = this.#waiting.at(-1)?.unit ?? this.#buffer.at(-1);
    return last?.hasEnd === true;
  }

  /** Takes a unit in or lets it wait; rejects it with BACKPRESSURE_EXCEEDED where that would take too long. */
  push(unit: SendUnit): void {
    if (this.#waiting.length === 0 && this.#hasRoomFor(unit)) {
      this.#admit(unit);
    } else if (this.#waiting.length >= MAX_WAITING_SENDS) {
      unit.reject(exceeded(`${MAX_WAITING_SENDS} sends wait already`));
    } else {
      this.#wait(unit);
    }
  }

  /** The units of the next message: at least one, if there is any, and whole ones only. */
  take(maxChunks: number, maxBytes: number): SendUnit[] {
    let chunks = 0;
    let bytes = 0;
    let count = 0;
    for (const unit of this.#buffer) {
      chunks += unit.chunks.length;
      bytes += unit.bytes;
      if (count > 0 && (chunks > maxChunks || bytes > maxBytes)) break;
      count++;
    }
    const units = this.#buffer.splice(0, count);
    for (const unit of units) {
      this.#chunks -= unit.chunks.length;
      this.#bytes -= unit.bytes;
    }
    this.#makeRoom();
    return units;
  }

  /** Rejects all that waits: what follows a failed send must not be stored without it. */
  rejectAll(error: unknown): void {
    const waiting = this.#waiting.splice(0);
    const units = [...this.#buffer.splice(0), ...waiting.map(({ unit }) => unit)];
    this.#chunks = 0;
    this.#bytes = 0;
    for (const { timer } of waiting) clearTimeout(timer);
    for (const unit of units) unit.reject(error);
    this.#makeRoom();
  }

  get #isPressed(): boolean {
    return this.#buffer.length > 0 && this.usage >= this.#bounds.backpressureThreshold;
  }

  #hasRoomFor(unit: SendUnit): boolean {
    if (this.#buffer.length === 0) return true;
    if (this.#isPressed) return false;
    const { bufferSize, bufferBytes } = this.#bounds;
    return this.#chunks + unit.chunks.length <= bufferSize && this.#bytes + unit.bytes <= bufferBytes;
  }

  #admit(unit: SendUnit): void {
    this.#buffer.push(unit);
    this.#chunks += unit.chunks.length;
    this.#bytes += unit.bytes;
  }

  #wait(unit: SendUnit): void {
    const { backpressureTimeoutMs } = this.#bounds;
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(entry), 1);
      unit.reject(exceeded(`no room for ${backpressureTimeoutMs} ms`));
      this.#makeRoom();
    }, backpressureTimeoutMs);
    const entry = { unit, timer };
    this.#waiting.push(entry);
  }

  #makeRoom(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#hasRoomFor(first.unit)) return;
      clearTimeout(first.timer);
      this.#waiting.shift();
      this.#admit(first.unit);
    }
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }
}

function exceeded(reason: string): StreamError {
  return new StreamError("BACKPRESSURE_EXCEEDED", `${reason}: the chunk was not sent, send it again later`);
}
