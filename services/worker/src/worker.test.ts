import { fromIterable } from "@sluice/adapters/iterable";
import { StreamError, type ChunkDraft, type LogAppendOutcome, type OutgoingMessage } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { splitPayload } from "@sluice/protocol";
import { createLogger } from "@sluice/runtime";
import { MemoryCancelFeed, MemoryLog, MemoryPromptQueue, MemoryStreamLog } from "@sluice/memory";
import { Registry } from "prom-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Model } from "./model.ts";
import { createWorker, type Worker } from "./worker.ts";

/** The log that the worker's streams are written to. It can be told to hold back, or to fail. */
class WatchedLog extends MemoryStreamLog {
  /** All but the creation of streams waits for it. */
  hold: Promise<void> = Promise.resolve();
  failOnce: StreamError | null = null;

  override async append(message: OutgoingMessage): Promise<LogAppendOutcome> {
    if (message.expectedLastSequence === 0) return super.append(message);
    const failure = this.failOnce;
    this.failOnce = null;
    if (failure !== null) throw failure;
    await this.hold;
    return super.append(message);
  }

  /** A stream's chunks as its readers get them, without what the producer didn't say. */
  chunks(streamId: string): ChunkDraft[] {
    const messages = this.log.messages.filter((message) => message.streamId === streamId);
    return messages.flatMap((message) => {
      return splitPayload(message.payload).map((element) => element as ChunkDraft);
    });
  }

  types(streamId: string): string[] {
    return this.chunks(streamId).map(({ chunk_type }) => chunk_type.type);
  }

  last(streamId: string): ChunkDraft | undefined {
    return this.chunks(streamId).at(-1);
  }
}

/** Says `words`, then what `after` does: ends by itself unless it hangs or throws. */
function modelOf(words: string[], after: (signal: AbortSignal) => Promise<void> = async () => {}): Model {
  return saying(async function* (signal) {
    yield* words;
    await after(signal);
  });
}

function saying(say: (signal: AbortSignal) => AsyncGenerator<string>): Model {
  const source = "test-model";
  const answer: Model["answer"] = (_prompt, options) =>
    fromIterable(say(options.signal), { ...options, source });
  return { name: source, answer };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });

const workers: Worker[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.close();
});

function setUp(model: Model, settings: Partial<Parameters<typeof createWorker>[0]["settings"]> = {}) {
  const streams = new WatchedLog(new MemoryLog());
  const cancelFeed = new MemoryCancelFeed();
  const desk = new MemoryPromptQueue();
  const registry = new Registry();
  const worker = createWorker({
    manager: new StreamManager({ log: streams, cancelFeed, settings: { publishTimeoutMs: 500 } }),
    promptQueue: desk,
    model,
    settings: { maxConcurrentAnswers: 10, drainTimeoutMs: 0, stopTimeoutMs: 1_000, ...settings },
    logger: createLogger("worker", "silent"),
    registry,
  });
  workers.push(worker);
  const ask = (streamId: string) => desk.ask({ streamId, prompt: "Hello?" }, 5_000);
  const idle = () => vi.waitFor(() => expect(worker.runningAnswers).toBe(0));
  return { streams, cancelFeed, worker, registry, ask, idle };
}

describe("a worker", () => {
  it("streams the model's chunks as they are, with its end", async () => {
    const { streams, ask, idle } = setUp(modelOf(["Hel", "lo"]));
    await ask("a");
    await idle();
    const metadata = expect.objectContaining({ source: "test-model" }) as unknown;
    expect(streams.chunks("a")).toEqual([
      { chunk_type: { type: "Text", content: "Hel" }, metadata },
      { chunk_type: { type: "Text", content: "lo" }, metadata },
      expect.objectContaining({ chunk_type: { type: "Complete", summary: null }, metadata }),
    ]);
  });

  it("has accepted as soon as the stream is open, and streams on after that", async () => {
    const { streams, ask, worker } = setUp(modelOf(["one"], untilAborted));
    await ask("a");
    await vi.waitFor(() => expect(streams.types("a")).toEqual(["Text"]));
    expect(worker.runningAnswers).toBe(1);
  });

  it("tells the asker why a stream couldn't be opened", async () => {
    const { ask, idle } = setUp(modelOf(["one"]));
    await ask("a");
    await expect(ask("a")).rejects.toMatchObject({ code: "STREAM_EXISTS" });
    await idle();
  });

  it("ends the stream with the model's Error chunk after what came before the failure, and counts it", async () => {
    const fail = () => Promise.reject(new Error("password is 1234"));
    const { streams, ask, idle, registry } = setUp(modelOf(["Half"], fail));
    await ask("a");
    await idle();
    expect(streams.types("a")).toEqual(["Text", "Error"]);
    expect(streams.last("a")?.chunk_type).toMatchObject({ code: "SOURCE_ERROR" });
    expect(await registry.metrics()).toContain('sluice_worker_answers_total{outcome="failed"} 1');
  });

  it("tells readers nothing of a model that throws, but that it did", async () => {
    const broken: Model = {
      name: "broken",
      answer: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("password is 1234")) }),
      }),
    };
    const { streams, ask, idle } = setUp(broken);
    await ask("a");
    await idle();
    expect(streams.last("a")?.chunk_type).toMatchObject({ type: "Error", code: "WORKER_FAILED" });
    expect(JSON.stringify(streams.chunks("a"))).not.toContain("1234");
  });

  it("refuses a prompt beyond its limit, and takes one again when an answer has ended", async () => {
    const gate = Promise.withResolvers<void>();
    const { ask, idle } = setUp(
      modelOf(["x"], () => gate.promise),
      { maxConcurrentAnswers: 2 },
    );
    await ask("a");
    await ask("b");
    await expect(ask("c")).rejects.toMatchObject({ code: "OVERLOADED" });
    gate.resolve();
    await idle();
    await ask("c");
  });

  it("counts prompts whose streams are still being opened against the limit", async () => {
    const { ask } = setUp(modelOf(["x"], untilAborted), { maxConcurrentAnswers: 1 });
    const outcomes = await Promise.allSettled([ask("a"), ask("b")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("holds the model back while the log doesn't acknowledge", async () => {
    const gate = Promise.withResolvers<void>();
    let said = 0;
    const model = saying(async function* () {
      for (; said < 1_000; said++) yield "x";
    });
    const { streams, ask, idle } = setUp(model);
    streams.hold = gate.promise;
    await ask("a");
    await vi.waitFor(() => expect(said).toBeGreaterThanOrEqual(80));
    await new Promise(setImmediate);
    expect(said).toBeLessThanOrEqual(82);
    gate.resolve();
    await idle();
    expect(streams.types("a")).toHaveLength(1_001);
  });

  it("stops the model when the stream can't be written any more", async () => {
    const stopped = Promise.withResolvers<unknown>();
    const overtaken = Promise.withResolvers<void>();
    const model = saying(async function* (signal) {
      yield "mine";
      await overtaken.promise;
      yield "not mine any more";
      await untilAborted(signal).catch(stopped.resolve);
    });
    const { streams, ask, idle, registry } = setUp(model);
    await ask("a");
    await vi.waitFor(() => expect(streams.types("a")).toEqual(["Text"]));
    streams.log.publishBare(
      "a",
      Buffer.from('[{"chunk_type":{"type":"Text","content":"another producer\'s"}}]'),
    );
    overtaken.resolve();
    expect(await stopped.promise).toMatchObject({ code: "FENCED" });
    await idle();
    expect(streams.types("a")).toEqual(["Text", "Text"]);
    expect(await registry.metrics()).toContain('sluice_worker_answers_total{outcome="lost"} 1');
  });

  it.each([["before its first word", []] as const, ["in the midst of it", ["Hel"]] as const])(
    "stops the model when the answer is cancelled, %s, and ends the stream as cancelled",
    async (_, words) => {
      const stopped = Promise.withResolvers<unknown>();
      const model = modelOf([...words], (signal) =>
        untilAborted(signal).catch((reason: unknown) => {
          stopped.resolve(reason);
          throw reason;
        }),
      );
      const { streams, cancelFeed, ask, idle, registry } = setUp(model);
      await ask("a");
      await vi.waitFor(() => expect(streams.types("a")).toHaveLength(words.length));
      expect(await cancelFeed.tellProducer("a", "requested")).toBe(true);
      expect(await stopped.promise).toMatchObject({ code: "CANCELLED" });
      await idle();
      expect(streams.types("a")).toEqual([...words.map(() => "Text"), "Error"]);
      expect(streams.last("a")?.chunk_type).toMatchObject({ code: "CANCELLED" });
      expect(await registry.metrics()).toContain('sluice_worker_answers_total{outcome="cancelled"} 1');
    },
  );

  it("tells readers that the answer is cut where the log refused a part of it", async () => {
    const { streams, ask, idle } = setUp(modelOf(["x"], untilAborted));
    streams.failOnce = new StreamError("LOG_FULL", "there is no room");
    await ask("a");
    await idle();
    expect(streams.chunks("a").map(({ chunk_type }) => chunk_type)).toEqual([
      { type: "Error", error: "the stream is cut here: there is no room", code: "LOG_FULL" },
    ]);
  });

  it("writes an answer to the log as it stands in the model", async () => {
    const words = Array.from({ length: 500 }, (_, index) => `${index} `);
    const { streams, ask, idle } = setUp(modelOf(words));
    await ask("a");
    await idle();
    const types = streams.chunks("a").map(({ chunk_type }) => chunk_type);
    expect(types.slice(0, -1)).toEqual(words.map((content) => ({ type: "Text", content })));
    expect(types.at(-1)).toEqual({ type: "Complete", summary: null });
  });

  it("lets running answers end within the drain time, and takes no more meanwhile", async () => {
    const gate = Promise.withResolvers<void>();
    const { streams, worker, ask } = setUp(
      modelOf(["x"], () => gate.promise),
      { drainTimeoutMs: 5_000 },
    );
    await ask("a");
    const closing = worker.close();
    await expect(ask("b")).rejects.toMatchObject({ code: "NO_WORKER" });
    gate.resolve();
    await closing;
    expect(streams.types("a")).toEqual(["Text", "Complete"]);
  });

  it("ends answers that outlast the drain time with WORKER_STOPPED", async () => {
    const { streams, worker, ask } = setUp(modelOf(["x"], untilAborted), { drainTimeoutMs: 20 });
    await ask("a");
    await ask("b");
    await worker.close();
    expect(streams.last("a")?.chunk_type).toMatchObject({ type: "Error", code: "WORKER_STOPPED" });
    expect(streams.last("b")?.chunk_type).toMatchObject({ type: "Error", code: "WORKER_STOPPED" });
  });

  it("closes within its bounds though the log never acknowledges", async () => {
    const { streams, worker, ask } = setUp(modelOf(["x"], untilAborted), {
      drainTimeoutMs: 10,
      stopTimeoutMs: 20,
    });
    const gate = Promise.withResolvers<void>();
    streams.hold = gate.promise;
    await ask("a");
    await worker.close();
    expect(worker.runningAnswers).toBe(1);
    gate.resolve();
  });

  it("counts answers by how they ended", async () => {
    const { registry, ask, idle } = setUp(modelOf(["x", "y"]));
    await ask("a");
    await idle();
    const metrics = await registry.metrics();
    expect(metrics).toContain('sluice_worker_answers_total{outcome="completed"} 1');
    expect(metrics).toContain("sluice_worker_text_chunks_total 2");
    expect(metrics).toContain("sluice_worker_answers_running 0");
  });
});
