import { UnknownParts } from "@sluice/adapters/unknown-parts";
import { StreamError, type Prompt, type PromptQueue, type Subscription } from "@sluice/core";
import type { StreamHandle, StreamManager } from "@sluice/producer";
import type { Logger } from "@sluice/runtime";
import type { Registry } from "prom-client";
import type { WorkerSettings } from "./config.ts";
import { AnswerStopped, streamAnswer, type AnswerOutcome } from "./answer.ts";
import type { Model } from "./model.ts";
import { WorkerMetrics } from "./worker-metrics.ts";

export interface WorkerOptions {
  manager: StreamManager;
  promptQueue: PromptQueue;
  model: Model;
  settings: Pick<WorkerSettings, "maxConcurrentAnswers" | "drainTimeoutMs" | "stopTimeoutMs">;
  logger: Logger;
  registry: Registry;
}

/** Serves prompts from the moment it is created. */
export function createWorker(parts: WorkerOptions): Worker {
  return new Worker(parts);
}

/**
 * Answers prompts by streaming. A prompt is accepted once its stream is in the log; the answer streams on after that.
 *
 *   prompt ──▶ opening ──▶ streaming ──▶ ended
 *        │         │            ├─ cancelled by its readers: Error CANCELLED
 *        │         │            └─ close: drain time, then Error WORKER_STOPPED
 *     refused   refused (STREAM_EXISTS, LOG_UNAVAILABLE …)
 */
export class Worker {
  readonly #parts: WorkerOptions;
  readonly #metrics: WorkerMetrics;
  readonly #subscription: Subscription;
  readonly #stop = new AbortController();
  /** Opening or streaming: both hold a place. */
  readonly #running = new Set<Promise<void>>();
  readonly #unknownParts = new UnknownParts(() => this.#metrics.unknownPart());
  #closing: Promise<void> | undefined;

  constructor(parts: WorkerOptions) {
    this.#parts = parts;
    this.#metrics = new WorkerMetrics(parts.registry);
    this.#subscription = parts.promptQueue.serve((prompt) => this.#accept(prompt));
  }

  get runningAnswers(): number {
    return this.#running.size;
  }

  /**
   * Takes no more prompts, lets running answers end within the drain time, then ends the rest with an Error chunk.
   * Resolves after both bounds at the latest, whatever the log does. Idempotent.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #accept(prompt: Prompt): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#metrics.refused(refusal.code);
      throw refusal;
    }
    const opened = Promise.withResolvers<void>();
    const answer = this.#answer(prompt, opened).finally(() => this.#running.delete(answer));
    this.#running.add(answer);
    await opened.promise;
  }

  #refusal(): StreamError | null {
    if (this.#closing !== undefined) return new StreamError("DRAINING", "this worker is shutting down");
    if (this.#running.size < this.#parts.settings.maxConcurrentAnswers) return null;
    return new StreamError("OVERLOADED", "this worker answers as many prompts as it may");
  }

  /** Never rejects: what goes wrong before the stream is open reaches the asker through `opened`. */
  async #answer({ streamId, prompt }: Prompt, opened: PromiseWithResolvers<void>): Promise<void> {
    let stream: StreamHandle;
    try {
      ({ handle: stream } = await this.#parts.manager.createStream({ streamId }));
    } catch (error) {
      this.#metrics.refused(error instanceof StreamError ? error.code : "INTERNAL");
      opened.reject(error);
      return;
    }
    opened.resolve();
    const startedMs = performance.now();
    const secondsSoFar = () => (performance.now() - startedMs) / 1000;
    this.#metrics.started();
    const outcome = await streamAnswer({
      model: this.#parts.model,
      prompt,
      stream,
      signal: this.#stop.signal,
      onFirstText: () => this.#metrics.firstText(secondsSoFar()),
      onUnknownPart: (part) =>
        this.#unknownParts.heard(part, (known) =>
          this.#parts.logger.warn({ streamId, ...known }, "part of an answer could not be read"),
        ),
    });
    this.#metrics.ended(outcome, secondsSoFar());
    this.#log(streamId, outcome, secondsSoFar());
  }

  #log(streamId: string, outcome: AnswerOutcome, seconds: number): void {
    const { logger, model } = this.#parts;
    const facts = { streamId, model: model.name, textChunks: outcome.textChunks, seconds };
    if (outcome.kind === "completed") logger.info(facts, "answer completed");
    else if (outcome.kind === "cancelled") logger.info(facts, "answer cancelled");
    else if (outcome.kind === "failed") logger.warn({ ...facts, err: outcome.error }, "answer failed");
    else if (outcome.kind === "stopped") logger.warn({ ...facts, err: outcome.error }, "answer stopped");
    else logger.error({ ...facts, err: outcome.error }, "answer lost its stream");
  }

  async #close(): Promise<void> {
    const { settings, logger } = this.#parts;
    this.#subscription.close();
    if (await this.#allEndWithin(settings.drainTimeoutMs)) return;
    logger.warn({ answers: this.#running.size }, "ending answers that did not end in time");
    this.#stop.abort(new AnswerStopped("the worker was shut down in the middle of the answer"));
    if (await this.#allEndWithin(settings.stopTimeoutMs)) return;
    logger.error({ answers: this.#running.size }, "leaving answers without an end");
  }

  async #allEndWithin(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const all = Promise.all(this.#running).then((): true => true);
    const ended = await Promise.race([all, timeout]);
    clearTimeout(timer);
    return ended;
  }
}
