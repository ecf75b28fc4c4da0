import { describe } from "vitest";
import { describeAppend } from "./chunk-cache-append-contract.ts";
import { describeCancel } from "./chunk-cache-cancel-contract.ts";
import { describeEras } from "./chunk-cache-era-contract.ts";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { describeOpenStreams } from "./chunk-cache-open-contract.ts";
import { describeRecentStreams } from "./chunk-cache-recent-contract.ts";
import { describeReading } from "./chunk-cache-reading-contract.ts";
import { describeRestore } from "./chunk-cache-restore-contract.ts";
import { describeUnwritten } from "./chunk-cache-unwritten-contract.ts";
import { describeSchedules } from "./chunk-cache-schedule-contract.ts";

/** Promises of every ChunkCache. The factory makes an empty cache for each test. */
export function chunkCacheContract(name: string, createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe(`${name} as a ChunkCache`, () => {
    describeAppend(createHarness);
    describeReading(createHarness);
    describeRestore(createHarness);
    describeUnwritten(createHarness);
    describeOpenStreams(createHarness);
    describeCancel(createHarness);
    describeRecentStreams(createHarness);
    describeEras(createHarness);
    describeSchedules(createHarness);
  });
}
