import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { runSchedule, schedules } from "./chunk-cache-schedule.ts";

export function describeSchedules(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("through losses", () => {
    it("has every chunk under its position in the log, whatever is repeated, overlaps, falls back or is lost", async () => {
      await fc.assert(
        fc.asyncProperty(schedules, async (steps) => {
          await using harness = await createHarness();
          expect(await runSchedule(harness, steps)).not.toEqual([]);
        }),
        { numRuns: 60 },
      );
    });
  });
}
