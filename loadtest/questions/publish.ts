import { startStack, type Stack } from "@sluice/deploy";
import type { Command } from "commander";
import type { HttpPublisher } from "../actors/http-publisher.ts";
import type { SdkPublisher } from "../actors/sdk-publisher.ts";
import { Actor } from "../src/actor.ts";
import { Latencies } from "../src/latencies.ts";
import { positiveNumber } from "../src/options.ts";
import { UsageMeter } from "../src/process-usage.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import type { Publisher, SendRun } from "../src/sending.ts";
import { processesOf } from "../src/stack-usage.ts";
import type { Workload } from "../src/workload.ts";

interface PublishOptions {
  seconds: number;
  chunkBytes: number;
}

/** Ways to publish: over NATS with the SDK; over the gateway with a request for each chunk, or with an upload for each stream. */
type Way = "sdk" | "request" | "upload";

interface Case {
  name: string;
  way: Way;
  streams: number;
  /** Sends of each stream that may be unanswered, as fast as they may. */
  unanswered?: number;
  /** Rate of each stream. */
  chunksPerSecond?: number;
}

const CASES: readonly Case[] = [
  { way: "sdk", name: "SDK: one handle, awaiting each send", streams: 1, unanswered: 1 },
  { way: "sdk", name: "SDK: one handle, as fast as it may", streams: 1, unanswered: 100 },
  { way: "sdk", name: "SDK: 200 handles at 50/s each", streams: 200, chunksPerSecond: 50 },
  { way: "sdk", name: "SDK: 200 handles, awaiting each send", streams: 200, unanswered: 1 },
  { way: "request", name: "HTTP: a request for each chunk, one at a time", streams: 1, unanswered: 1 },
  { way: "request", name: "HTTP: 50 streams, a request for each chunk", streams: 50, unanswered: 1 },
  { way: "upload", name: "HTTP: one upload, as fast as it may", streams: 1, unanswered: 100 },
  { way: "upload", name: "HTTP: 200 uploads at 50/s each", streams: 200, chunksPerSecond: 50 },
];

export function addPublishCommand(program: Command): void {
  program
    .command("publish")
    .description(
      "Sends until their durable acknowledgement, with the SDK and over HTTP: chunks/s and latency.",
    )
    .option("--seconds <seconds>", "each case", positiveNumber, 5)
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .action(measurePublish);
}

async function measurePublish(options: PublishOptions): Promise<void> {
  const rows: Row[] = [];
  for (const each of CASES) {
    const row = await measureCase(each, options);
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  report({
    question: "publish",
    settings: { ...options, ingest: 1, gateway: 1 },
    rows,
    notes: [
      "latency: from the call of send to its acknowledgement; ingest runs beside it, as it always does",
    ],
  });
}

async function measureCase(each: Case, options: PublishOptions): Promise<Row> {
  await using stack = await startStack({ ingest: 1, edges: 0, gateway: each.way !== "sdk" });
  const workload = {
    prefix: "bench",
    streams: each.streams,
    chunksPerMessage: 1,
    chunkBytes: options.chunkBytes,
  };
  await using publisher = await openPublisher(stack, each.way, workload);
  await run(publisher, each, 1_000);
  const meter = UsageMeter.start({ ...processesOf(stack), producer: [publisher.pid] });
  const { acked, failed, seconds, latencies: counts } = await run(publisher, each, options.seconds * 1000);
  const { cpuMicros } = meter.stop(acked);
  const latencies = new Latencies(counts);
  return {
    case: each.name,
    "acked chunks/s": rounded(acked / seconds),
    "p50 ms": rounded(latencies.percentile(0.5)),
    "p99 ms": rounded(latencies.percentile(0.99)),
    failed,
    "producer µs": rounded(cpuMicros["producer"] ?? 0),
    "gateway µs": rounded(cpuMicros["gateway"] ?? 0),
    "nats µs": rounded(cpuMicros["nats"] ?? 0),
    load: loadNow(),
  };
}

async function openPublisher(stack: Stack, way: Way, workload: Workload): Promise<Actor<Publisher>> {
  if (way === "sdk") {
    const publisher = Actor.start<SdkPublisher>("sdk-publisher.ts");
    await publisher.call("open", { natsUrl: stack.natsUrl, workload });
    return publisher;
  }
  const publisher = Actor.start<HttpPublisher>("http-publisher.ts");
  await publisher.call("open", { gatewayUrl: stack.gatewayUrl, workload, way });
  return publisher;
}

function run(publisher: Actor<Publisher>, each: Case, durationMs: number): Promise<SendRun> {
  const { streams, unanswered = 1, chunksPerSecond } = each;
  if (chunksPerSecond === undefined) return publisher.call("runUnpaced", { unanswered, durationMs });
  return publisher.call("runPaced", { chunksPerSecond: streams * chunksPerSecond, durationMs });
}
