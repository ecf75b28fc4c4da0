import { StreamError } from "@sluice/core";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { startNats } from "@sluice/testing";
import { expect, test } from "vitest";
import { connectProducer, type StreamHandle } from "./index.ts";
import { ObservedLog } from "./log-under-fault.ts";

const BACKPRESSURE_TIMEOUT_MS = 400;
const MAX_LOG_BYTES = 4 * 1024 * 1024;

test("while the server stands still, sends beyond 0.8 of the buffer fail in time, surely not stored; all others are, once it goes on", async () => {
  await using server = await startNats({ local: true });
  const log = await ObservedLog.open(server.url);
  await using manager = await connectProducer({
    servers: server.url,
    settings: { backpressureTimeoutMs: BACKPRESSURE_TIMEOUT_MS, publishTimeoutMs: 60_000 },
  });
  const { streamId, handle } = await manager.createStream();
  await handle.sendText("first");
  await server.pause();
  const inFlight = handle.sendText("in flight");
  await new Promise(setImmediate);
  const sends = Array.from({ length: 100 }, (_, index) => handle.sendText(String(index)));
  expect(handle.bufferUsage()).toBe(0.8);
  const startedMs = performance.now();
  const codes = await Promise.all(sends.slice(80).map(codeOf));
  expect(new Set(codes)).toEqual(new Set(["BACKPRESSURE_EXCEEDED"]));
  const waitedMs = performance.now() - startedMs;
  expect(waitedMs).toBeGreaterThan(BACKPRESSURE_TIMEOUT_MS * 0.9);
  expect(waitedMs).toBeLessThan(BACKPRESSURE_TIMEOUT_MS * 10);
  await server.resume();
  await Promise.all([inFlight, ...sends.slice(0, 80)]);
  await handle.sendText("last");
  const stored = Array.from({ length: 80 }, (_, index) => String(index));
  expect(await log.readTexts(streamId)).toEqual(["first", "in flight", ...stored, "last"]);
  await log.link.close();
});

test("a full log refuses chunks with LOG_FULL, new streams with STORAGE_FULL, and loses nothing that it acknowledged; with room again, streams go on where they stood", async () => {
  await using server = await startNats({ local: true });
  const log = await ObservedLog.open(server.url, MAX_LOG_BYTES);
  await using manager = await connectProducer({ servers: server.url });
  const streams = await Promise.all(Array.from({ length: 10 }, () => manager.createStream()));
  const filled = await Promise.all(streams.map(({ handle }) => sendUntilRefused(handle)));
  for (const { error } of filled) {
    expect(error).toMatchObject({ code: "LOG_FULL", retryable: true, details: { may_be_stored: false } });
    expect(String(error)).toContain("the log is full");
  }
  await using late = await connectProducer({ servers: server.url });
  await expect(late.createStream()).rejects.toMatchObject({ code: "STORAGE_FULL" });

  await log.link.jetStreamManager.streams.update(CHUNKS_STREAM, { max_bytes: 2 * MAX_LOG_BYTES });
  for (const [index, { streamId, handle }] of streams.entries()) {
    const texts = filled[index]?.acknowledged ?? [];
    expect(texts.length).toBeGreaterThan(10);
    expect(await handle.sendText("goes on")).toMatchObject({ sequence: texts.length + 1 });
    expect(await log.readTexts(streamId)).toEqual([...texts, "goes on"]);
  }
  await log.link.close();
});

async function sendUntilRefused(handle: StreamHandle): Promise<{ acknowledged: string[]; error: unknown }> {
  for (const acknowledged: string[] = []; ;) {
    const text = `${acknowledged.length} ${"x".repeat(10_000)}`;
    try {
      await handle.sendText(text);
    } catch (error) {
      return { acknowledged, error };
    }
    acknowledged.push(text);
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof StreamError ? error.code : `no StreamError but ${String(error)}`;
}
