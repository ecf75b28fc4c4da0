import { MemoryChunkCache } from "@sluice/memory";
import { createLogger, createRegistry } from "@sluice/runtime";
import { expect, test, vi } from "vitest";
import { createEdgeMetrics } from "../metrics.ts";
import { OWN_READS, PageReads } from "./page-reads.ts";
import { ReadWatch } from "./read-watch.ts";
import { HEAD_ONLY } from "./stream-lookup.ts";

/** An edge's reads over a cache that can go silent, and the watch over them. */
async function watchOver(probe: () => Promise<void>, run: (world: World) => Promise<void>): Promise<void> {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance", "Date"] });
  let isSilent = false;
  const held: (() => void)[] = [];
  class SilentCache extends MemoryChunkCache {
    override async readPage(...query: Parameters<MemoryChunkCache["readPage"]>) {
      if (isSilent) await new Promise<void>((resolve) => held.push(resolve));
      return super.readPage(...query);
    }
  }
  const metrics = createEdgeMetrics(createRegistry("edge"));
  const budget = { total: 1e6, perAddress: 1e6, perStream: 1e6 };
  const cache = new SilentCache({ partitions: 1 });
  const reads = new PageReads({ cache, budget, maxWaiting: 100, timeoutMs: 1_500, metrics });
  const logger = createLogger("edge", "silent");
  const watch = new ReadWatch(reads, probe, { readStallMs: 5_000, readStuckMs: 30_000 }, logger);
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      vi.advanceTimersByTime(1_000);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const silence = (isOn: boolean): void => {
    isSilent = isOn;
    if (!isOn) for (const go of held.splice(0)) go();
  };
  try {
    await run({ watch, reads, pass, silence });
  } finally {
    watch.close();
    reads.close();
    vi.useRealTimers();
  }
}

interface World {
  watch: ReadWatch;
  reads: PageReads;
  pass: (seconds: number) => Promise<void>;
  silence: (isOn: boolean) => void;
}

const read = (reads: PageReads): Promise<unknown> =>
  reads.read("s", 0, HEAD_ONLY, OWN_READS).catch((error: unknown) => error);

const answered = (): Promise<void> => Promise.resolve();
const unanswered = (): Promise<void> => Promise.reject(new Error("no answer"));

test("an edge that nobody asks anything is well", async () => {
  await watchOver(unanswered, async ({ watch, pass, silence }) => {
    silence(true);
    await pass(120);
    expect([watch.problem, watch.fatalProblem]).toEqual([null, null]);
  });
});

test("an edge whose reads fail is not ready, and well again by itself though no client asks any more", async () => {
  await watchOver(unanswered, async ({ watch, reads, pass, silence }) => {
    silence(true);
    void read(reads);
    await pass(4);
    expect(watch.problem).toBeNull();
    await pass(3);
    expect(watch.problem).toMatch(/no read of the cache has succeeded for \d s/);
    silence(false);
    await pass(2);
    expect(watch.problem).toBeNull();
  });
});

test("an edge isn't to be restarted while the cache answers nobody else either, however long", async () => {
  await watchOver(unanswered, async ({ watch, reads, pass, silence }) => {
    silence(true);
    void read(reads);
    await pass(300);
    expect(watch.problem).not.toBeNull();
    expect(watch.fatalProblem).toBeNull();
  });
});

test("an edge is to be restarted where its reads fail for long and new connections are answered each time", async () => {
  let answersNow = false;
  const probe = (): Promise<void> => (answersNow ? answered() : unanswered());
  await watchOver(probe, async ({ watch, reads, pass, silence }) => {
    silence(true);
    void read(reads);
    await pass(60);
    expect(watch.fatalProblem).toBeNull();
    answersNow = true;
    await pass(4);
    answersNow = false;
    await pass(1);
    answersNow = true;
    await pass(4);
    expect(watch.fatalProblem).toBeNull();
    await pass(3);
    expect(watch.fatalProblem).toMatch(/new connections are answered/);
    silence(false);
    await pass(2);
    expect(watch.fatalProblem).toBeNull();
  });
});
