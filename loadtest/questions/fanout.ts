import { startStack } from "@sluice/deploy";
import type { Command } from "commander";
import type { RawPublisher } from "../actors/raw-publisher.ts";
import { Actor } from "../src/actor.ts";
import { numberList, positiveNumber, shapeList, shapeName, type Shape } from "../src/options.ts";
import { residentBytes, UsageMeter } from "../src/process-usage.ts";
import { ReaderPool } from "../src/reader-pool.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

interface FanoutOptions {
  shapes: Shape[];
  rates: number[];
  seconds: number;
  chunkBytes: number;
  maxPublishRate: number;
  profile?: string;
}

const READER_PROCESSES = 2;
const CATCH_UP_TIMEOUT_MS = 15_000;

export function addFanoutCommand(program: Command): void {
  program
    .command("fanout")
    .description("One edge: delivered events/s, what an event costs it, and how late events are.")
    .option("--shapes <shapes>", "streams x readers of each", shapeList, shapeList("1x1000,100x10,1000x1"))
    .option("--rates <rates>", "chunks/s that each reader gets", numberList, [20, 50, 100, 200])
    .option("--seconds <seconds>", "each rate", positiveNumber, 5)
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .option(
      "--max-publish-rate <rate>",
      "chunks/s past which the log is what is measured",
      positiveNumber,
      20_000,
    )
    .option("--profile <directory>", "write a CPU profile of the edge there")
    .action(measureFanout);
}

async function measureFanout(options: FanoutOptions): Promise<void> {
  const rows: Row[] = [];
  for (const shape of options.shapes) rows.push(...(await measureShape(shape, options)));
  const { profile: _profile, shapes, ...settings } = options;
  report({
    question: "fanout",
    settings: {
      ...settings,
      shapes: shapes.map(shapeName),
      readerProcesses: READER_PROCESSES,
      edges: 1,
      ingest: 1,
    },
    rows,
    notes: [
      "latency: from the publisher's stamp, before NATS, to the bytes being read by the client",
      "edge µs: CPU time (user and system) of the edge process per delivered event, from /proc",
      "missing: chunks that hadn't come 15 s after the last was published; faults: sequences out of order and connections that ended",
    ],
  });
}

async function measureShape(shape: Shape, options: FanoutOptions): Promise<Row[]> {
  const { streams, readersPerStream } = shape;
  const env = options.profile === undefined ? {} : profileEnv(options.profile);
  await using stack = await startStack({ ingest: 1, edges: 1, env: { edge: env } });
  await using publisher = Actor.start<RawPublisher>("raw-publisher.ts");
  await using readers = new ReaderPool(READER_PROCESSES);
  const { natsUrl, edgeUrl } = stack;
  const workload: Workload = {
    prefix: "bench",
    streams,
    chunksPerMessage: 1,
    chunkBytes: options.chunkBytes,
  };
  const edge = stack.service("edge-1").pid ?? 0;

  await publisher.call("open", { natsUrl, workload });
  const first = await publisher.call("run", { chunksPerSecond: 1_000, durationMs: streams });
  let perStream = Math.floor(first.ackedMs.length / streams);
  const streamIds = Array.from({ length: streams * readersPerStream }, (_, reader) =>
    streamIdOf(workload, reader % streams),
  );
  const bytesBefore = residentBytes(edge);
  await readers.open(edgeUrl, streamIds);
  await readers.takeAll(streamIds.length * perStream, CATCH_UP_TIMEOUT_MS);
  const bytesPerConnection = (residentBytes(edge) - bytesBefore) / streamIds.length;

  const rows: Row[] = [];
  for (const rate of options.rates) {
    const chunksPerSecond = rate * streams;
    if (chunksPerSecond > options.maxPublishRate) {
      console.log(`${streams} x ${readersPerStream} at ${rate}/s left out: above --max-publish-rate`);
      continue;
    }
    const meter = UsageMeter.start({ ...processesOf(stack), readers: readers.pids });
    const startedMs = performance.now();
    const published = await publisher.call("run", { chunksPerSecond, durationMs: options.seconds * 1000 });
    const expected = published.ackedMs.length * readersPerStream;
    perStream += published.ackedMs.length / streams;
    const received = await readers.takeAll(expected, CATCH_UP_TIMEOUT_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    const { cpuMicros, cores } = meter.stop(received.events);
    const row = {
      shape: shapeName(shape),
      "chunks/s per reader": rate,
      "events/s wanted": rate * streams * readersPerStream,
      "events/s": rounded(received.events / seconds),
      "edge µs": rounded(cpuMicros["edge"] ?? 0),
      "edge cores": rounded(cores["edge"] ?? 0),
      "readers µs": rounded(cpuMicros["readers"] ?? 0),
      "p50 ms": rounded(received.latencies.percentile(0.5)),
      "p99 ms": rounded(received.latencies.percentile(0.99)),
      missing: expected - received.events,
      faults: received.faults,
      "idle RSS KB/connection": rounded(bytesPerConnection / 1024),
      load: loadNow(),
    };
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  return rows;
}

function profileEnv(directory: string): Record<string, string> {
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${directory}` };
}
