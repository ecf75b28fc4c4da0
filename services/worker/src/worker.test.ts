import { fromIterable } from "@sluice/adapters/iterable";
import { StreamError, type ChunkDraft } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { decodeMessage, MAX_CHUNK_BYTES } from "@sluice/protocol";
import { createLogger } from "@sluice/runtime";
import { MemoryLog, MemoryPromptDesk, MemoryStreamLog } from "@sluice/testing";
import { Registry } from "prom-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AnswerStream, AnswerStreams } from "./answer-stream.ts";
import type { Model } from "./model.ts";
import { createWorker, type Worker } from "./worker.ts";

/** Streams that take everything, unless told to hold back or to fail. */
class FakeStreams implements AnswerStreams {
  readonly sent = new Map<string, ChunkDraft[]>();
  readonly closed: string[] = [];
  /** Acknowledgements wait for it. */
  hold: Promise<void> = Promise.resolve();
  failure: StreamError | null = null;
  failOnce: StreamError | null = null;
  pending = 0;

  async createStream({
    streamId,
  }: {
    streamId: string;
  }): Promise<{ streamId: string; handle: AnswerStream }> {
    if (this.sent.has(streamId)) throw new StreamError("STREAM_EXISTS", `stream ${streamId} exists already`);
    const chunks: ChunkDraft[] = [];
    this.sent.set(streamId, chunks);
    const handle: AnswerStream = {
      send: async (chunk) => {
        const failure = this.failOnce ?? this.failure;
        this.failOnce = null;
        if (failure !== null) throw failure;
        chunks.push(chunk);
        this.pending++;
        await this.hold;
        this.pending--;
      },
      close: async () => {
        this.closed.push(streamId);
      },
    };
    return { streamId, handle };
  }

  types(streamId: string): string[] {
    return (this.sent.get(streamId) ?? []).map(({ chunk_type }) => chunk_type.type);
  }

  last(streamId: string): ChunkDraft | undefined {
    return this.sent.get(streamId)?.at(-1);
  }
}

/** Says `words`, then what `after` does: ends by itself unless it hangs or throws. */
function modelOf(words: string[], after: (signal: AbortSignal) => Promise<void> = async () => {}): Model {
  return {
    name: "test-model",
    answer: (_prompt, { signal, onError }) => {
      async function* say() {
        yield* words;
        await after(signal);
      }
      return fromIterable(say(), { signal, source: "test-model", ...(onError && { onError }) });
    },
  };
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
  const streams = new FakeStreams();
  const desk = new MemoryPromptDesk();
  const registry = new Registry();
  const worker = createWorker({
    manager: streams,
    promptDesk: desk,
    model,
    settings: { maxConcurrentAnswers: 10, drainTimeoutMs: 0, stopTimeoutMs: 1_000, ...settings },
    logger: createLogger("worker", "silent"),
    registry,
  });
  workers.push(worker);
  const ask = (streamId: string) => desk.ask({ streamId, prompt: "Hello?" }, 5_000);
  const idle = () => vi.waitFor(() => expect(worker.runningAnswers).toBe(0));
  return { streams, worker, registry, ask, idle };
}

describe("a worker", () => {
  it("streams the model's chunks as they are, with its end", async () => {
    const { streams, ask, idle } = setUp(modelOf(["Hel", "lo"]));
    await ask("a");
    await idle();
    const metadata = { source: "test-model" };
    expect(streams.sent.get("a")).toEqual([
      { chunk_type: { type: "Text", content: "Hel" }, metadata },
      { chunk_type: { type: "Text", content: "lo" }, metadata },
      expect.objectContaining({ chunk_type: { type: "Complete", summary: null }, metadata }),
    ]);
    expect(streams.closed).toEqual(["a"]);
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
      // eslint-disable-next-line require-yield
      async *answer() {
        throw new Error("password is 1234");
      },
    };
    const { streams, ask, idle } = setUp(broken);
    await ask("a");
    await idle();
    expect(streams.last("a")?.chunk_type).toMatchObject({ type: "Error", code: "WORKER_FAILED" });
    expect(JSON.stringify(streams.sent.get("a"))).not.toContain("1234");
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
    const { streams, ask, idle } = setUp(modelOf(Array.from({ length: 1_000 }, () => "x")));
    streams.hold = gate.promise;
    await ask("a");
    await vi.waitFor(() => expect(streams.pending).toBeGreaterThanOrEqual(64));
    await new Promise(setImmediate);
    expect(streams.pending).toBe(64);
    gate.resolve();
    await idle();
    expect(streams.types("a")).toHaveLength(1_001);
  });

  it("stops the model when the stream can't be written any more", async () => {
    const stopped = Promise.withResolvers<unknown>();
    const model = modelOf(["x"], async (signal) => {
      await untilAborted(signal).catch((reason: unknown) => {
        stopped.resolve(reason);
        throw reason;
      });
    });
    const { streams, ask, idle, registry } = setUp(model);
    streams.failure = new StreamError("FENCED", "another producer took over");
    await ask("a");
    await idle();
    expect(await stopped.promise).toBe(streams.failure);
    expect(streams.types("a")).toEqual([]);
    expect(await registry.metrics()).toContain('sluice_worker_answers_total{outcome="lost"} 1');
  });

  it("tells readers that the answer is cut where the log was away for too long", async () => {
    const { streams, ask, idle } = setUp(modelOf(["x"], untilAborted));
    streams.failOnce = new StreamError("LOG_UNAVAILABLE", "the log doesn't answer");
    await ask("a");
    await idle();
    expect(streams.sent.get("a")?.map(({ chunk_type }) => chunk_type)).toEqual([
      { type: "Error", error: "the answer is cut here: the log doesn't answer", code: "LOG_UNAVAILABLE" },
    ]);
  });

  it("writes an answer to the log as it stands in the model, with the real producer", async () => {
    const log = new MemoryStreamLog(new MemoryLog());
    const desk = new MemoryPromptDesk();
    const words = Array.from({ length: 500 }, (_, index) => `${index} `);
    const worker = createWorker({
      manager: new StreamManager({ log }),
      promptDesk: desk,
      model: modelOf(words),
      settings: { maxConcurrentAnswers: 1, drainTimeoutMs: 5_000, stopTimeoutMs: 1_000 },
      logger: createLogger("worker", "silent"),
      registry: new Registry(),
    });
    await desk.ask({ streamId: "a", prompt: "Hello?" }, 5_000);
    await worker.close();

    const bodies: string[] = [];
    for (let at = 0; ;) {
      const message = await log.firstAfter("a", at);
      if (message === null) break;
      at = message.brokerSequence;
      for (const element of decodeMessage(message, MAX_CHUNK_BYTES).elements) {
        bodies.push(element.kind === "chunk" ? element.body : element.reason);
      }
    }
    const types = bodies.map((body) => (JSON.parse(`{${body}`) as ChunkDraft).chunk_type);
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
    expect(streams.closed.toSorted()).toEqual(["a", "b"]);
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
