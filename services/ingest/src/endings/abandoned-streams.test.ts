import { StreamError, type ReaderPresence } from "@sluice/core";
import { createLogger } from "@sluice/runtime";
import { expect, test } from "vitest";
import { AbandonedStreams } from "./abandoned-streams.ts";

const LIMIT_MS = 20_000;

/** Streams under a clock of the test's; `readers` says who is read, null that nobody can be asked. */
class Watch {
  readers: Set<string> | null = new Set();
  readonly asked: (readonly string[])[] = [];
  readonly abandoned: string[] = [];
  failure: StreamError | null = null;
  readonly streams: AbandonedStreams;

  constructor() {
    const presence: Pick<ReaderPresence, "countReaders"> = {
      countReaders: async (streamIds) => {
        this.asked.push(streamIds);
        if (this.readers === null) throw new StreamError("CONNECTION", "nobody can be asked");
        return new Map(streamIds.map((streamId) => [streamId, this.readers?.has(streamId) === true ? 1 : 0]));
      },
    };
    this.streams = new AbandonedStreams({
      presence,
      abandon: async (streamId) => {
        if (this.failure !== null) throw this.failure;
        this.abandoned.push(streamId);
      },
      logger: createLogger("ingest", "silent"),
    });
  }

  /** A look each second, as the owner's. */
  async look(fromMs: number, toMs: number): Promise<void> {
    for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) await this.streams.look(nowMs);
  }
}

test("a stream that nobody reads is told when its time is over, once", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  await watch.look(0, 19_000);
  expect(watch.abandoned).toEqual([]);
  await watch.look(20_000, 60_000);
  expect(watch.abandoned).toEqual(["s"]);
});

test("its time counts from when it was last seen to be read", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  watch.readers = new Set(["s"]);
  await watch.look(0, 30_000);
  watch.readers = new Set();
  await watch.look(31_000, 51_000);
  expect(watch.abandoned).toEqual([]);
  await watch.look(52_000, 52_000);
  expect(watch.abandoned).toEqual(["s"]);
});

test("when nobody can be asked, somebody may read", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  watch.readers = null;
  await watch.look(0, 60_000);
  watch.readers = new Set();
  await watch.look(61_000, 80_000);
  expect(watch.abandoned).toEqual([]);
});

test("a pause of our own says nothing of readers, whether it is told or not", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  await watch.look(0, 10_000);
  await watch.look(100_000, 119_000);
  expect(watch.abandoned).toEqual([]);
  watch.streams.startAnew(119_000);
  await watch.look(120_000, 138_000);
  expect(watch.abandoned).toEqual([]);
  await watch.look(139_000, 144_000);
  expect(watch.abandoned).toEqual(["s"]);
});

test("a stream that can't be stopped now is told again", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  watch.failure = new StreamError("CACHE_UNAVAILABLE", "away");
  await watch.look(0, 30_000);
  watch.failure = null;
  await watch.look(31_000, 40_000);
  expect(watch.abandoned).toEqual(["s"]);
});

test("one that has ended is asked about no more", async () => {
  const watch = new Watch();
  watch.streams.watch("s", LIMIT_MS, 0);
  watch.streams.forget("s");
  await watch.look(0, 60_000);
  expect(watch.asked).toEqual([]);
});

test("questions are few, name at most 500 streams, and leave none out, however many are watched", async () => {
  const watch = new Watch();
  for (let index = 0; index < 12_000; index++) watch.streams.watch(`s${index}`, LIMIT_MS, 0);
  await watch.look(0, 3_000);
  expect(watch.asked).toEqual([]);
  await watch.look(4_000, 8_000);
  expect(watch.asked).toHaveLength(20);
  expect(Math.max(...watch.asked.map((streamIds) => streamIds.length))).toBe(500);
  expect(new Set(watch.asked.flat()).size).toBe(10_000);
  await watch.look(9_000, 30_000);
  expect(watch.abandoned).toHaveLength(10_000);
});
