import type { ChunkCache, OutgoingMessage, ServiceEndCode, StreamInfo, StreamLog } from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import { randomUUID } from "node:crypto";
import { endsStream } from "./ends-stream.ts";
import type { IngestMetrics } from "../metrics.ts";

export interface End {
  code: ServiceEndCode;
  /** Sentence for the readers. */
  error: string;
}

/**
 * `ended`: the Error chunk is in the log. `overtaken`: somebody else wrote, and that decides. `unlisted`: there is
 * nothing to end by this name.
 */
export type EndOutcome = "ended" | "overtaken" | "unlisted";

export interface StreamEnderOptions {
  log: StreamLog;
  cache: Pick<ChunkCache, "readInfo">;
  metrics: IngestMetrics;
  logger: Logger;
}

/**
 * Ends streams that their producers don't end, by an Error chunk in the log: readers, other owners and rebuilds learn
 * of it like of any other chunk. Throws StreamError where log or cache fail; repeating it does no harm.
 */
export class StreamEnder {
  readonly #options: StreamEnderOptions;

  constructor(options: StreamEnderOptions) {
    this.#options = options;
  }

  /**
   * Ends a stream if the cache has it as open and it still is as the cache has it: any chunk in flight wins, and of
   * two owners one.
   * @param isStillDue looks at the record once more, as the reason may have passed
   */
  async endSilent(
    streamId: string,
    end: End,
    isStillDue: (info: StreamInfo) => boolean,
  ): Promise<EndOutcome> {
    const info = await this.#options.cache.readInfo(streamId);
    if (info === null || info.head.status !== "open") return "unlisted";
    if (!isStillDue(info)) return "overtaken";
    const message = endMessage(streamId, end, info.head.sequence + 1);
    const first = await this.#append({ ...message, expectedLastSequence: info.head.brokerSequence }, end);
    if (first === "ended") return first;

    const last = await this.#options.log.lastMessage(streamId);
    const lastSequence = last?.brokerSequence ?? 0;
    if (lastSequence >= info.head.brokerSequence) return "overtaken";
    // What the record rests on isn't in the log any more: it was purged or has aged out, or is a jump's made-up position.
    return this.#append({ ...message, expectedLastSequence: lastSequence }, end);
  }

  /**
   * Ends a stream that writes on and on: a producer that never pauses would win every race for the next place, so after
   * one try the end expects nothing. Should the producer have ended it meanwhile, ours comes after the end and takes no
   * number.
   */
  async endRunning(
    streamId: string,
    end: End,
    head: { sequence: number; brokerSequence: number },
  ): Promise<EndOutcome> {
    const message = endMessage(streamId, end, head.sequence + 1);
    const first = await this.#append({ ...message, expectedLastSequence: head.brokerSequence }, end);
    if (first === "ended") return first;

    const last = await this.#options.log.lastMessage(streamId);
    if (last === null || endsStream(last)) return "overtaken";
    return this.#append({ ...message, expectedLastSequence: null, producerSequence: null }, end);
  }

  /** The same by the cache's word on where the stream is. */
  async endWriting(streamId: string, end: End): Promise<EndOutcome> {
    const info = await this.#options.cache.readInfo(streamId);
    return info?.head.status === "open" ? this.endRunning(streamId, end, info.head) : "unlisted";
  }

  async #append(message: OutgoingMessage, end: End): Promise<EndOutcome> {
    const { log, metrics, logger } = this.#options;
    const outcome = await log.append(message);
    // No answer: whoever finds the stream still open tries again.
    if (outcome.kind !== "stored") return "overtaken";
    metrics.endsPublished.inc({ code: end.code });
    logger.info({ streamId: message.streamId, ...end }, "stream ended");
    return "ended";
  }
}

function endMessage(
  streamId: string,
  { code, error }: End,
  producerSequence: number,
): Omit<OutgoingMessage, "expectedLastSequence"> {
  const payload = Buffer.from(JSON.stringify({ chunk_type: { type: "Error", error, code } }));
  return { streamId, payload, messageId: `ingest-${randomUUID()}:1`, producerSequence };
}
