import { type NatsLink } from "@sluice/broker-nats";
import { StreamError } from "@sluice/core";
import { type StreamHandle } from "@sluice/producer";
import { streamSubject } from "@sluice/protocol";
import { setTimeout as delay } from "node:timers/promises";

/** Outcome of one send at the log. `doubtful`: it failed, and nobody knows whether it is stored. */
export type SendOutcome = "acknowledged" | "doubtful" | "refused";

export interface SentChunk {
  readonly content: string;
  outcome: SendOutcome | "pending";
  /** Place in the stream, where the log told it. */
  sequence: number | null;
}

/** How a stream's chunks get into the log. */
export interface StreamWriter {
  /** Never rejects. */
  send(content: string, isEnd: boolean): Promise<{ outcome: SendOutcome; sequence: number | null }>;
}

const END_RETRY_MS = 100;

/** One stream as its producer remembers it: what was sent, in order, and what became of each. */
export class WrittenStream {
  readonly streamId: string;
  readonly sent: SentChunk[] = [];
  acknowledged = 0;
  failed = 0;
  readonly #writer: StreamWriter;

  constructor(streamId: string, writer: StreamWriter) {
    this.streamId = streamId;
    this.#writer = writer;
  }

  /** Sends that many chunks at once and waits for all. What fails is not sent again. */
  async write(count: number): Promise<void> {
    const chunks = Array.from({ length: count }, () => this.#add(contentOf(this.streamId, this.sent.length)));
    await Promise.all(chunks.map((chunk) => this.#send(chunk, false)));
  }

  /** Sends the end until it is acknowledged. */
  async end(): Promise<void> {
    const end = this.#add("the end");
    while (!(await this.#send(end, true))) await delay(END_RETRY_MS);
  }

  #add(content: string): SentChunk {
    const chunk: SentChunk = { content, outcome: "pending", sequence: null };
    this.sent.push(chunk);
    return chunk;
  }

  /** @returns whether it was acknowledged */
  async #send(chunk: SentChunk, isEnd: boolean): Promise<boolean> {
    const { outcome, sequence } = await this.#writer.send(chunk.content, isEnd);
    chunk.outcome = outcome;
    chunk.sequence = sequence;
    if (outcome === "acknowledged") this.acknowledged++;
    else if (!isEnd) this.failed++;
    return outcome === "acknowledged";
  }
}

/** Text in which bytes easily go wrong: line ends, quotes, several code units, the line separators of JavaScript, NUL. */
function contentOf(streamId: string, index: number): string {
  return `${streamId}/${index} "é" 🌊\r\n\n\u2028\u0000 data: x`;
}

const FAILURES = new Set(["LOG_UNAVAILABLE", "BACKPRESSURE_EXCEEDED"]);

/** Writes by the SDK: in order, each once, failures told with whether the chunk may be stored. */
export function handleWriter(handle: StreamHandle): StreamWriter {
  return {
    async send(content, isEnd) {
      try {
        const { sequence } = await (isEnd ? handle.sendComplete(content) : handle.sendText(content));
        return { outcome: "acknowledged", sequence };
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        // A doubtful end was stored after all.
        if (isEnd && error.code === "STREAM_ENDED") return { outcome: "acknowledged", sequence: null };
        if (!FAILURES.has(error.code)) throw error;
        const mayBeStored = error.details["may_be_stored"] === true;
        return { outcome: mayBeStored ? "doubtful" : "refused", sequence: null };
      }
    },
  };
}

/** Writes as `nats pub` does, but with the log's acknowledgement. An end that is stored twice counts once. */
export function bareWriter(link: NatsLink, streamId: string): StreamWriter {
  return {
    async send(content, isEnd) {
      const chunk = isEnd ? { type: "Complete", summary: content } : { type: "Text", content };
      try {
        await link.jetStream.publish(streamSubject(streamId), JSON.stringify(chunk));
        return { outcome: "acknowledged", sequence: null };
      } catch {
        return { outcome: "doubtful", sequence: null };
      }
    },
  };
}
