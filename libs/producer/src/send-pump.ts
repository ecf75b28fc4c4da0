import { MAX_ELEMENTS_PER_MESSAGE, StreamError } from "@sluice/core";
import type { EncodedChunk } from "./encoded-chunk.ts";
import type { Batch, StoredBatch, StreamPublisher } from "./publisher.ts";
import type { Load } from "./rate-limit.ts";
import type { ExpectedReceipt, ReceiptTracker } from "./receipt-tracker.ts";
import { SendQueue, type QueueBounds, type SendReceipt, type SendUnit } from "./send-queue.ts";
import type { Throttle } from "./throttle.ts";

/** `[`, `]`; a comma for each chunk is counted with the chunk. */
const ARRAY_BYTES = 2;

export interface SendPumpOptions {
  streamId: string;
  publisher: StreamPublisher;
  bounds: QueueBounds;
  throttle: Throttle;
  /** Null: nothing can be confirmed. */
  receipts: ReceiptTracker | null;
  maxMessageBytes: number;
  onStored: () => void;
  /** True once others ended the stream or took it over: nothing can be sent any more. */
  onOvertaken: (end: StreamError) => void;
}

/** Publishes what is sent on one stream, message by message: all that has gathered while the last one was in flight. */
export class SendPump {
  readonly #options: SendPumpOptions;
  readonly #queue: SendQueue;
  /** Stored, and waiting for their numbers. */
  readonly #confirming = new Set<Promise<void>>();
  #running: Promise<void> | null = null;
  #isEnding = false;

  constructor(options: SendPumpOptions) {
    this.#options = options;
    this.#queue = new SendQueue(options.bounds);
  }

  get usage(): number {
    return this.#queue.usage;
  }

  /** Resolves once a single chunk would be let in at once. */
  room(): Promise<void> {
    return this.#queue.room();
  }

  /** @returns their receipts, in order, when they are durable; confirmed ones when readers can have them */
  send(chunks: EncodedChunk[], isConfirmed: boolean): Promise<SendReceipt[]> {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes + 1, 0);
    this.#refuse(chunks, bytes);
    const hasEnd = chunks.at(-1)?.endStatus !== null;
    return new Promise((resolve, reject) => {
      this.#queue.push({ chunks, bytes, hasEnd, isConfirmed, resolve, reject });
      this.#running ??= this.#pump();
    });
  }

  /** Resolves when all that was sent has settled. */
  async settle(): Promise<void> {
    await this.#running;
    await Promise.all(this.#confirming);
  }

  #refuse(chunks: readonly EncodedChunk[], bytes: number): void {
    const { publisher, streamId, maxMessageBytes } = this.#options;
    if (publisher.end !== null) throw publisher.end;
    if (this.#isEnding || this.#queue.hasEnd) {
      throw new StreamError("STREAM_ENDED", `the end of stream ${streamId} was sent: nothing can follow`);
    }
    const endIndex = chunks.findIndex((chunk) => chunk.endStatus !== null);
    if (endIndex >= 0 && endIndex < chunks.length - 1) {
      throw new StreamError(
        "STREAM_ENDED",
        `chunk at index ${endIndex + 1} comes after the end of the stream`,
        { details: { index: endIndex + 1 } },
      );
    }
    const [only] = chunks;
    const payloadBytes = only !== undefined && chunks.length === 1 ? only.bytes : bytes + ARRAY_BYTES;
    if (payloadBytes > maxMessageBytes) {
      throw new StreamError(
        "CHUNK_TOO_LARGE",
        `${payloadBytes} bytes were sent at once, the log takes ${maxMessageBytes}: send them in parts`,
      );
    }
  }

  async #pump(): Promise<void> {
    // Lets what is sent in one go travel in one message.
    await Promise.resolve();
    try {
      for (let next = this.#queue.next; next !== null; next = this.#queue.next) {
        let units: SendUnit[] = [];
        await this.#options.throttle.pass(next, (room) => {
          units = this.#take(room);
          return loadOf(units);
        });
        await this.#publish(units);
      }
    } finally {
      this.#running = null;
    }
  }

  #take(room: Load): SendUnit[] {
    const maxBytes = Math.min(room.bytes, this.#options.maxMessageBytes - ARRAY_BYTES);
    return this.#queue.take(Math.min(room.chunks, MAX_ELEMENTS_PER_MESSAGE), maxBytes);
  }

  async #publish(units: SendUnit[]): Promise<void> {
    const { publisher, receipts, streamId, onStored, onOvertaken } = this.#options;
    const isConfirmed = units.some((unit) => unit.isConfirmed);
    let expected: ExpectedReceipt | null = null;
    let batch: Batch;
    let stored: StoredBatch;
    this.#isEnding = units.some((unit) => unit.hasEnd);
    try {
      if (isConfirmed && receipts !== null) expected = receipts.expect(streamId);
      batch = batchOf(units, expected?.address);
      stored = await publisher.publish(batch);
    } catch (error) {
      expected?.forget();
      for (const unit of units) unit.reject(error);
      this.#queue.rejectAll(withoutDoubt(error));
      if (publisher.end !== null) onOvertaken(publisher.end);
      return;
    } finally {
      this.#isEnding = false;
    }
    acknowledge(units, stored, (unit) => !unit.isConfirmed);
    if (expected !== null) this.#confirm(expected, units, stored, batch);
    onStored();
  }

  /** Runs beside the next message, not before it. */
  #confirm(expected: ExpectedReceipt, units: SendUnit[], stored: StoredBatch, batch: Batch): void {
    const confirming = expected
      .firstOf({ ...stored, numberedCount: batch.numberedCount, endStatus: batch.endStatus })
      .then(
        (firstSequence) => acknowledge(units, { ...stored, firstSequence }, (unit) => unit.isConfirmed),
        (error: unknown) => {
          for (const unit of units) if (unit.isConfirmed) unit.reject(error);
        },
      )
      .finally(() => this.#confirming.delete(confirming));
    this.#confirming.add(confirming);
  }
}

function loadOf(units: readonly SendUnit[]): Load {
  const load = { chunks: 0, bytes: 0 };
  for (const unit of units) {
    load.chunks += unit.chunks.length;
    load.bytes += unit.bytes;
  }
  return load;
}

function batchOf(units: readonly SendUnit[], receiptTo: string | undefined): Batch {
  const chunks = units.flatMap((unit) => unit.chunks);
  const json = chunks.map((chunk) => chunk.json).join(",");
  return {
    payload: Buffer.from(chunks.length === 1 ? json : `[${json}]`),
    numberedCount: chunks.filter((chunk) => chunk.isNumbered).length,
    endStatus: chunks.at(-1)?.endStatus ?? null,
    ...(receiptTo === undefined ? {} : { receiptTo }),
  };
}

/** Resolves those of a stored message's sends that `isMeant` says. */
function acknowledge(
  units: readonly SendUnit[],
  { brokerSequence, firstSequence }: StoredBatch,
  isMeant: (unit: SendUnit) => boolean,
): void {
  let sequence = firstSequence;
  for (const unit of units) {
    const receipts = unit.chunks.map((chunk) => {
      const own = chunk.isNumbered ? sequence : null;
      if (chunk.isNumbered && sequence !== null) sequence++;
      return { brokerSequence, sequence: own };
    });
    if (isMeant(unit)) unit.resolve(receipts);
  }
}

/** The failure as it stands for those behind it, which were never sent. */
function withoutDoubt(error: unknown): unknown {
  if (!(error instanceof StreamError) || error.details["may_be_stored"] !== true) return error;
  return new StreamError(error.code, "an earlier chunk of the stream failed, so this one was not sent", {
    cause: error,
    details: { may_be_stored: false },
  });
}
