import { describe } from "vitest";
import { describeAppend } from "./chunk-cache-append-contract.ts";
import type { ChunkCacheHarness } from "./chunk-cache-harness.ts";
import { describeReading } from "./chunk-cache-reading-contract.ts";
import { describeRestore } from "./chunk-cache-restore-contract.ts";
import { describeSchedules } from "./chunk-cache-schedule-contract.ts";

/** What every ChunkCache must do. The factory makes an empty cache for each test. */
export function describeChunkCache(name: string, createHarness: () => Promise<ChunkCacheHarness>): void {
  describe(`${name} as a ChunkCache`, () => {
    describeAppend(createHarness);
    describeReading(createHarness);
    describeRestore(createHarness);
    describeSchedules(createHarness);
  });
}
