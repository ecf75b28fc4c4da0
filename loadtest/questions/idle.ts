import { gaugeOf, startStack } from "@sluice/deploy";
import type { Command } from "commander";
import { setTimeout as delay } from "node:timers/promises";
import type { RawPublisher } from "../actors/raw-publisher.ts";
import { Actor } from "../src/actor.ts";
import { positiveNumber, shapeList, shapeName, shapesOption, type Shape } from "../src/options.ts";
import { residentBytes, UsageMeter } from "../src/process-usage.ts";
import { ReaderPool } from "../src/reader-pool.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

interface IdleOptions {
  shapes: Shape[];
  seconds: number;
  quick?: boolean;
}

const READER_PROCESSES = 2;
const CREATIONS_PER_SECOND = 2_000;
const CATCH_UP_TIMEOUT_MS = 60_000;
const SHAPES = "100x100,10000x1";
const QUICK = { shapes: "100x100", seconds: 3 };

export function addIdleCommand(program: Command): void {
  program
    .command("idle")
    .description("One edge: memory of connections on which nothing happens, and what keeping them costs.")
    .addOption(shapesOption(SHAPES))
    .option("--seconds <seconds>", "of silence before memory is looked at", positiveNumber, 10)
    .option("--quick", `shapes ${QUICK.shapes}, ${QUICK.seconds} s of silence`)
    .action(measureIdle);
}

async function measureIdle(given: IdleOptions): Promise<void> {
  const { shapes, seconds } = given.quick === true ? { ...QUICK, shapes: shapeList(QUICK.shapes) } : given;
  const rows: Row[] = [];
  for (const shape of shapes) {
    const row = await measureShape(shape, seconds);
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  report({
    question: "idle",
    settings: { shapes: shapes.map(shapeName), seconds, readerProcesses: READER_PROCESSES, edges: 1 },
    rows,
    notes: [
      "KB/connection: what the edge process grew by, from before the first connection, by the number of connections",
      "what V8 keeps for new objects grows to some 100 MB whatever the number: --max-semi-space-size=16, as in k8s/base/edge.yaml, keeps it small",
      "opened/s: until each has its first chunk; CPU of the clients is in it",
    ],
  });
}

async function measureShape(shape: Shape, seconds: number): Promise<Row> {
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
  const memory = async (): Promise<{ rss: number; heap: number }> => ({
    rss: residentBytes(pid),
    heap: await gaugeOf(edge.url, "sluice_process_nodejs_heap_size_used_bytes"),
  });
  const before = await memory();
  const startedMs = performance.now();
  await readers.open(stack.edgeUrl, streamIds);
  await readers.takeAll(streamIds.length, CATCH_UP_TIMEOUT_MS);
  const openedSeconds = (performance.now() - startedMs) / 1000;
  const meter = UsageMeter.start({ edge: [pid] });
  await delay(seconds * 1000);
  const { cores } = meter.stop(1);
  const after = await memory();
  const { faults } = await readers.take();
  const perConnection = (bytes: number): number => rounded(bytes / 1024 / streamIds.length);
  return {
    shape: shapeName(shape),
    connections: await gaugeOf(edge.url, "sluice_edge_connections"),
    "RSS KB/connection": perConnection(after.rss - before.rss),
    "heap KB/connection": perConnection(after.heap - before.heap),
    "RSS MB before": rounded(before.rss / 1024 ** 2),
    "opened/s": rounded(streamIds.length / openedSeconds),
    "edge cores": rounded(cores["edge"] ?? 0),
    faults,
    load: loadNow(),
  };
}
