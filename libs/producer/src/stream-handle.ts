import {
  MAX_ELEMENTS_PER_MESSAGE,
  StreamError,
  type ChunkDraft,
  type ChunkType,
  type JsonValue,
} from "@sluice/core";
import { encodeChunk, type EncodedChunk } from "./encoded-chunk.ts";
import { NOTHING, type Batch, type StoredBatch, type StreamPublisher } from "./publisher.ts";
import { SendQueue, type SendReceipt, type SendUnit } from "./send-queue.ts";
import type { ProducerSettings } from "./settings.ts";

// A handle that can't tell the log that it goes is given up after three missed beats anyway.
const FAREWELL_TIMEOUT_MS = 2_000;

/** `[`, `]`; a comma for each chunk is counted with the chunk. */
const ARRAY_BYTES = 2;

/**
 * Writes one stream. Sends are stored in the order of the calls, each exactly once, and resolve when they are durable;
 * one need not await a send to make the next. One message is in flight at a time: what is sent meanwhile waits in a
 * bounded buffer and travels together in the next.
 *
 * While it is open it beats, unless it is shared: should its process die, ingest ends the stream as PRODUCER_LOST.
 *
 * All sends reject with a StreamError:
 * - INVALID_CHUNK (`details.field`), CHUNK_TOO_LARGE: this chunk alone; nothing was sent.
 * - BACKPRESSURE_EXCEEDED: the buffer stayed full; this chunk alone, surely not sent.
 * - LOG_UNAVAILABLE, LOG_FULL: with `details.may_be_stored`. Everything that waited behind it fails too and is surely not
 *   stored, so that the log never holds a later chunk without an earlier one. The handle can be used again: what is
 *   not in the log by the time that the next send is stored never will be.
 * - STREAM_ENDED, STREAM_DELETED, FENCED (another handle was opened, or somebody published without one), CLOSED: for good.
 */
export class StreamHandle implements AsyncDisposable {
  readonly streamId: string;
  readonly #publisher: StreamPublisher;
  readonly #queue: SendQueue;
  readonly #maxMessageBytes: number;
  readonly #onClose: () => void;
  /** Runs out one interval after the last sign of life, chunk or beat; undefined: it makes no promise to live. */
  readonly #pulse: NodeJS.Timeout | undefined;
  #isPumping = false;
  #isEnding = false;
  #isClosed = false;
  #idle: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Use `StreamManager`. */
  constructor(options: {
    streamId: string;
    publisher: StreamPublisher;
    settings: ProducerSettings;
    maxMessageBytes: number;
    /** Null: it doesn't beat. */
    beat: ((brokerSequence: number) => void) | null;
    onClose: () => void;
  }) {
    this.streamId = options.streamId;
    this.#publisher = options.publisher;
    this.#queue = new SendQueue(options.settings);
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#onClose = options.onClose;
    const { beat } = options;
    if (beat === null) return;
    // Unreferenced: an open handle is no reason for a process to live.
    this.#pulse = setInterval(() => {
      if (this.#publisher.end === null) beat(this.#publisher.position.brokerSequence);
      else clearInterval(this.#pulse);
    }, options.settings.beatIntervalMs).unref();
  }

  async send(chunk: ChunkType | ChunkDraft): Promise<SendReceipt> {
    const [receipt] = await this.#enqueue([encodeChunk(chunk)]);
    if (receipt === undefined) throw new Error("a stored chunk has no receipt");
    return receipt;
  }

  /**
   * Sends up to 1,024 chunks in one message: all are stored, next to each other, or none.
   * An end may only be the last of them.
   */
  async sendAll(chunks: readonly (ChunkType | ChunkDraft)[]): Promise<SendReceipt[]> {
    if (chunks.length === 0) return [];
    if (chunks.length > MAX_ELEMENTS_PER_MESSAGE) {
      throw new StreamError(
        "INVALID_REQUEST",
        `${chunks.length} chunks were sent together, at most ${MAX_ELEMENTS_PER_MESSAGE} can be`,
      );
    }
    return this.#enqueue(chunks.map((chunk, index) => encodeChunk(chunk, index)));
  }

  sendText(content: string): Promise<SendReceipt> {
    return this.send({ type: "Text", content });
  }

  sendJson(data: JsonValue): Promise<SendReceipt> {
    return this.send({ type: "Json", data });
  }

  sendEvent(eventType: string, payload: JsonValue): Promise<SendReceipt> {
    return this.send({ type: "Event", event_type: eventType, payload });
  }

  /** @param total null where it isn't known */
  sendProgress(current: number, total: number | null, message: string): Promise<SendReceipt> {
    return this.send({ type: "Progress", current, total, message });
  }

  /** Ends the stream as `errored`. */
  sendError(error: string, code: string): Promise<SendReceipt> {
    return this.send({ type: "Error", error, code });
  }

  /** Ends the stream as `completed`. */
  sendComplete(summary: string | null = null): Promise<SendReceipt> {
    return this.send({ type: "Complete", summary });
  }

  /** How full the buffer is, 0 to 1; above 1 after a `sendAll` that is larger than the buffer. */
  bufferUsage(): number {
    return this.#queue.usage;
  }

  /**
   * Takes no more sends and resolves when those before it have settled. Doesn't end the stream: it stays open for
   * whoever opens it next, until the idle limit. That stands in the log then, as an empty message without the promise to
   * beat; where the log doesn't take it within two seconds, the stream will end as PRODUCER_LOST. Idempotent.
   */
  close(): Promise<void> {
    this.#isClosed = true;
    return (this.#closing ??= this.#leave());
  }

  async #leave(): Promise<void> {
    await this.#idle;
    if (this.#pulse !== undefined) {
      clearInterval(this.#pulse);
      if (this.#publisher.end === null) await this.#sayFarewell();
    }
    this.#onClose();
  }

  async #sayFarewell(): Promise<void> {
    try {
      await this.#publisher.publish({ ...NOTHING, isFarewell: true }, FAREWELL_TIMEOUT_MS);
    } catch (error) {
      // Replaced, ended meanwhile, or the log is away: others decide what becomes of the stream.
      if (!(error instanceof StreamError)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueue(chunks: EncodedChunk[]): Promise<SendReceipt[]> {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes + 1, 0);
    this.#refuse(chunks, bytes);
    const hasEnd = chunks.at(-1)?.endStatus !== null;
    return new Promise((resolve, reject) => {
      this.#queue.push({ chunks, bytes, hasEnd, resolve, reject });
      this.#startPump();
    });
  }

  #refuse(chunks: readonly EncodedChunk[], bytes: number): void {
    if (this.#isClosed) throw new StreamError("CLOSED", `this handle of stream ${this.streamId} is closed`);
    if (this.#publisher.end !== null) throw this.#publisher.end;
    if (this.#isEnding || this.#queue.hasEnd) {
      throw new StreamError(
        "STREAM_ENDED",
        `the end of stream ${this.streamId} was sent: nothing can follow`,
      );
    }
    const endIndex = chunks.findIndex((chunk) => chunk.endStatus !== null);
    if (endIndex >= 0 && endIndex < chunks.length - 1) {
      throw new StreamError(
        "STREAM_ENDED",
        `chunk at index ${endIndex + 1} comes after the end of the stream`,
        {
          details: { index: endIndex + 1 },
        },
      );
    }
    const [only] = chunks;
    const payloadBytes = only !== undefined && chunks.length === 1 ? only.bytes : bytes + ARRAY_BYTES;
    if (payloadBytes > this.#maxMessageBytes) {
      throw new StreamError(
        "CHUNK_TOO_LARGE",
        `${payloadBytes} bytes were sent at once, the log takes ${this.#maxMessageBytes}: send them in parts`,
      );
    }
  }

  #startPump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#idle = this.#pump();
  }

  async #pump(): Promise<void> {
    // Lets what is sent in one go travel in one message.
    await Promise.resolve();
    while (!this.#queue.isEmpty) {
      const units = this.#queue.take(MAX_ELEMENTS_PER_MESSAGE, this.#maxMessageBytes - ARRAY_BYTES);
      this.#isEnding = units.some((unit) => unit.hasEnd);
      try {
        acknowledge(units, await this.#publisher.publish(batchOf(units)));
        this.#pulse?.refresh();
      } catch (error) {
        for (const unit of units) unit.reject(error);
        this.#queue.rejectAll(withoutDoubt(error));
      }
      this.#isEnding = false;
    }
    this.#isPumping = false;
  }
}

function batchOf(units: readonly SendUnit[]): Batch {
  const chunks = units.flatMap((unit) => unit.chunks);
  const json = chunks.map((chunk) => chunk.json).join(",");
  return {
    payload: Buffer.from(chunks.length === 1 ? json : `[${json}]`),
    numberedCount: chunks.filter((chunk) => chunk.isNumbered).length,
    endStatus: chunks.at(-1)?.endStatus ?? null,
  };
}

function acknowledge(units: readonly SendUnit[], { brokerSequence, firstSequence }: StoredBatch): void {
  let sequence = firstSequence;
  for (const unit of units) {
    const receipts = unit.chunks.map((chunk) => {
      const own = chunk.isNumbered ? sequence : null;
      if (chunk.isNumbered && sequence !== null) sequence++;
      return { brokerSequence, sequence: own };
    });
    unit.resolve(receipts);
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
