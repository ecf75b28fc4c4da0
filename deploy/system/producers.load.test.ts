import { connectProducer, type StreamHandle } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStack, type Stack } from "./stack.ts";

const PRODUCERS = 50;
const CHUNKS_PER_SECOND = 20;
const SECONDS = 5;
/** Senders that a stream has at a time, each one send after the other: many times what it may. */
const SENDERS = 10;
// Seen on two cores: 5 ms become 8 (the 95th percentile stays at 25); without the rates it is 64 (and 170).
const MAX_SLOWER = 3;
const NOISE_MS = 30;

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ ingest: 2, edges: 1 });
});
afterAll(async () => {
  await stack.stop();
});

/** Reads a stream to its end, and how long each chunk took from the moment in which its message was made. */
function read(streamId: string): { reader: VerifyingReader; ended: Promise<void>; latencies: number[] } {
  const latencies: number[] = [];
  const onChunk = (_sequence: number, data: string): void => {
    const { timestamp } = JSON.parse(data) as { timestamp: number };
    latencies.push(Date.now() - timestamp);
  };
  const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId, onChunk });
  return { reader, ended: reader.run(), latencies };
}

/** What the producers could send in the time, and the latencies of all their readers, sorted. */
async function sendFor(
  send: (handle: StreamHandle, isTime: () => boolean) => Promise<number>,
): Promise<{ counts: number[]; seconds: number; latencies: number[] }> {
  await using manager = await connectProducer({
    servers: stack.natsUrl,
    settings: { maxChunksPerSecond: CHUNKS_PER_SECOND },
  });
  const streams = await Promise.all(Array.from({ length: PRODUCERS }, () => manager.createStream()));
  const readings = streams.map(({ streamId }) => read(streamId));
  const startedMs = performance.now();
  const isTime = (): boolean => performance.now() - startedMs < SECONDS * 1_000;
  const counts = await Promise.all(
    streams.map(async ({ handle }) => {
      const count = await send(handle, isTime);
      await handle.sendComplete();
      return count;
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  await Promise.all(readings.map(({ ended }) => ended));
  expect(readings.flatMap(({ reader }) => [...reader.problems, ...reader.gaps])).toEqual([]);
  expect(readings.map(({ reader }) => reader.lastSequence)).toEqual(counts.map((count) => count + 1));
  const latencies = readings.flatMap((reading) => reading.latencies).toSorted((a, b) => a - b);
  return { counts, seconds, latencies };
}

async function sendOnAndOn(handle: StreamHandle, isTime: () => boolean, pauseMs = 0): Promise<number> {
  let sent = 0;
  while (isTime()) {
    await handle.sendText("x".repeat(200));
    sent++;
    if (pauseMs > 0) await delay(pauseMs);
  }
  return sent;
}

test("50 producers that want to send ten times what they may are held to it, lose nothing, and leave readers the latency of those who keep to it", async () => {
  const kept = await sendFor((handle, isTime) => sendOnAndOn(handle, isTime, 1_000 / CHUNKS_PER_SECOND));
  const pressed = await sendFor(async (handle, isTime) => {
    const sent = await Promise.all(Array.from({ length: SENDERS }, () => sendOnAndOn(handle, isTime)));
    return sent.reduce((sum, count) => sum + count, 0);
  });
  for (const count of pressed.counts) {
    // A quarter of a second's worth may gather, and who was let in last is not counted against the time.
    expect(count).toBeLessThanOrEqual(CHUNKS_PER_SECOND * (pressed.seconds + 0.5) + SENDERS);
    expect(count).toBeGreaterThan((CHUNKS_PER_SECOND * SECONDS) / 2);
  }
  for (const share of [0.5, 0.95]) {
    const [before, now] = [kept, pressed].map(
      ({ latencies }) => latencies[Math.floor(latencies.length * share)]!,
    );
    expect(now).toBeLessThan(MAX_SLOWER * before! + NOISE_MS);
  }
}, 60_000);

test("a confirmed chunk can be read at once, under its number, also while owners die and receipts with them", async () => {
  await using manager = await connectProducer({
    servers: stack.natsUrl,
    settings: { confirmTimeoutMs: 60_000 },
  });
  const streams = await Promise.all(
    Array.from({ length: 8 }, () => manager.createStream({ confirm: "sequenced" })),
  );
  const confirmed = streams.map(() => 0);
  const over = new AbortController();
  const writing = streams.map(async ({ streamId, handle }, index) => {
    for (let number = 1; !over.signal.aborted; number++) {
      const { sequence } = await handle.sendText(String(number));
      expect(sequence).toBe(number);
      const page = await fetch(`${stack.edgeUrl}/streams/${streamId}/chunks?after=${number - 1}`);
      expect(await page.json()).toMatchObject({
        chunks: [{ sequence: number, chunk_type: { content: String(number) } }],
        head: number,
      });
      confirmed[index] = number;
    }
    await handle.sendComplete();
  });
  const killing = async (): Promise<void> => {
    for (const [round, name] of ["ingest-1", "ingest-2", null].entries()) {
      await expect.poll(() => Math.min(...confirmed), { timeout: 60_000 }).toBeGreaterThan(5 * (round + 1));
      if (name === null) break;
      await stack.service(name).kill();
      await stack.service(name).restart();
    }
    over.abort();
  };
  await Promise.all([...writing, killing()]);
});

test("while ingest can't keep up producers slow down and nothing fails; once it can they are as fast as before", async () => {
  await using manager = await connectProducer({ servers: stack.natsUrl });
  const { handle } = await manager.createStream();
  /** How many of the sends in a row, of at most `count`, took at least 150 ms, or less than that. */
  const sendsInRow = async (count: number, areSlow: boolean): Promise<number> => {
    for (let inRow = 0; ; inRow++) {
      const startedMs = performance.now();
      await handle.sendText("x");
      const isSlow = performance.now() - startedMs >= 150;
      if (inRow === count || isSlow !== areSlow) return inRow;
    }
  };
  const deadline = { timeout: 60_000, interval: 0 };
  await expect.poll(() => sendsInRow(20, false), deadline).toBe(20);
  await stack.redis.pause();
  await expect.poll(() => sendsInRow(3, true), deadline).toBe(3);
  await stack.redis.resume();
  await expect.poll(() => sendsInRow(20, false), deadline).toBe(20);
  await handle.sendComplete();
});
