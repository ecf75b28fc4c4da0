import { startStack } from "@sluice/deploy";
import type { Command } from "commander";
import type { LiveListener } from "../actors/live-listener.ts";
import type { PublishedRun, RawPublisher } from "../actors/raw-publisher.ts";
import { Actor } from "../src/actor.ts";
import { Latencies } from "../src/latencies.ts";
import { numberList, positiveNumber } from "../src/options.ts";
import { UsageMeter } from "../src/process-usage.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";
import type { Workload } from "../src/workload.ts";

interface IngestOptions {
  streams: number[];
  replicas: number[];
  chunksPerMessage: number[];
  chunkBytes: number;
  latencyRate: number;
  latencySeconds: number;
  stepSeconds: number;
  firstStep: number;
  stepFactor: number;
  maxRate: number;
  profile?: string;
}

export function addIngestCommand(program: Command): void {
  program
    .command("ingest")
    .description(
      "From JetStream's acknowledgement to Redis: latency at a fixed rate, and the highest rate whose lag doesn't grow.",
    )
    .option("--streams <counts>", "streams at once", numberList, [1, 100, 5_000])
    .option("--replicas <counts>", "ingest replicas", numberList, [1, 2])
    .option("--chunks-per-message <counts>", "chunks in one message", numberList, [1, 16])
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .option("--latency-rate <rate>", "chunks/s at which latency is measured", positiveNumber, 5_000)
    .option("--latency-seconds <seconds>", "how long", positiveNumber, 5)
    .option("--step-seconds <seconds>", "each step on the way to saturation", positiveNumber, 3)
    .option("--first-step <rate>", "chunks/s of the first step", positiveNumber, 10_000)
    .option("--step-factor <factor>", "from one step to the next", positiveNumber, 1.4)
    .option("--max-rate <rate>", "where to stop", positiveNumber, 120_000)
    .option("--profile <directory>", "write a CPU profile of each ingest process there")
    .action(measureIngest);
}

async function measureIngest(options: IngestOptions): Promise<void> {
  const rows: Row[] = [];
  for (const replicas of options.replicas) {
    for (const chunksPerMessage of options.chunksPerMessage) {
      for (const streams of options.streams) {
        const row = await measureCombination(options, { replicas, chunksPerMessage, streams });
        console.log(JSON.stringify(row));
        rows.push(row);
      }
    }
  }
  const { profile: _profile, ...settings } = options;
  report({
    question: "ingest",
    settings: { ...settings, natsSyncInterval: "server default" },
    rows,
    notes: [
      "lag: from the publisher reading JetStream's acknowledgement to a NATS client receiving the range, which ingest publishes after the Redis write; an upper bound of acknowledgement to Redis",
      "µs: CPU time (user and system) of all processes of that kind per chunk, from /proc",
      "sustained: the highest step whose last fifth had a median lag of at most 50 ms; at most: chunks/s that came out at the first step that failed",
      "where the lag grows while ingest uses well below one core a replica, the machine was full of something else: chunks/s per ingest core is what one replica reaches when it has a core to itself",
    ],
  });
}

interface Combination {
  replicas: number;
  chunksPerMessage: number;
  streams: number;
}

async function measureCombination(options: IngestOptions, combination: Combination): Promise<Row> {
  const { replicas, chunksPerMessage, streams } = combination;
  await using stack = await startStack({ ingest: replicas, edges: 0, env: { ingest: ingestEnv(options) } });
  await using publisher = Actor.start<RawPublisher>("raw-publisher.ts");
  await using listener = Actor.start<LiveListener>("live-listener.ts");
  const workload: Workload = { prefix: "bench", streams, chunksPerMessage, chunkBytes: options.chunkBytes };
  await listener.call("open", { natsUrl: stack.natsUrl, workload });
  await publisher.call("open", { natsUrl: stack.natsUrl, workload });
  const bench = { publisher, listener, pids: processesOf(stack), chunksPerMessage };

  // Warm: every stream has its record, and the code is compiled.
  await runStep(
    bench,
    options.latencyRate,
    Math.max(2_000, (streams * chunksPerMessage * 1000) / options.latencyRate),
  );
  const latency = await runStep(bench, options.latencyRate, options.latencySeconds * 1000);
  let best: Step | null = null;
  let failed: Step | null = null;
  for (let rate = options.firstStep; rate <= options.maxRate; rate *= options.stepFactor) {
    const step = await runStep(bench, rate, options.stepSeconds * 1000);
    if (!step.keepsUp) {
      failed = step;
      break;
    }
    best = step;
  }
  const saturated = failed ?? best ?? latency;
  return {
    replicas,
    streams,
    "chunks/message": chunksPerMessage,
    "at chunks/s": rounded(latency.ackedPerSecond),
    "lag p50 ms": rounded(latency.lag.percentile(0.5)),
    "lag p99 ms": rounded(latency.lag.percentile(0.99)),
    "publish→readable p99 ms": rounded(latency.total.percentile(0.99)),
    "ingest µs": rounded(latency.cpuMicros["ingest"] ?? 0),
    sustained: rounded(best?.ackedPerSecond ?? 0),
    "at most": rounded(saturated.readablePerSecond),
    "failed by": failed?.limit ?? "none found",
    "ingest µs saturated": rounded(saturated.cpuMicros["ingest"] ?? 0),
    "redis µs": rounded(saturated.cpuMicros["redis"] ?? 0),
    "nats µs": rounded(saturated.cpuMicros["nats"] ?? 0),
    "ingest cores": rounded(saturated.cores["ingest"] ?? 0),
    "chunks/s per ingest core": rounded(1e6 / (saturated.cpuMicros["ingest"] ?? Number.NaN)),
    holes: latency.holes + saturated.holes,
    load: loadNow(),
  };
}

interface Step {
  lag: Latencies;
  total: Latencies;
  ackedPerSecond: number;
  readablePerSecond: number;
  keepsUp: boolean;
  /** Reason why a step failed: not whose fault it is, which the cores in use tell. */
  limit: "lag grows" | "publisher or log" | "none";
  cpuMicros: Record<string, number>;
  cores: Record<string, number>;
  holes: number;
}

interface Bench {
  publisher: Actor<RawPublisher>;
  listener: Actor<LiveListener>;
  pids: Record<string, number[]>;
  chunksPerMessage: number;
}

/** A backlog that the last fifth of a step still has is one that grows: at 3 s, 2 % too much make 50 ms. */
const MAX_FINAL_LAG_MS = 50;
const MIN_ACHIEVED_SHARE = 0.95;
const CATCH_UP_TIMEOUT_MS = 30_000;

async function runStep(bench: Bench, chunksPerSecond: number, durationMs: number): Promise<Step> {
  const { publisher, listener, pids, chunksPerMessage } = bench;
  const meter = UsageMeter.start(pids);
  const published = await publisher.call("run", { chunksPerSecond, durationMs });
  const count = published.ackedMs.length;
  const { readableMs, holes } = await listener.call("await", {
    first: published.firstNumber,
    count,
    timeoutMs: CATCH_UP_TIMEOUT_MS,
  });
  const usage = meter.stop(count * chunksPerMessage);
  const missing = readableMs.reduce((sum, time) => sum + (time === 0 ? 1 : 0), 0);
  if (missing > 0) throw new Error(`${missing} of ${count} messages did not become readable in time`);

  const lag = new Latencies();
  const total = new Latencies();
  const finalLag = new Latencies();
  for (let index = 0; index < count; index++) {
    const readable = readableMs[index] ?? 0;
    const behindAck = readable - (published.ackedMs[index] ?? 0);
    lag.add(behindAck);
    total.add(readable - (published.publishedMs[index] ?? 0));
    if (index >= count * 0.8) finalLag.add(behindAck);
  }
  const ackedPerSecond = (count * chunksPerMessage) / secondsBetween(published, published.ackedMs);
  const readablePerSecond = (count * chunksPerMessage) / secondsBetween(published, readableMs);
  const isFollowed = finalLag.percentile(0.5) <= MAX_FINAL_LAG_MS;
  const isAchieved = ackedPerSecond >= chunksPerSecond * MIN_ACHIEVED_SHARE;
  return {
    lag,
    total,
    ackedPerSecond,
    readablePerSecond,
    keepsUp: isFollowed && isAchieved,
    limit: !isFollowed ? "lag grows" : isAchieved ? "none" : "publisher or log",
    ...usage,
    holes,
  };
}

function secondsBetween(published: PublishedRun, doneMs: Float64Array): number {
  const startMs = published.publishedMs[0] ?? 0;
  const endMs = doneMs.reduce((latest, time) => Math.max(latest, time), 0);
  return Math.max(0.001, (endMs - startMs) / 1000);
}

/** One stream takes all steps of a row: the limits that end a runaway stream would end the measurement. */
const NO_LIMITS = { MAX_STREAM_CHUNKS: "1000000000", MAX_STREAM_BYTES: "1000000000000" };

function ingestEnv({ profile }: IngestOptions): Record<string, string> {
  return profile === undefined
    ? NO_LIMITS
    : { ...NO_LIMITS, NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` };
}
