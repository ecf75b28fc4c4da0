import { connectProducer, type StreamHandle, type StreamManager } from "@sluice/producer";
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "../src/actor.ts";
import { monotonicMs } from "../src/clock.ts";
import { Latencies, type LatencyCounts } from "../src/latencies.ts";
import { stampedText, streamIdOf, type Workload } from "../src/workload.ts";

export interface SdkRun {
  acked: number;
  /** Sends that failed; there must be none. */
  failed: number;
  /** From the call of `send` to its receipt. */
  latencies: LatencyCounts;
  /** From the first send to the last receipt. */
  seconds: number;
}

export interface SdkPublisher {
  /** Creates the streams. `chunksPerMessage` has no say here: the SDK gathers what piles up by itself. */
  open(options: { natsUrl: string; workload: Workload }): Promise<void>;
  /** Sends at a constant rate, all streams in turn. */
  runPaced(options: { chunksPerSecond: number; durationMs: number }): Promise<SdkRun>;
  /** Each stream sends as fast as it may, with so many sends unanswered. */
  runUnpaced(options: { unanswered: number; durationMs: number }): Promise<SdkRun>;
}

const TICK_MS = 1;

let workload: Workload;
let manager: StreamManager;
let handles: StreamHandle[] = [];
let sent = 0;

class Tally {
  readonly latencies = new Latencies();
  readonly #startedMs = monotonicMs();
  #acked = 0;
  #failed = 0;
  #firstFailure: unknown = null;

  async send(handle: StreamHandle): Promise<void> {
    const nowMs = monotonicMs();
    try {
      await handle.sendText(stampedText(workload.chunkBytes, nowMs, sent++));
      this.#acked += 1;
      this.latencies.add(monotonicMs() - nowMs);
    } catch (error) {
      this.#failed += 1;
      this.#firstFailure ??= error;
    }
  }

  report(): SdkRun {
    if (this.#firstFailure !== null) console.error(this.#firstFailure);
    return {
      acked: this.#acked,
      failed: this.#failed,
      latencies: this.latencies.counts,
      seconds: (monotonicMs() - this.#startedMs) / 1000,
    };
  }
}

async function runPaced(chunksPerSecond: number, durationMs: number): Promise<SdkRun> {
  const tally = new Tally();
  const total = Math.round((chunksPerSecond * durationMs) / 1000);
  const startedMs = monotonicMs();
  const sends: Promise<void>[] = [];
  while (sends.length < total) {
    const due = Math.min(total, Math.ceil(((monotonicMs() - startedMs) * chunksPerSecond) / 1000));
    while (sends.length < due) {
      const handle = handles[sends.length % handles.length];
      if (handle !== undefined) sends.push(tally.send(handle));
    }
    await delay(TICK_MS);
  }
  await Promise.all(sends);
  return tally.report();
}

async function runUnpaced(unanswered: number, durationMs: number): Promise<SdkRun> {
  const tally = new Tally();
  const deadlineMs = monotonicMs() + durationMs;
  await Promise.all(
    handles.flatMap((handle) =>
      Array.from({ length: unanswered }, async () => {
        while (monotonicMs() < deadlineMs) await tally.send(handle);
      }),
    ),
  );
  return tally.report();
}

serve({
  async open(options) {
    workload = options.workload;
    manager = await connectProducer({ servers: options.natsUrl, name: "bench" });
    const streams = Array.from({ length: workload.streams }, (_, stream) => streamIdOf(workload, stream));
    handles = await Promise.all(
      streams.map(async (streamId) => (await manager.createStream({ streamId })).handle),
    );
  },
  runPaced: (options) => runPaced(options.chunksPerSecond, options.durationMs),
  runUnpaced: (options) => runUnpaced(options.unanswered, options.durationMs),
} satisfies SdkPublisher);
