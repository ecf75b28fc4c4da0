import { startStack } from "@sluice/deploy";
import type { Command } from "commander";
import type { SdkPublisher, SdkRun } from "../actors/sdk-publisher.ts";
import { Actor } from "../src/actor.ts";
import { Latencies } from "../src/latencies.ts";
import { positiveNumber } from "../src/options.ts";
import { UsageMeter } from "../src/process-usage.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";

interface PublishOptions {
  seconds: number;
  chunkBytes: number;
}

interface Case {
  name: string;
  streams: number;
  run(publisher: Actor<SdkPublisher>, durationMs: number): Promise<SdkRun>;
}

const CASES: readonly Case[] = [
  {
    name: "one handle, awaiting each send",
    streams: 1,
    run: (publisher, durationMs) => publisher.call("runUnpaced", { unanswered: 1, durationMs }),
  },
  {
    name: "one handle, as fast as it may",
    streams: 1,
    run: (publisher, durationMs) => publisher.call("runUnpaced", { unanswered: 100, durationMs }),
  },
  {
    name: "200 handles at 50/s each",
    streams: 200,
    run: (publisher, durationMs) => publisher.call("runPaced", { chunksPerSecond: 10_000, durationMs }),
  },
];

export function addPublishCommand(program: Command): void {
  program
    .command("publish")
    .description("The SDK's sends until their durable acknowledgement: chunks/s and latency.")
    .option("--seconds <seconds>", "each case", positiveNumber, 5)
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .action(measurePublish);
}

async function measurePublish(options: PublishOptions): Promise<void> {
  const rows: Row[] = [];
  for (const each of CASES) rows.push(await measureCase(each, options));
  report({
    question: "publish",
    settings: { ...options, ingest: 1 },
    rows,
    notes: ["latency: from the call of send to its receipt; ingest runs beside it, as it always does"],
  });
}

async function measureCase(each: Case, options: PublishOptions): Promise<Row> {
  await using stack = await startStack({ ingest: 1, edges: 0 });
  await using publisher = Actor.start<SdkPublisher>("sdk-publisher.ts");
  const { streams } = each;
  const { natsUrl } = stack;
  const workload = { prefix: "bench", streams, chunksPerMessage: 1, chunkBytes: options.chunkBytes };
  await publisher.call("open", { natsUrl, workload });
  await each.run(publisher, 1_000);
  const meter = UsageMeter.start({ ...processesOf(stack), producer: [publisher.pid] });
  const run = await each.run(publisher, options.seconds * 1000);
  const { cpuMicros } = meter.stop(run.acked);
  const latencies = new Latencies(run.latencies);
  return {
    case: each.name,
    "acked chunks/s": rounded(run.acked / run.seconds),
    "p50 ms": rounded(latencies.percentile(0.5)),
    "p99 ms": rounded(latencies.percentile(0.99)),
    failed: run.failed,
    "producer µs": rounded(cpuMicros["producer"] ?? 0),
    "nats µs": rounded(cpuMicros["nats"] ?? 0),
    load: loadNow(),
  };
}
