import type { RestoredPage } from "@sluice/core";
import { MemoryChunkCache, MemoryLog, MemoryPartitionLog } from "@sluice/memory";
import { expect, test } from "vitest";
import { StreamScan } from "./stream-scan.ts";

const OPTIONS = {
  partition: 0,
  maxChunkBytes: 1024 * 1024,
  chunkTtlSeconds: 300,
  idleLimitMs: 60_000,
  now: Date.now,
};

/** Restores a stream of these messages and tells what was laid into the cache, call by call. */
async function scan(messages: readonly string[]): Promise<RestoredPage[]> {
  const log = new MemoryLog({ partitions: 1 });
  for (const message of messages) log.publishBare("s", Buffer.from(message));
  const laid: RestoredPage[] = [];
  class RecordingCache extends MemoryChunkCache {
    override restore(page: RestoredPage): Promise<boolean> {
      laid.push(page);
      return super.restore(page);
    }
  }
  const stream = new StreamScan("s", [], {
    ...OPTIONS,
    log: new MemoryPartitionLog(log),
    cache: new RecordingCache({ partitions: 1 }),
  });
  await stream.readOn();
  return laid;
}

const sequencesOf = (laid: readonly RestoredPage[]): number[] =>
  laid.flatMap((page) => page.chunks.map((chunk) => chunk.sequence));
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

test("messages of many chunks are laid into the cache in calls of 512 chunks at most", async () => {
  const message = `[${Array.from({ length: 1_024 }, () => '{"type":"Text","content":"x"}').join(",")}]`;
  const laid = await scan(Array.from({ length: 10 }, () => message));
  expect(sequencesOf(laid)).toEqual(upTo(10 * 1_024));
  expect(Math.max(...laid.map((page) => page.chunks.length))).toBeLessThanOrEqual(512);
});

test("large chunks are laid into the cache half a MiB, or one chunk, at a time", async () => {
  const message = JSON.stringify({ type: "Text", content: "x".repeat(200 * 1024) });
  const laid = await scan(Array.from({ length: 40 }, () => message));
  expect(sequencesOf(laid)).toEqual(upTo(40));
  const bytes = laid.map((page) => page.chunks.reduce((sum, chunk) => sum + chunk.json.byteLength, 0));
  expect(Math.max(...bytes)).toBeLessThanOrEqual(512 * 1024);
});

test("a stream that nobody waits for any more is read no further", async () => {
  const log = new MemoryLog({ partitions: 1 });
  for (let count = 0; count < 2_500; count++)
    log.publishBare("s", Buffer.from('{"type":"Text","content":"x"}'));
  const cache = new MemoryChunkCache({ partitions: 1 });
  const stream = new StreamScan("s", [], { ...OPTIONS, log: new MemoryPartitionLog(log), cache });
  let pages = 0;
  await expect(stream.readOn(() => ++pages < 3)).rejects.toMatchObject({ code: "OVERLOADED" });
  expect(pages).toBe(3);
});
