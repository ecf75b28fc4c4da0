import { gaugeOf, startStack } from "@sluice/deploy";
import type { Command } from "commander";
import { setTimeout as delay } from "node:timers/promises";
import type { RawPublisher } from "../actors/raw-publisher.ts";
import { Actor } from "../src/actor.ts";
import { positiveNumber, shapeList, shapeName, type Shape } from "../src/options.ts";
import { residentBytes, UsageMeter } from "../src/process-usage.ts";
import { ReaderPool } from "../src/reader-pool.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

interface IdleOptions {
  shapes: Shape[];
  seconds: number;
}

const READER_PROCESSES = 2;
const CREATIONS_PER_SECOND = 2_000;
const CATCH_UP_TIMEOUT_MS = 60_000;

export function addIdleCommand(program: Command): void {
  program
    .command("idle")
    .description("One edge: memory of connections on which nothing happens, and what keeping them costs.")
    .option("--shapes <shapes>", "streams x readers of each", shapeList, shapeList("100x100,10000x1"))
    .option("--seconds <seconds>", "of silence before memory is looked at", positiveNumber, 10)
    .option("--quick", "a fifth of the connections, half the time")
    .action(measureIdle);
}

async function measureIdle(options: IdleOptions): Promise<void> {
  const rows: Row[] = [];
  for (const shape of options.shapes) rows.push(await measureShape(shape, options));
  report({
    question: "idle",
    settings: { seconds: options.seconds, readerProcesses: READER_PROCESSES, edges: 1 },
    rows,
    notes: [
      "KB/connection: what the edge process grew by, from before the first connection, by the number of connections",
    ],
  });
}

async function measureShape(shape: Shape, options: IdleOptions): Promise<Row> {
  const { streams, readersPerStream } = shape;
  await using stack = await startStack({ ingest: 1, edges: 1 });
  await using publisher = Actor.start<RawPublisher>("raw-publisher.ts");
  await using readers = new ReaderPool(READER_PROCESSES);
  const workload: Workload = { prefix: "idle", streams, chunksPerMessage: 1, chunkBytes: 200 };
  await publisher.call("open", { natsUrl: stack.natsUrl, workload });
  const durationMs = (streams * 1000) / CREATIONS_PER_SECOND;
  await publisher.call("run", { chunksPerSecond: CREATIONS_PER_SECOND, durationMs });

  const edge = stack.service("edge-1");
  const pid = edge.pid ?? 0;
  const streamIds = Array.from({ length: streams * readersPerStream }, (_, reader) =>
    streamIdOf(workload, reader % streams),
  );
  const memory = async (): Promise<Record<string, number>> => ({
    rss: residentBytes(pid),
    heap: await gaugeOf(edge.url, "sluice_process_nodejs_heap_size_used_bytes"),
    heapTotal: await gaugeOf(edge.url, "sluice_process_nodejs_heap_size_total_bytes"),
    external: await gaugeOf(edge.url, "sluice_process_nodejs_external_memory_bytes"),
  });
  const before = await memory();
  const startedMs = performance.now();
  await readers.open(stack.edgeUrl, streamIds);
  await readers.takeAll(streamIds.length, CATCH_UP_TIMEOUT_MS);
  const openedMs = performance.now() - startedMs;
  const afterOpen = await memory();
  const meter = UsageMeter.start({ edge: [pid] });
  await delay(options.seconds * 1000);
  const { cores } = meter.stop(1);
  const after = await memory();
  const perConnection = (name: string): number =>
    rounded(((after[name] ?? 0) - (before[name] ?? 0)) / 1024 / streamIds.length);
  const row = {
    shape: shapeName(shape),
    "RSS KB/connection": perConnection("rss"),
    "just opened": rounded(((afterOpen["rss"] ?? 0) - (before["rss"] ?? 0)) / 1024 / streamIds.length),
    "heap KB/connection": perConnection("heap"),
    "heapTotal KB/connection": perConnection("heapTotal"),
    "external KB/connection": perConnection("external"),
    "RSS MB before": rounded((before["rss"] ?? 0) / 1024 ** 2),
    "opened/s": rounded((streamIds.length * 1000) / openedMs),
    "edge cores idle": rounded(cores["edge"] ?? 0),
    load: loadNow(),
  };
  console.log(JSON.stringify(row));
  return row;
}
