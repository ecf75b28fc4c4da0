import { fromOpenAiChat, type AdapterOptions } from "@sluice/adapters/openai-chat";
import { requestOpenAiChat, type OpenAiServer } from "@sluice/adapters/openai-compatible";
import { UnknownParts } from "@sluice/adapters/unknown-parts";
import { StreamError } from "@sluice/core";
import type { StreamHandle } from "@sluice/producer";
import type { Logger } from "@sluice/runtime";
import { withoutServerWords } from "./reader-failures.ts";

/** The gateway ended the answer itself: the abort signal's reason, and what readers learn. */
class AnswerStopped extends Error {
  override readonly name = "AnswerStopped";
  readonly code = "GATEWAY_STOPPED";
}

const FAILED = { error: "the gateway failed; what happened is in its log", code: "GATEWAY_FAILED" };

/** The request of a chat completion. */
export interface ChatRequest {
  model: string;
  [field: string]: unknown;
}

/**
 * Answers that model servers give through this gateway, each on its way into a stream. They hang on nobody's connection:
 * only the model, a cancel, whoever takes the stream over, and the gateway's own end stop one.
 */
export class ProxiedAnswers {
  readonly #max: number;
  readonly #logger: Logger;
  readonly #unknownParts: UnknownParts;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #opening = 0;
  #isClosed = false;

  /**
   * @param max how many may run at once
   * @param countUnknownPart hears of each part of an answer that could not be read
   */
  constructor(max: number, logger: Logger, countUnknownPart: () => void) {
    this.#max = max;
    this.#logger = logger;
    this.#unknownParts = new UnknownParts(countUnknownPart);
  }

  get open(): number {
    return this.#running.size;
  }

  /** @throws StreamError DRAINING, OVERLOADED: no answer could be started now */
  assertRoom(): void {
    if (this.#isClosed) throw new StreamError("DRAINING", "this gateway is going away: ask another one");
    if (this.#running.size + this.#opening >= this.#max) {
      throw new StreamError("OVERLOADED", `${this.#max} answers are on their way: try again`);
    }
  }

  /**
   * Opens a stream and begins an answer to it; resolves when the stream is open.
   * @throws StreamError DRAINING, OVERLOADED, and what `open` throws
   */
  async start(server: OpenAiServer, request: ChatRequest, open: () => Promise<StreamHandle>): Promise<void> {
    this.assertRoom();
    this.#opening++;
    try {
      const handle = await open();
      const run = this.#run(server, request, handle).finally(() => this.#running.delete(run));
      this.#running.add(run);
    } finally {
      this.#opening--;
    }
  }

  /** Starts no more, lets those that run end within the time, and then ends them with an Error chunk. */
  async close(drainTimeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const timer = setTimeout(() => {
      this.#stop.abort(new AnswerStopped("the gateway was shut down in the middle of the answer"));
    }, drainTimeoutMs);
    await Promise.all(this.#running);
    clearTimeout(timer);
  }

  /** Never rejects: what goes wrong stands in the stream, or in the log. */
  async #run(server: OpenAiServer, request: ChatRequest, handle: StreamHandle): Promise<void> {
    const { streamId } = handle;
    const facts = { streamId, model: request.model };
    const signal = AbortSignal.any([this.#stop.signal, handle.signal]);
    const onError = (error: unknown): void => this.#logger.warn({ ...facts, err: error }, "answer failed");
    const onUnknownPart: AdapterOptions["onUnknownPart"] = (part) =>
      this.#unknownParts.heard(part, (known) =>
        this.#logger.warn({ ...facts, ...known }, "part of an answer could not be read"),
      );
    try {
      const parts = requestOpenAiChat(server, request, signal);
      const chunks = fromOpenAiChat(parts, { signal, source: request.model, onError, onUnknownPart });
      const { status, chunks: count } = await handle.pipe(withoutServerWords(chunks), {
        describeError: () => FAILED,
      });
      this.#logger.info({ ...facts, status, chunks: count }, "answer ended");
    } catch (error) {
      this.#logger.error({ ...facts, err: error }, "answer lost its stream");
    } finally {
      await handle.close();
    }
  }
}
