import { randomUUID } from "node:crypto";
import { assertStreamId, partitionOf, StreamError, type StreamLog, type StreamStatus } from "@sluice/core";
import { LogSpace } from "./log-space.ts";
import { NOTHING, type Batch, type HandleMode } from "./publisher.ts";
import {
  assertNotOutlived,
  encodeOptions,
  RECORD_TIMEOUT_MS,
  whyNotCreated,
  type CreateOptions,
  type OpenOptions,
} from "./stream-creation.ts";
import type { Confirmation, StreamHandle } from "./stream-handle.ts";
import { StreamHandles, type HandleOptions } from "./stream-handles.ts";
import {
  headOf,
  NOT_CREATED,
  positionAfter,
  refusalAt,
  type StreamPlace,
  type StreamPosition,
} from "./stream-position.ts";

/** Ports of a {@link StreamManager}, for who puts it together without {@link connectProducer}: for tests, say. */
export interface StreamManagerOptions extends HandleOptions {
  /** Closes the log's connection, once all handles are closed. */
  closeLog?: () => Promise<void>;
}

/** A stream that was just created. */
export interface CreatedStream {
  /** Id under which readers find it. */
  streamId: string;
  /** Writes it. */
  handle: StreamHandle;
}

/**
 * Creates, opens and deletes streams. {@link connectProducer} makes one.
 *
 * All methods throw StreamError LOG_UNAVAILABLE if the log doesn't answer in time, INVALID_STREAM_ID, and CLOSED after `close`.
 * @example
 * ```ts
 * import type { StreamManager } from "@sluice/producer";
 *
 * export async function answer(manager: StreamManager, streamId: string, words: AsyncIterable<string>): Promise<void> {
 *   const { handle } = await manager.createStream({ streamId });
 *   await using stream = handle;
 *   await stream.pipe(words);
 * }
 * ```
 */
export class StreamManager implements AsyncDisposable {
  readonly #options: StreamManagerOptions;
  readonly #log: StreamLog;
  readonly #space: LogSpace;
  readonly #handles: StreamHandles;
  #closing: Promise<void> | undefined;

  constructor(options: StreamManagerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#space = new LogSpace(options.log);
    this.#handles = new StreamHandles(options);
  }

  /**
   * Creates a stream. Readers find it as soon as this resolves.
   * @throws StreamError STREAM_EXISTS or STREAM_DELETED if the id was used before; INVALID_REQUEST or UNPROCESSABLE for bad
   * options; STORAGE_FULL if the log is 90 % full, so that the ends of other streams still fit
   */
  async createStream(request: CreateOptions = {}): Promise<CreatedStream> {
    const { streamId = randomUUID(), mode = "exclusive" } = request;
    this.#check(streamId);
    const options = encodeOptions(request);
    await this.#space.assertRoom();
    // A random one is new.
    if (request.streamId !== undefined)
      await assertNotOutlived(this.#log, this.#options.receiptFeed, streamId);
    // Exclusive in any case: a shared one would go on where somebody else has created the stream.
    const beatIntervalMs = this.#handles.beatIntervalMs(mode);
    const creator = this.#handles.publisher(streamId, "exclusive", NOT_CREATED, {
      beatIntervalMs,
      name: request.name,
    });
    try {
      await creator.publish(options === null ? NOTHING : { ...NOTHING, options });
    } catch (error) {
      throw await whyNotCreated(this.#log, streamId, error);
    }
    return { streamId, handle: this.#handles.open(streamId, creator.position, request) };
  }

  /**
   * Continues a stream, as a worker's successor, or the worker itself after a restart. It takes the stream over at once: every
   * later send of an older exclusive handle, in whatever process, fails with FENCED.
   * @throws StreamError STREAM_NOT_FOUND, STREAM_ENDED, STREAM_DELETED
   * @example
   * ```ts
   * import type { StreamManager } from "@sluice/producer";
   *
   * export async function finish(manager: StreamManager, streamId: string): Promise<void> {
   *   await using stream = await manager.resume(streamId);
   *   await stream.sendComplete("finished by a successor");
   * }
   * ```
   */
  resume(streamId: string, options: { confirm?: Confirmation } = {}): Promise<StreamHandle> {
    return this.openStream(streamId, { ...options, mode: "exclusive" });
  }

  /**
   * Opens a stream, as `resume` does; or with `mode: "shared"`, to append beside others, and then takes nothing over.
   * @throws StreamError STREAM_NOT_FOUND, STREAM_ENDED, STREAM_DELETED
   */
  async openStream(streamId: string, options: OpenOptions = {}): Promise<StreamHandle> {
    const { mode = "exclusive" } = options;
    this.#check(streamId);
    const position = await this.#openPosition(streamId);
    if (mode === "shared") return this.#handles.open(streamId, position, options);
    return this.#takeOver(streamId, "shared", position, options);
  }

  /**
   * Opens a stream for chunks of which the first must take a given number. A sender that lost an answer can so send again
   * without storing anything twice: `details.head_sequence` of the refusal is the stream's head. Anyone else who writes fences
   * the handle.
   * @param nextSequence number that the first chunk must take, from 1
   * @param options.takeOver whether to take the stream over, and to beat; false by default
   * @throws StreamError FENCED if the next number is another one or can't be known, and as `openStream`
   */
  async openStreamAt(
    streamId: string,
    nextSequence: number,
    options: { takeOver?: boolean } = {},
  ): Promise<StreamHandle> {
    const { takeOver = false } = options;
    this.#check(streamId);
    const position = await this.#openPosition(streamId);
    if (position.nextSequence === nextSequence) {
      return takeOver
        ? this.#takeOver(streamId, "exclusive", position)
        : this.#handles.open(streamId, position, {}, { beatIntervalMs: null });
    }
    const next = position.nextSequence === null ? "can't be known" : `is ${position.nextSequence}`;
    throw new StreamError(
      "FENCED",
      `the next chunk of stream ${streamId} was to be ${nextSequence}, but ${next}`,
      {
        details: headOf(position),
      },
    );
  }

  /**
   * Tells a stream's status: by the log, and by its record if the log has forgotten it. It sees every creation and every end that
   * was acknowledged before, whoever wrote it.
   * @returns null if there is no such stream
   */
  async statusOf(streamId: string): Promise<StreamStatus | null> {
    this.#check(streamId);
    const last = await this.#log.lastMessage(streamId);
    if (last !== null) return positionAfter(last).status;
    const partition = partitionOf(streamId, this.#log.partitions);
    const head = await this.#options.receiptFeed?.askHead(partition, streamId, RECORD_TIMEOUT_MS);
    return head?.status ?? null;
  }

  /**
   * Finds the place of a message, for `openStreamAfter`: where a message of that name is, if it is the stream's last; otherwise
   * after the last one.
   * @throws StreamError as `openStream`
   */
  async placeFor(streamId: string, name: string): Promise<StreamPlace> {
    this.#check(streamId);
    const last = await this.#log.lastMessage(streamId);
    if (last === null) throw notFound(streamId);
    if (last.messageId?.startsWith(`${name}.`) === true && last.expectedLastSequence !== null) {
      return { brokerSequence: last.expectedLastSequence, nextSequence: last.producerSequence };
    }
    const { brokerSequence, nextSequence } = openAt(streamId, positionAfter(last));
    return { brokerSequence, nextSequence };
  }

  /**
   * Opens a stream for one message, at a given place and under a name that is unique for ever. A repeat with the same name,
   * place and chunks, in whatever process and however late, stores them once and gets the same receipts, as long as the log
   * keeps the message. FENCED from its send means that something else is at that place: the chunks are not stored and
   * never will be.
   */
  openStreamAfter(streamId: string, place: StreamPlace, name: string): StreamHandle {
    this.#check(streamId);
    const position = { ...place, status: "open" } as const;
    const own = { beatIntervalMs: null, name: `${name}.${place.brokerSequence.toString(36)}` };
    return this.#handles.open(streamId, position, {}, own);
  }

  /**
   * Deletes a stream, ended or not, for all readers and for good. Repeating it is harmless.
   * @param knownHead last sequence of a stream whose record has outlived its messages: deletes the record
   * @throws StreamError STREAM_NOT_FOUND. After LOG_UNAVAILABLE the stream may be deleted in part: repeat the call
   */
  async deleteStream(streamId: string, knownHead: number | null = null): Promise<void> {
    this.#check(streamId);
    const last = await this.#log.lastMessage(streamId);
    if (last === null && knownHead === null) throw notFound(streamId);
    let position =
      last === null ? { ...NOT_CREATED, nextSequence: (knownHead ?? 0) + 1 } : positionAfter(last);
    while (position.status !== "deleted") {
      // An end doesn't stand in the way of a delete.
      const publisher = this.#handles.publisher(streamId, "shared", { ...position, status: "open" });
      const tombstone: Batch = {
        payload: new Uint8Array(),
        numberedCount: 1,
        endStatus: null,
        control: "delete",
      };
      try {
        await publisher.publish(tombstone);
      } catch (error) {
        // The stream has ended, or somebody else deleted it, in this very moment.
        if (publisher.end === null) throw error;
      }
      position = publisher.position;
    }
    await this.#log.purgeBefore(streamId, position.brokerSequence);
  }

  /** Closes all handles, once their sends have settled, and then the log. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#closeAll());
  }

  /** Calls `close`, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeAll(): Promise<void> {
    await this.#handles.close();
    await this.#options.closeLog?.();
  }

  #check(streamId: string): void {
    if (this.#closing !== undefined) throw new StreamError("CLOSED", "the stream manager is closed");
    assertStreamId(streamId);
  }

  /** Where a stream stands that can be appended to. */
  async #openPosition(streamId: string): Promise<StreamPosition> {
    const last = await this.#log.lastMessage(streamId);
    if (last === null) throw notFound(streamId);
    return openAt(streamId, positionAfter(last));
  }

  /** @param mode `shared`: whoever writes meanwhile is taken over as well; `exclusive`: nobody may */
  async #takeOver(
    streamId: string,
    mode: HandleMode,
    position: StreamPosition,
    options: OpenOptions = {},
  ): Promise<StreamHandle> {
    const beatIntervalMs = this.#handles.beatIntervalMs("exclusive");
    const taker = this.#handles.publisher(streamId, mode, position, { beatIntervalMs });
    await taker.publish(NOTHING);
    return this.#handles.open(streamId, taker.position, options);
  }
}

function openAt(streamId: string, position: StreamPosition): StreamPosition {
  const refusal = refusalAt(streamId, position);
  if (refusal !== null) throw refusal;
  return position;
}

function notFound(streamId: string): StreamError {
  return new StreamError(
    "STREAM_NOT_FOUND",
    `there is no stream ${streamId}: create it first (POST /streams, or createStream)`,
  );
}
