import { StreamError, type CacheSpace, type StorageSpace } from "@sluice/core";
import { MemoryLog, MemoryPartitionLog } from "@sluice/memory";
import type { Logger } from "@sluice/runtime";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StorageWatch } from "./storage-watch.ts";

const MIB = 1024 ** 2;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** @param answers of the cache, one a look; null: it can't be reached */
async function watch(maxStreamBytes: number, answers: (StorageSpace | null)[]) {
  const errors: string[] = [];
  const logger = {
    error: (_fields: object, message: string) => void errors.push(message),
  } as unknown as Logger;
  const cacheSpace: CacheSpace = {
    readSpace: async () => {
      const answer = answers.shift() ?? null;
      if (answer === null) throw new StreamError("CACHE_UNAVAILABLE", "away");
      return answer;
    },
  };
  const log = new MemoryPartitionLog(new MemoryLog());
  const storage = new StorageWatch({ log, cacheSpace, maxStreamBytes, logger });
  for (let looks = answers.length; looks > 0; looks--) await vi.advanceTimersByTimeAsync(5_000);
  storage.close();
  return { errors, spaces: storage.spaces };
}

test("a stream that may be more than half of the cache is told loudly, once, and when the cache is there", async () => {
  const half = { usedBytes: MIB, limitBytes: 512 * MIB };
  const { errors } = await watch(256 * MIB + 1, [null, half, half]);
  expect(errors).toEqual([expect.stringMatching(/^MAX_STREAM_BYTES is more than half of Redis' maxmemory/)]);
  expect((await watch(256 * MIB, [half])).errors).toEqual([]);
  expect((await watch(1e15, [{ usedBytes: MIB, limitBytes: Infinity }])).errors).toEqual([]);
});

test("what was seen last of log and cache is told, also while the cache is away", async () => {
  const { spaces } = await watch(1, [
    { usedBytes: 1, limitBytes: 10 },
    { usedBytes: 2, limitBytes: 10 },
    null,
  ]);
  expect(Object.fromEntries(spaces)).toEqual({
    cache: { usedBytes: 2, limitBytes: 10 },
    log: { usedBytes: 0, limitBytes: Infinity },
  });
});
