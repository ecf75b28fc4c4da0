import { JsonJoiner, type ChunkDraft, type JsonValue } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { describe, expect, it } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromIterable, type StreamItem } from "./iterable.ts";

async function* items(...all: StreamItem[]): AsyncGenerator<StreamItem> {
  yield* all;
}
const nothing = { model: null, finish_reason: null, usage: null };
const heardOf = (...all: StreamItem[]) => hear(fromIterable(items(...all)));

describe("fromIterable", () => {
  it("takes strings as Text, chunks as they are, and everything else as Json", async () => {
    const draft = { chunk_type: { type: "Progress", current: 1, total: 2, message: "" } } as const;
    expect(await heardOf("a", "", { type: "Text", content: "b" }, draft, { type: "row" }, 5, null)).toEqual([
      ["Text", "a"],
      ["Text", "b"],
      ["Progress", 1, 2, ""],
      ["Json", { type: "row" }],
      ["Json", 5],
      ["Json", null],
      ["Complete", null, nothing],
    ]);
  });

  it("sends JSON that is too large or too deep for a chunk in parts that the log takes, and that join to the same", async () => {
    let deep: JsonValue = 1;
    for (let level = 0; level < 200; level++) deep = [deep];
    const values = [{ picture: "x".repeat(1_500_000) }, { deep }, { small: true }];
    const manager = new StreamManager({ log: new MemoryStreamLog(new MemoryLog()) });
    const joiner = new JsonJoiner();
    const joined: unknown[] = [];
    async function* heard(): AsyncGenerator<ChunkDraft> {
      for await (const chunk of fromIterable(items(...values))) {
        const json = joiner.take(chunk.chunk_type);
        if (json !== null) joined.push(JSON.parse(json));
        yield chunk;
      }
    }
    const { handle } = await manager.createStream();
    expect(await handle.pipe(heard())).toEqual({ status: "completed", chunks: 6 + 1 + 1 + 1 });
    expect(joined).toEqual(values);
    await manager.close();
  });

  it("tells readers of an item that is no JSON, and the log what it was", async () => {
    const cycle: { self?: object } = {};
    cycle.self = cycle;
    for (const item of [cycle, () => 1, { big: 1n }]) {
      const errors: unknown[] = [];
      const heard = await hear(fromIterable(items("a", item), { onError: (error) => errors.push(error) }));
      expect(heard).toEqual([
        ["Text", "a"],
        ["Error", "an item of the source can't be written as JSON", "SOURCE_ERROR"],
      ]);
      expect(errors).toEqual([expect.any(TypeError)]);
    }
  });

  it("joins characters that are cut between two pieces of bytes", async () => {
    const bytes = new TextEncoder().encode("ü🔎");
    const heard = await heardOf(bytes.subarray(0, 1), bytes.subarray(1, 4), bytes.subarray(4));
    expect(heard).toEqual([
      ["Text", "ü"],
      ["Text", "🔎"],
      ["Complete", null, nothing],
    ]);
  });

  it("reads a ReadableStream, and cancels it when its reader breaks off", async () => {
    const cancelled = Promise.withResolvers<void>();
    const stream = new ReadableStream<string>({
      start: (controller) => controller.enqueue("a"),
      cancel: () => cancelled.resolve(),
    });
    for await (const _ of fromIterable(stream)) break;
    await expect(cancelled.promise).resolves.toBeUndefined();
  });

  it("reads nothing after an end that the source itself has said", async () => {
    let isOver = false;
    async function* source(): AsyncGenerator<StreamItem> {
      try {
        yield { type: "Error", error: "no more", code: "MINE" };
        yield "too late";
      } finally {
        isOver = true;
      }
    }
    expect(await hear(fromIterable(source()))).toEqual([["Error", "no more", "MINE"]]);
    expect(isOver).toBe(true);
  });

  it("tells readers of a source that throws only that it did", async () => {
    async function* source(): AsyncGenerator<StreamItem> {
      yield "a";
      throw new Error("password is 1234");
    }
    expect(await hear(fromIterable(source()))).toEqual([
      ["Text", "a"],
      ["Error", "the source of the stream failed", "SOURCE_ERROR"],
    ]);
  });

  it("keeps a chunk's own metadata, and adds the source where there is none", async () => {
    const own = { chunk_type: { type: "Text", content: "a" }, metadata: { source: "mine" } } as const;
    const sources: unknown[] = [];
    for await (const { metadata } of fromIterable(items(own, "b"), { source: "app" }))
      sources.push(metadata?.source);
    expect(sources).toEqual(["mine", "app", "app"]);
  });

  it("stops a source that never comes back, as soon as its signal aborts", async () => {
    const forever = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const heard = await hear(fromIterable(forever, { signal: AbortSignal.timeout(5) }));
    expect(heard).toEqual([["Error", "the answer was stopped", "CANCELLED"]]);
  });
});
