import { headers, type MsgHdrs } from "@nats-io/nats-core";
import {
  partitionOf,
  StreamError,
  type LogAppendOutcome,
  type OutgoingMessage,
  type StoredMessage,
  type StreamLog,
} from "@sluice/core";
import { CHUNKS_STREAM, chunkSubject, HEADERS, streamSubject } from "@sluice/protocol";
import { LeaderReads } from "./leader-reads.ts";
import {
  askLog,
  isNeverSent,
  isNoResponders,
  JETSTREAM_ERROR,
  jetStreamErrorCode,
  logUnavailable,
} from "./log-errors.ts";
import { fullnessOf, readLogInfo } from "./log-state.ts";
import { MESSAGE_OVERHEAD_BYTES, type LogIdentity } from "./log-setup.ts";
import type { NatsLink } from "./nats-connection.ts";

/** Short: the producer learns by reading what became of a publish, sooner than by waiting. */
const DEFAULT_APPEND_TIMEOUT_MS = 2_000;

/** The log as producers see it. Nothing is sent twice in here: what to do after `unknown` is the producer's protocol. */
export class NatsStreamLog implements StreamLog {
  readonly partitions: number;
  readonly #link: NatsLink;
  readonly #reads: LeaderReads;
  readonly #appendTimeoutMs: number;

  constructor(link: NatsLink, log: LogIdentity, options: { appendTimeoutMs?: number } = {}) {
    this.#link = link;
    this.#reads = new LeaderReads(link);
    this.partitions = log.partitions;
    this.#appendTimeoutMs = options.appendTimeoutMs ?? DEFAULT_APPEND_TIMEOUT_MS;
  }

  get maxMessageBytes(): number {
    return this.#link.maxPayload - MESSAGE_OVERHEAD_BYTES;
  }

  async append(message: OutgoingMessage): Promise<LogAppendOutcome> {
    if (message.payload.byteLength > this.maxMessageBytes) {
      throw new StreamError(
        "CHUNK_TOO_LARGE",
        `the message has ${message.payload.byteLength} bytes, at most ${this.maxMessageBytes} are allowed`,
      );
    }
    if (!this.#link.isConnected) {
      // The client would keep it and send it after the reconnect, long after the caller was told that it failed.
      throw logUnavailable("append", "not connected");
    }
    try {
      const ack = await this.#link.jetStream.publish(streamSubject(message.streamId), message.payload, {
        timeout: this.#appendTimeoutMs,
        headers: headersOf(message, this.#subjectOf(message.streamId)),
      });
      // A duplicate's acknowledgement carries the sequence at which the first one stands.
      return { kind: "stored", brokerSequence: ack.seq };
    } catch (error) {
      return outcomeOfFailure(error);
    }
  }

  async lastMessage(streamId: string): Promise<StoredMessage | null> {
    return this.#reads.last(this.#subjectOf(streamId));
  }

  async firstAfter(streamId: string, brokerSequence: number): Promise<StoredMessage | null> {
    return this.#reads.firstAfter(this.#subjectOf(streamId), brokerSequence);
  }

  async purgeBefore(streamId: string, brokerSequence: number): Promise<void> {
    await askLog("purge a stream", async () => {
      return this.#link.jetStreamManager.streams.purge(CHUNKS_STREAM, {
        filter: this.#subjectOf(streamId),
        seq: brokerSequence,
      });
    });
  }

  async fullness(): Promise<number> {
    return fullnessOf(await readLogInfo(this.#link));
  }

  #subjectOf(streamId: string): string {
    return chunkSubject(partitionOf(streamId, this.partitions), streamId);
  }
}

function headersOf(message: OutgoingMessage, chunkSubject: string): MsgHdrs {
  const made = headers();
  made.set(HEADERS.messageId, message.messageId);
  if (message.expectedLastSequence !== null) {
    made.set(HEADERS.expectedLastSequence, String(message.expectedLastSequence));
    // Without it a clustered server compares with the subject before the transform, which never has a message: it would
    // let every first message in, and refuse every second.
    made.set(HEADERS.expectedSubject, chunkSubject);
  }
  if (message.producerSequence !== null) made.set(HEADERS.sequence, String(message.producerSequence));
  if (message.control !== undefined) made.set(HEADERS.control, message.control);
  if (message.options !== undefined) made.set(HEADERS.options, message.options);
  if (message.beatIntervalMs !== undefined) made.set(HEADERS.beat, String(message.beatIntervalMs));
  if (message.receiptTo !== undefined) made.set(HEADERS.receipt, message.receiptTo);
  return made;
}

/** An answer of the server says that nothing was stored; no answer says nothing. */
function outcomeOfFailure(error: unknown): LogAppendOutcome {
  if (isNoResponders(error) || isNeverSent(error)) throw logUnavailable("append", error);
  switch (jetStreamErrorCode(error)) {
    case null:
      return { kind: "unknown", cause: error };
    case JETSTREAM_ERROR.wrongLastSequence:
    case JETSTREAM_ERROR.wrongLastSequenceUnknown:
    case JETSTREAM_ERROR.duplicateInProcess:
      return { kind: "conflict" };
    case JETSTREAM_ERROR.storeFailed:
    case JETSTREAM_ERROR.storageExceeded:
    case JETSTREAM_ERROR.insufficientResources:
      throw new StreamError(
        "LOG_FULL",
        "the log is full: it takes new chunks when old ones age out or it is enlarged",
        {
          cause: error,
        },
      );
    case JETSTREAM_ERROR.messageTooLarge:
      throw new StreamError("CHUNK_TOO_LARGE", "the message is larger than the log's max_msg_size", {
        cause: error,
      });
    default:
      throw logUnavailable("append", error);
  }
}
