import {
  CANCELLED_CODE,
  MAX_ELEMENTS_PER_MESSAGE,
  StreamError,
  type ChunkDraft,
  type ChunkType,
  type JsonValue,
  type ReaderPresence,
} from "@sluice/core";
import type { Cancellation } from "./cancellation.ts";
import { encodeChunk } from "./encoded-chunk.ts";
import { pipe, type PipeOptions, type PipeOutcome, type PipeSource } from "./pipe.ts";
import { NOTHING, type StreamPublisher } from "./publisher.ts";
import type { ReceiptTracker } from "./receipt-tracker.ts";
import { SendPump } from "./send-pump.ts";
import type { SendReceipt } from "./send-queue.ts";
import type { ProducerSettings } from "./settings.ts";
import { cutTextChunk, TextFlow } from "./text-flow.ts";
import type { Throttle } from "./throttle.ts";

// A handle that can't tell the log that it goes is given up after three missed beats anyway.
const FAREWELL_TIMEOUT_MS = 2_000;

/**
 * Fact that a send waits for. `durable`: the log has the chunk. `sequenced`: readers can have it, too, and its number is known
 * from ingest, whatever else was published to the stream. That costs a message on core NATS each, and a few milliseconds.
 */
export type Confirmation = "durable" | "sequenced";

/** Options of {@link StreamHandle.send} and {@link StreamHandle.sendAll}. */
export interface SendOptions {
  /**
   * Fact to wait for.
   * @defaultValue the handle's, which is `"durable"` unless it was opened with another
   */
  confirm?: Confirmation;
  /**
   * Whether half a character at the end of a Text chunk is held for the next send. False: it is stored as U+FFFD.
   * @defaultValue `true`
   */
  holdHalves?: boolean;
}

export interface StreamHandleOptions {
  streamId: string;
  publisher: StreamPublisher;
  settings: ProducerSettings;
  throttle: Throttle;
  receipts: ReceiptTracker | null;
  confirm: Confirmation;
  cancellation: Cancellation;
  readerPresence: Pick<ReaderPresence, "hasReader"> | null;
  maxMessageBytes: number;
  /** Null: it doesn't beat. */
  beat: ((brokerSequence: number | null) => void) | null;
  onClose: () => void;
}

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
 * - CONNECTION: the process has closed its connection, so that nothing can be confirmed; surely not sent.
 * - LOG_UNAVAILABLE, LOG_FULL: with `details.may_be_stored`. Everything that waited behind it fails too and is surely not
 *   stored, so that the log never holds a later chunk without an earlier one. The handle can be used again: what is
 *   not in the log by the time that the next send is stored never will be.
 * - UNCONFIRMED: it is stored, but its number was not confirmed in time. Don't send it again.
 * - STREAM_ENDED, STREAM_DELETED, FENCED (another handle was opened, or somebody published without one), CLOSED: for good.
 * @example
 * ```ts
 * import type { StreamManager } from "@sluice/producer";
 *
 * export async function work(manager: StreamManager, steps: readonly string[]): Promise<void> {
 *   const { handle } = await manager.createStream();
 *   await using stream = handle;
 *   for (const [index, step] of steps.entries()) {
 *     if (stream.signal.aborted) return void (await stream.sendCancelled());
 *     await stream.sendProgress(index + 1, steps.length, step);
 *   }
 *   await stream.sendComplete();
 * }
 * ```
 *
 * Longer than 300 lines: some 100 lines are the documentation of a published interface.
 */
export class StreamHandle implements AsyncDisposable {
  /** Id of the stream. */
  readonly streamId: string;
  readonly #options: StreamHandleOptions;
  readonly #pump: SendPump;
  readonly #text = new TextFlow();
  /** Runs out one interval after the last sign of life, chunk or beat; undefined: it makes no promise to live. */
  readonly #pulse: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** Use `StreamManager`. */
  constructor(options: StreamHandleOptions) {
    const { publisher, settings, beat, cancellation } = options;
    this.streamId = options.streamId;
    this.#options = options;
    this.#pump = new SendPump({
      ...options,
      bounds: settings,
      onStored: () => {
        this.#pulse?.refresh();
        if (publisher.end !== null) cancellation.close();
      },
      onOvertaken: (end) => {
        cancellation.abort(end);
        cancellation.close();
      },
    });
    if (beat === null) return;
    // Unreferenced: an open handle is no reason for a process to live.
    this.#pulse = setInterval(() => {
      if (publisher.end === null) void publisher.lastStored().then(beat);
      else clearInterval(this.#pulse);
    }, settings.beatIntervalMs).unref();
  }

  /**
   * Aborts when the stream is to stop: its readers asked for it or are gone (`reason.code` CANCELLED), or others ended it or
   * took it over (that send's error). A cancelled stream can still be written, for its last words: `sendCancelled`; who
   * doesn't end it within the grace time has it ended by ingest.
   *
   * The first look at it is the promise to heed it. A stream whose producer never looked is ended at once.
   */
  get signal(): AbortSignal {
    return this.#options.cancellation.signal;
  }

  /**
   * Sends one chunk. Half a character (one of two surrogates) at the end of a Text chunk is stored with the next one, or as
   * U+FFFD if the stream ends before.
   */
  async send(chunk: ChunkType | ChunkDraft, options: SendOptions = {}): Promise<SendReceipt> {
    const [receipt] = await this.#send([chunk], options, true);
    if (receipt === undefined) throw new Error("a stored chunk has no receipt");
    return receipt;
  }

  /**
   * Sends up to 1,024 chunks in one message: all are stored, next to each other, or none. Only the last may be an end.
   * @returns a receipt for each, in their order
   * @throws StreamError INVALID_REQUEST for more than 1,024, INVALID_CHUNK with `details.index`, and as every send
   */
  async sendAll(
    chunks: readonly (ChunkType | ChunkDraft)[],
    options: SendOptions = {},
  ): Promise<SendReceipt[]> {
    if (chunks.length === 0) return [];
    if (chunks.length > MAX_ELEMENTS_PER_MESSAGE) {
      throw new StreamError(
        "INVALID_REQUEST",
        `${chunks.length} chunks were sent together, at most ${MAX_ELEMENTS_PER_MESSAGE} can be`,
      );
    }
    return this.#send(chunks, options, false);
  }

  /**
   * Sends text of any length: above the 1 MiB of a chunk it becomes several, cut between characters.
   * @returns the last one's receipt
   */
  async sendText(content: string): Promise<SendReceipt> {
    const pieces = cutTextChunk({ type: "Text", content });
    const receipts = await Promise.all(pieces.map((piece) => this.send(piece)));
    const last = receipts.at(-1);
    if (last === undefined) throw new Error("a stored chunk has no receipt");
    return last;
  }

  /** Sends a Json chunk. */
  sendJson(data: JsonValue): Promise<SendReceipt> {
    return this.send({ type: "Json", data });
  }

  /** Sends an Event chunk. */
  sendEvent(eventType: string, payload: JsonValue): Promise<SendReceipt> {
    return this.send({ type: "Event", event_type: eventType, payload });
  }

  /**
   * Sends a Progress chunk.
   * @param current integer from 0
   * @param total integer from 0; null if it isn't known
   */
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

  /** Ends the stream as `cancelled`. */
  sendCancelled(error = "The stream was stopped."): Promise<SendReceipt> {
    return this.sendError(error, CANCELLED_CODE);
  }

  /** Sends a Heartbeat chunk: shows live readers, and the idle limit, that work goes on. It takes no number and isn't replayed. */
  heartbeat(): Promise<SendReceipt> {
    return this.send({ type: "Heartbeat" });
  }

  /**
   * Sends everything that a source yields, as fast as it comes and the buffer takes it. Then ends the stream: `completed` at the end
   * of the source, unless its last chunk is an end already; `cancelled` if `signal` aborts; with an Error chunk if the source fails.
   * Closes the source as soon as nothing more of it can be sent.
   * @throws the source's error, once the Error chunk is durable; the StreamError of a chunk that couldn't be sent; UNCONFIRMED,
   * once the stream has ended, if all chunks were stored but not all confirmed
   * @example
   * ```ts
   * import type { StreamHandle } from "@sluice/producer";
   *
   * async function* words(signal: AbortSignal): AsyncGenerator<string> {
   *   for (const word of ["The ", "gate ", "opens."]) if (!signal.aborted) yield word;
   * }
   * export async function answer(stream: StreamHandle): Promise<void> {
   *   const { status, chunks } = await stream.pipe(words(stream.signal), { summary: "answered" });
   *   console.log(`${status} after ${chunks} chunks`);
   * }
   * ```
   */
  pipe(source: PipeSource, options: PipeOptions = {}): Promise<PipeOutcome> {
    return pipe(source, this, options);
  }

  /** Resolves once a send would not have to wait for room in the buffer. */
  ready(): Promise<void> {
    return this.#pump.room();
  }

  /** Tells how full the buffer is, 0 to 1; above 1 after a `sendAll` that is larger than the buffer. */
  bufferUsage(): number {
    return this.#pump.usage;
  }

  /**
   * Tells whether anybody reads the stream now, on any edge pod. It misses a reader that is reconnecting, so `false` is no reason
   * to stop: see {@link CreateOptions.cancelWhenAbandonedSeconds}.
   * @param timeoutMs time to wait for the edges' answers, ms
   * @throws StreamError CONNECTION if nobody can be asked
   */
  async isConnected(timeoutMs = 1_000): Promise<boolean> {
    const { readerPresence } = this.#options;
    if (readerPresence === null)
      throw new StreamError("CONNECTION", "this producer has no way to ask the edges");
    return readerPresence.hasReader(this.streamId, timeoutMs);
  }

  /**
   * Takes no more sends and resolves when those before it have settled. Doesn't end the stream: it stays open for
   * whoever opens it next, until the idle limit. That stands in the log then, as an empty message without the promise to
   * beat; where the log doesn't take it within two seconds, the stream will end as PRODUCER_LOST. Idempotent.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#leave());
  }

  /** Calls `close`, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param isAlone whether no index has to tell which chunk is at fault */
  async #send(
    given: readonly (ChunkType | ChunkDraft)[],
    { confirm = this.#options.confirm, holdHalves = true }: SendOptions,
    isAlone: boolean,
  ): Promise<SendReceipt[]> {
    const { chunks, places, commit } = this.#text.take(given, holdHalves);
    const indexes = new Map(places.map((place, index) => [place, index]));
    const indexOf = (place: number): number | null => (isAlone ? null : (indexes.get(place) ?? null));
    const encoded = chunks.map((chunk, place) => encodeChunk(chunk, indexOf(place)));
    if (this.#closing !== undefined)
      throw new StreamError("CLOSED", `this handle of stream ${this.streamId} is closed`);
    const isConfirmed = confirm === "sequenced";
    if (isConfirmed && this.#options.receipts === null)
      throw new StreamError("INVALID_REQUEST", "this producer has no way to have a chunk confirmed");
    const sending = this.#pump.send(encoded, isConfirmed);
    commit();
    const receipts = await sending;
    return places.flatMap((place) => receipts[place] ?? []);
  }

  async #leave(): Promise<void> {
    const { publisher, cancellation, onClose } = this.#options;
    const half = this.#text.end();
    // Whatever becomes of it has been told to the sends before it.
    if (half !== null && publisher.end === null) {
      await this.#pump.send([encodeChunk(half)], false).catch(() => undefined);
    }
    await this.#pump.settle();
    cancellation.close();
    if (this.#pulse !== undefined) {
      clearInterval(this.#pulse);
      if (publisher.end === null) await this.#sayFarewell();
    }
    onClose();
  }

  async #sayFarewell(): Promise<void> {
    try {
      await this.#options.publisher.publish({ ...NOTHING, isFarewell: true }, FAREWELL_TIMEOUT_MS);
    } catch (error) {
      // Replaced, ended meanwhile, or the log is away: others decide what becomes of the stream.
      if (!(error instanceof StreamError)) throw error;
    }
  }
}
