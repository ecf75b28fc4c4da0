import { startStack } from "@sluice/deploy";
import type { Command } from "commander";
import type { SdkPublisher } from "../actors/sdk-publisher.ts";
import { Actor } from "../src/actor.ts";
import { numberList, positiveNumber } from "../src/options.ts";
import { UsageMeter } from "../src/process-usage.ts";
import { ReaderPool } from "../src/reader-pool.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

interface EndToEndOptions {
  rates: number[];
  ratePerStream: number;
  seconds: number;
  chunkBytes: number;
}

const CATCH_UP_TIMEOUT_MS = 30_000;
const WARM_UP_MS = 2_000;

export function addEndToEndCommand(program: Command): void {
  program
    .command("end-to-end")
    .description("SDK to reader through everything, one reader a stream: latency by rate, nothing missing.")
    .option(
      "--rates <rates>",
      "chunks/s of all streams together",
      numberList,
      [500, 2_500, 5_000, 7_500, 10_000],
    )
    .option("--rate-per-stream <rate>", "chunks/s of one stream", positiveNumber, 50)
    .option("--seconds <seconds>", "each rate", positiveNumber, 10)
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .action(measureEndToEnd);
}

async function measureEndToEnd(options: EndToEndOptions): Promise<void> {
  const rows: Row[] = [];
  for (const rate of options.rates) {
    const row = await measureRate(rate, options);
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  report({
    question: "end-to-end",
    settings: { ...options, ingest: 1, edges: 1, publishers: 1, readerProcesses: 1 },
    rows,
    notes: [
      "latency: from the call of send in the worker to the bytes being read by the client",
      "µs: CPU time (user and system) of each kind of process per chunk, from /proc; everything shares this machine",
    ],
  });
}

async function measureRate(chunksPerSecond: number, options: EndToEndOptions): Promise<Row> {
  const streams = Math.max(1, Math.round(chunksPerSecond / options.ratePerStream));
  await using stack = await startStack({ ingest: 1, edges: 1 });
  await using publisher = Actor.start<SdkPublisher>("sdk-publisher.ts");
  await using readers = new ReaderPool(1);
  const workload: Workload = {
    prefix: "bench",
    streams,
    chunksPerMessage: 1,
    chunkBytes: options.chunkBytes,
  };
  await publisher.call("open", { natsUrl: stack.natsUrl, workload });
  await readers.open(
    stack.edgeUrl,
    Array.from({ length: streams }, (_, stream) => streamIdOf(workload, stream)),
  );
  const warm = await publisher.call("runPaced", { chunksPerSecond, durationMs: WARM_UP_MS });
  await readers.takeAll(warm.acked, CATCH_UP_TIMEOUT_MS);

  const meter = UsageMeter.start({
    ...processesOf(stack),
    producer: [publisher.pid],
    readers: readers.pids,
  });
  const run = await publisher.call("runPaced", { chunksPerSecond, durationMs: options.seconds * 1000 });
  const received = await readers.takeAll(run.acked, CATCH_UP_TIMEOUT_MS);
  const { cpuMicros } = meter.stop(run.acked);
  return {
    "chunks/s wanted": chunksPerSecond,
    streams,
    "acked chunks/s": rounded(run.acked / run.seconds),
    "p50 ms": rounded(received.latencies.percentile(0.5)),
    "p99 ms": rounded(received.latencies.percentile(0.99)),
    missing: run.acked - received.events,
    "failed sends": run.failed,
    faults: received.faults,
    ...Object.fromEntries(
      ["producer", "nats", "ingest", "redis", "edge", "readers"].map((name) => [
        `${name} µs`,
        rounded(cpuMicros[name] ?? 0),
      ]),
    ),
    load: loadNow(),
  };
}
