import {
  backOffMs,
  StreamError,
  type EndStatus,
  type LogAppendOutcome,
  type OutgoingMessage,
  type StoredMessage,
  type StreamLog,
} from "@sluice/core";
import { Deadline } from "./deadline.ts";
import type { ProducerSettings } from "./settings.ts";
import { headOf, positionAfter, refusalAt, type StreamPosition } from "./stream-position.ts";

/**
 * Meaning that another producer's message has for a handle. `exclusive`: the handle was replaced and must not write again
 * (FENCED). `shared`: the other producer appended too, and the handle continues after that.
 */
export type HandleMode = "exclusive" | "shared";

/** Content of one message, before it has its place. */
export interface Batch {
  payload: Uint8Array;
  /** Elements that take a number. */
  numberedCount: number;
  endStatus: EndStatus | null;
  control?: "delete";
  options?: string;
  /** The last one: the producer goes without ending the stream, and beats no more. */
  isFarewell?: true;
  /** Where a receipt is to be sent. */
  receiptTo?: string;
}

/** Message in the log that readers don't see: it makes a stream, takes one over or leaves it. */
export const NOTHING: Batch = { payload: Buffer.from("[]"), numberedCount: 0, endStatus: null };

export interface StoredBatch {
  brokerSequence: number;
  /** Number of its first numbered element; null where the stream has messages that don't carry theirs. */
  firstSequence: number | null;
}

export interface PublisherOptions {
  log: StreamLog;
  streamId: string;
  /** Random, never used before: message ids are made of it. */
  handleId: string;
  mode: HandleMode;
  position: StreamPosition;
  settings: ProducerSettings;
  /** Interval at which its handle beats, as its messages promise. Null: it doesn't. */
  beatIntervalMs: number | null;
}

type ClaimedMessage = OutgoingMessage & { expectedLastSequence: number };

/**
 * Appends batches to one stream, one at a time, by compare-and-set: each message names the one that it follows.
 *
 *     freeze ──▶ append ──▶ stored ─────────────────────────────────────────▶ acknowledged
 *        ▲          ▲ └───▶ conflict, unknown: what stands first after the message that it names?
 *        │          └────── nothing: pause, and the same bytes again
 *        │                  this one ───────────────────────────────────────▶ acknowledged
 *        ├───────────────── an earlier one of ours, given up on: move behind it
 *        ├───────────────── another's, shared: move behind the last one
 *        │                  another's, exclusive ───────────────────────────▶ FENCED
 *        └                  an end, whoever wrote it ───────────────────────▶ STREAM_ENDED, STREAM_DELETED
 *
 * A message can be stored only while the stream's last one is the one that it names. So a doubtful attempt needs no
 * other memory than the position: what stands after it there decides for ever, and where something else stands, the
 * attempt can't be stored any more, however late it is delivered.
 */
export class StreamPublisher {
  readonly #options: PublisherOptions;
  #position: StreamPosition;
  /** The log may hold a message of ours after the position. */
  #isInDoubt = false;
  #frozenCount = 0;
  #end: StreamError | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#end = refusalAt(options.streamId, options.position);
  }

  /** Why nothing can be published any more, ever; null while something can. */
  get end(): StreamError | null {
    return this.#end;
  }

  get position(): Readonly<StreamPosition> {
    return this.#position;
  }

  /**
   * Broker sequence of our last message in the log, one that was given up in doubt included; null where the log doesn't
   * tell now. Settles nothing, so that it can be asked at any time.
   */
  async lastStored(): Promise<number | null> {
    const { log, streamId } = this.#options;
    const { brokerSequence } = this.#position;
    if (!this.#isInDoubt) return brokerSequence;
    try {
      const found = await log.firstAfter(streamId, brokerSequence);
      return found !== null && this.#isOurs(found) ? found.brokerSequence : brokerSequence;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return null;
    }
  }

  /**
   * Stores a batch; resolves when it is durable. To be called again only after it has settled.
   * @throws StreamError FENCED, STREAM_ENDED, STREAM_DELETED: for good, and the batch is not stored
   * @throws StreamError LOG_UNAVAILABLE after `publishTimeoutMs`, LOG_FULL, CHUNK_TOO_LARGE. Where
   * `details.may_be_stored`, it is in the log or on its way there; it comes before the next batch or never.
   */
  async publish(
    batch: Batch,
    timeoutMs: number = this.#options.settings.publishTimeoutMs,
  ): Promise<StoredBatch> {
    const deadline = new Deadline(timeoutMs);
    let message = this.#freeze(batch);
    let mayBeStored = false;
    for (let failures = 0; this.#end === null;) {
      const outcome = await this.#append(message, deadline);
      if (outcome.kind === "refused") throw refusal(outcome.error, mayBeStored);
      if (outcome.kind === "unknown") mayBeStored = this.#isInDoubt = true;

      const place = await this.#lookup(message, outcome, deadline);
      if (place.kind === "stored") return this.#acknowledge(batch, place.brokerSequence);
      if (place.kind === "moved") {
        mayBeStored = false;
        message = this.#freeze(batch);
      } else {
        await deadline.pause(this.#pauseMs(failures++));
      }
      if (this.#end === null && deadline.hasPassed) throw this.#givenUp(timeoutMs, mayBeStored, place.cause);
    }
    throw this.#end;
  }

  /** Gives the batch its place. What was sent never changes: at another position it is another message. */
  #freeze(batch: Batch): ClaimedMessage {
    const { beatIntervalMs } = this.#options;
    return {
      streamId: this.#options.streamId,
      payload: batch.payload,
      messageId: `${this.#options.handleId}:${++this.#frozenCount}`,
      expectedLastSequence: this.#position.brokerSequence,
      producerSequence: this.#position.nextSequence,
      ...(batch.control === undefined ? {} : { control: batch.control }),
      ...(batch.options === undefined ? {} : { options: batch.options }),
      ...(batch.receiptTo === undefined ? {} : { receiptTo: batch.receiptTo }),
      ...(beatIntervalMs === null || batch.isFarewell === true ? {} : { beatIntervalMs }),
    };
  }

  async #append(message: ClaimedMessage, deadline: Deadline): Promise<AppendOutcome> {
    try {
      const append = this.#options.log.append(message);
      return await deadline.race(append, () => ({ kind: "unknown", cause: new Error("no answer in time") }));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return error.code === "LOG_UNAVAILABLE" ? { kind: "unsent", cause: error } : { kind: "refused", error };
    }
  }

  /** Finds out what became of a message, where the outcome doesn't tell. */
  async #lookup(
    message: ClaimedMessage,
    outcome: Exclude<AppendOutcome, { kind: "refused" }>,
    deadline: Deadline,
  ): Promise<Place> {
    const { log, streamId, mode } = this.#options;
    if (outcome.kind === "stored") return outcome;
    const absent = { kind: "absent", cause: outcome.kind === "conflict" ? null : outcome.cause } as const;
    if (outcome.kind === "unsent") return absent;
    try {
      const found = await deadline.race(log.firstAfter(streamId, message.expectedLastSequence), late);
      if (found === null)
        return outcome.kind === "conflict" ? await this.#lookBack(message, deadline) : absent;
      if (found.messageId === message.messageId)
        return { kind: "stored", brokerSequence: found.brokerSequence };

      const position = positionAfter(found);
      if (this.#isOurs(found) || position.status !== "open") return this.#moveTo(position);
      if (mode === "exclusive") return this.#fence("somebody else writes to it now", headOf(position));
      const last = await deadline.race(log.lastMessage(streamId), late);
      return this.#moveTo(last === null ? position : positionAfter(last));
    } catch (error) {
      if (error instanceof StreamError && error.code === "LOG_UNAVAILABLE")
        return { kind: "absent", cause: error };
      throw error;
    }
  }

  /** The stream's last message is not the one that we name, but nothing stands after that: where does it end? */
  async #lookBack(message: ClaimedMessage, deadline: Deadline): Promise<Place> {
    const last = await deadline.race(this.#options.log.lastMessage(this.#options.streamId), late);
    const lastSequence = last?.brokerSequence ?? 0;
    if (lastSequence >= message.expectedLastSequence) return { kind: "absent", cause: null };
    // All has aged out while the handle was idle: it goes on, with its numbers.
    if (last === null) return this.#moveTo({ ...this.#position, brokerSequence: 0 });
    if (this.#options.mode === "shared") return this.#moveTo(positionAfter(last));
    return this.#fence("the log has lost what was last acknowledged", {});
  }

  #isOurs({ messageId }: StoredMessage): boolean {
    return messageId?.startsWith(`${this.#options.handleId}:`) === true;
  }

  #moveTo(position: StreamPosition): Place {
    this.#position = position;
    this.#isInDoubt = false;
    this.#end = refusalAt(this.#options.streamId, position);
    return { kind: "moved", cause: null };
  }

  #fence(reason: string, details: { head_sequence?: number }): Place {
    const { streamId } = this.#options;
    this.#end = new StreamError("FENCED", `this handle of stream ${streamId} has been replaced: ${reason}`, {
      details,
    });
    return { kind: "moved", cause: null };
  }

  #acknowledge(batch: Batch, brokerSequence: number): StoredBatch {
    const first = this.#position.nextSequence;
    this.#moveTo({
      brokerSequence,
      nextSequence: first === null ? null : first + batch.numberedCount,
      status: batch.control === "delete" ? "deleted" : (batch.endStatus ?? "open"),
    });
    return { brokerSequence, firstSequence: first };
  }

  /** Jittered, so that handles which failed together don't come back together. */
  #pauseMs(failures: number): number {
    const { retryDelayMs, maxRetryDelayMs } = this.#options.settings;
    return backOffMs(failures, { baseMs: retryDelayMs, maxMs: maxRetryDelayMs, jitter: 0.5 });
  }

  #givenUp(timeoutMs: number, mayBeStored: boolean, cause: unknown): StreamError {
    const { streamId } = this.#options;
    const known = mayBeStored ? "it is not known whether the chunks are stored" : "the chunks are not stored";
    return new StreamError(
      "LOG_UNAVAILABLE",
      `the log didn't acknowledge within ${timeoutMs} ms on stream ${streamId}: ${known}`,
      { cause, details: { may_be_stored: mayBeStored } },
    );
  }
}

type AppendOutcome =
  | LogAppendOutcome
  /** Certainly not stored by this attempt; the next may succeed. */
  | { kind: "unsent"; cause: unknown }
  /** Certainly not stored by this attempt, and no use in repeating it soon. */
  | { kind: "refused"; error: StreamError };

/** Where a message is. `absent`: not there, so far. `moved`: not there and never, the position has changed or ended. */
type Place =
  | { kind: "stored"; brokerSequence: number }
  | { kind: "moved"; cause: null }
  | { kind: "absent"; cause: unknown };

function refusal(error: StreamError, mayBeStored: boolean): StreamError {
  return new StreamError(error.code, error.message, {
    cause: error,
    details: { ...error.details, may_be_stored: mayBeStored },
  });
}

function late(): never {
  throw new StreamError("LOG_UNAVAILABLE", "the log didn't answer in time");
}
