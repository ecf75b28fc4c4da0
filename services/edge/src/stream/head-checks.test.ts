import { createLogger, defaultSettings } from "@sluice/runtime";
import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test, vi } from "vitest";
import { HeadChecks } from "./head-checks.ts";
import { edgeConfigSchema } from "../config.ts";
import type { StreamFeed } from "./stream-feed.ts";
import { sequencesTo, startBench } from "../../test/edge-bench.ts";

describe("the periodic check", () => {
  const INTERVAL_MS = defaultSettings(edgeConfigSchema).headCheckIntervalMs;

  /** Only what goes round for ever: the rest of the edge is to live in real time. */
  function fakeIntervals(): Disposable {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    return { [Symbol.dispose]: () => void vi.useRealTimers() };
  }

  test("finds a lost last message within a minute, with nothing set", async () => {
    using _ = fakeIntervals();
    expect(INTERVAL_MS).toBe(60_000);
    await using bench = await startBench(memoryEdgePorts());
    const { ingest } = bench;
    await ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    await ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    ingest.say = () => null;
    await ingest.publish("s", [], "completed");
    expect(await bench.metric("sluice_edge_head_checks_total")).toBe(0);
    await vi.advanceTimersByTimeAsync(INTERVAL_MS);
    await reader.untilEnd();
    expect(reader.sequences).toEqual([1, 2]);
    expect(await bench.metric("sluice_edge_head_checks_total")).toBe(1);
  });

  test("looks at each of many streams within an interval of its joining and then once in each, spread over it", async () => {
    using _ = fakeIntervals();
    const step = INTERVAL_MS / 60;
    let nowMs = 0;
    const looksMs = new Map<string, number[]>();
    const feeds: StreamFeed[] = [];
    const checks = new HeadChecks(() => feeds, INTERVAL_MS, createLogger("edge", "silent"));
    const joinedMs = new Map<string, number>();
    let most = 0;
    for (; nowMs < 4 * INTERVAL_MS; nowMs += step) {
      // Some before it begins, others at any time while it goes round.
      const coming = nowMs === 0 ? 300 : nowMs <= INTERVAL_MS ? 2 : 0;
      for (const _ of sequencesTo(coming)) {
        const streamId = `stream-${feeds.length}`;
        const checkHead = async (): Promise<void> => void looksMs.get(streamId)?.push(nowMs + step);
        joinedMs.set(streamId, nowMs);
        looksMs.set(streamId, []);
        feeds.push({ checkHead, streamId } as unknown as StreamFeed);
      }
      const before = [...looksMs.values()].flat().length;
      await vi.advanceTimersByTimeAsync(step);
      most = Math.max(most, [...looksMs.values()].flat().length - before);
    }
    checks.close();
    expect(feeds.length).toBe(420);
    for (const [streamId, looks] of looksMs) {
      const times = [joinedMs.get(streamId) ?? 0, ...looks];
      const waits = looks.map((lookMs, index) => lookMs - (times[index] ?? 0));
      expect(Math.max(...waits)).toBeLessThanOrEqual(INTERVAL_MS);
      expect(new Set(waits.slice(1))).toEqual(new Set([INTERVAL_MS]));
    }
    // Seven a round on average.
    expect(most).toBeLessThanOrEqual(21);
  });
});
