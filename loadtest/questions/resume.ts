import { startStack, type Stack } from "@sluice/deploy";
import type { Command } from "commander";
import type { FrameSource } from "../actors/frame-source.ts";
import type { RawPublisher } from "../actors/raw-publisher.ts";
import type { Resumption, ResumingReaders } from "../actors/resuming-readers.ts";
import { Actor } from "../src/actor.ts";
import { Latencies } from "../src/latencies.ts";
import { numberList, positiveNumber } from "../src/options.ts";
import { UsageMeter } from "../src/process-usage.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

interface ResumeOptions {
  atOnce: number[];
  rounds: number;
  chunks: number;
  chunkBytes: number;
  longReplay: number;
  quick?: boolean;
}

/** Some readers who come back, in one go. */
interface Case {
  name: string;
  /** Number of streams over which they are spread. */
  streams: number;
  atOnce: number;
  readers: number;
  chunks: number;
}

interface CaseOptions {
  prefix: string;
  chunkBytes: number;
}

const READER_PROCESSES = 2;
const TIMEOUT_MS = 30_000;
const PUBLISHED_PER_SECOND = 10_000;
const CHUNKS_PER_MESSAGE = 16;
const QUICK_SHARE = 0.25;

export function addResumeCommand(program: Command): void {
  program
    .command("resume")
    .description(
      "One edge: readers who come back, alone and many at once: how soon they have what they missed.",
    )
    .option("--at-once <counts>", "readers who come back together", numberList, [1, 500])
    .option("--rounds <count>", "times that each of those comes back", positiveNumber, 10)
    .option("--chunks <count>", "missed by each", positiveNumber, 100)
    .option("--chunk-bytes <bytes>", "JSON of one chunk as published", positiveNumber, 200)
    .option(
      "--long-replay <count>",
      "chunks of the streams that are replayed from their beginning",
      positiveNumber,
      20_000,
    )
    .option("--quick", "a quarter of the rounds and of the long replay")
    .action(measureResume);
}

async function measureResume(options: ResumeOptions): Promise<void> {
  const share = options.quick === true ? QUICK_SHARE : 1;
  const rounds = Math.max(2, Math.round(options.rounds * share));
  const { chunks } = options;
  const cases = options.atOnce.flatMap((atOnce): Case[] => {
    const readers = atOnce === 1 ? rounds * 50 : rounds * atOnce;
    if (atOnce === 1) return [{ name: "one at a time", streams: 50, atOnce, readers, chunks }];
    return [
      { name: `${atOnce} at once, of one stream`, streams: 1, atOnce, readers, chunks },
      { name: `${atOnce} at once, each of its own`, streams: atOnce, atOnce, readers, chunks },
    ];
  });
  const long = Math.round(options.longReplay * share);
  for (const atOnce of [1, 8]) {
    cases.push({ name: `long, ${atOnce} at once`, streams: 8, atOnce, readers: 8, chunks: long });
  }
  await using stack = await startStack({
    ingest: 1,
    edges: 1,
    env: { ingest: { MAX_STREAM_CHUNKS: "1000000" } },
  });
  const rows: Row[] = [];
  const add = (row: Row): void => {
    console.log(JSON.stringify(row));
    rows.push(row);
  };
  for (const [index, each] of cases.entries()) {
    const caseOptions = { chunkBytes: options.chunkBytes, prefix: `resume${index}` };
    add(await measureCase(stack, each, caseOptions));
    if (each.atOnce > 1 && each.streams === 1)
      add(
        await measureFloor({ ...each, name: `${each.atOnce} at once, of a bare HTTP server` }, caseOptions),
      );
  }
  report({
    question: "resume",
    settings: { ...options, readerProcesses: READER_PROCESSES, edges: 1, ingest: 1 },
    rows,
    notes: [
      "a bare HTTP server: node:http with a fixed answer of as many chunks; the floor under the case above it, in the column `edge`",
      "from the client's connect to the first and to the last of the missed chunks being read; the streams are open",
      "µs: CPU time (user and system) per replayed chunk; of a reader who comes back for a hundred, a hundredth of all it costs",
    ],
  });
}

async function measureCase(stack: Stack, { streams, ...each }: Case, options: CaseOptions): Promise<Row> {
  await using publisher = Actor.start<RawPublisher>("raw-publisher.ts");
  const { prefix, chunkBytes } = options;
  const workload: Workload = { prefix, streams, chunksPerMessage: CHUNKS_PER_MESSAGE, chunkBytes };
  await publisher.call("open", { natsUrl: stack.natsUrl, workload });
  const messages = streams * Math.ceil(each.chunks / CHUNKS_PER_MESSAGE + 1);
  const chunksPerSecond = PUBLISHED_PER_SECOND;
  const durationMs = (messages * CHUNKS_PER_MESSAGE * 1000) / chunksPerSecond;
  await publisher.call("run", { chunksPerSecond, durationMs });
  const head = Math.floor(messages / streams) * CHUNKS_PER_MESSAGE;
  return await measureReplays(stack.edgeUrl, each, processesOf(stack), (reader) => ({
    streamId: streamIdOf(workload, reader % streams),
    // Not all at the same place, or one page would do for all.
    after: Math.max(0, head - each.chunks - (reader % CHUNKS_PER_MESSAGE)),
  }));
}

/** The same bytes, ready in the memory of a bare HTTP server: what machine, Node and clients take of the time. */
async function measureFloor(each: Omit<Case, "streams">, { chunkBytes }: CaseOptions): Promise<Row> {
  await using source = Actor.start<FrameSource>("frame-source.ts");
  const url = await source.call("open", { chunks: each.chunks, chunkBytes });
  return await measureReplays(url, each, { edge: [source.pid] }, () => ({ streamId: "s", after: 0 }));
}

async function measureReplays(
  edgeUrl: string,
  { name, atOnce, readers, chunks }: Omit<Case, "streams">,
  processes: Record<string, number[]>,
  resumptionOf: (reader: number) => Resumption,
): Promise<Row> {
  await using clients = new AsyncDisposableStack();
  const actors = Array.from({ length: Math.min(READER_PROCESSES, atOnce) }, () =>
    clients.use(Actor.start<ResumingReaders>("resuming-readers.ts")),
  );
  const runAll = async (count: number) => {
    const resumptions = Array.from({ length: count }, (_, reader) => resumptionOf(reader));
    return Promise.all(
      actors.map((actor, index) =>
        actor.call("run", {
          edgeUrl,
          resumptions: resumptions.filter((_, position) => position % actors.length === index),
          count: chunks,
          atOnce: atOnce / actors.length,
          timeoutMs: TIMEOUT_MS,
        }),
      ),
    );
  };
  // The last chunks may be on their way to the cache; and what runs for the first time is slow.
  await runAll(Math.min(readers, Math.max(atOnce, 50)));

  const first = new Latencies();
  const whole = new Latencies();
  let [seconds, bytes, faults] = [0, 0, 0];
  const meter = UsageMeter.start({ ...processes, readers: actors.map(({ pid }) => pid) });
  for (let done = 0; done < readers; done += atOnce) {
    const reports = await runAll(Math.min(atOnce, readers - done));
    for (const each of reports) {
      first.merge(each.first);
      whole.merge(each.whole);
      faults += each.faults;
      bytes += each.bytes;
    }
    seconds += Math.max(...reports.map((each) => each.seconds));
  }
  const { cpuMicros } = meter.stop(readers * chunks);
  return {
    case: name,
    "chunks each": chunks,
    replays: whole.count,
    "first p50 ms": rounded(first.percentile(0.5)),
    "first p99 ms": rounded(first.percentile(0.99)),
    "whole p50 ms": rounded(whole.percentile(0.5)),
    "whole p99 ms": rounded(whole.percentile(0.99)),
    "chunks/s": rounded((readers * chunks) / seconds),
    "MB/s": rounded(bytes / 1e6 / seconds),
    "edge µs": rounded(cpuMicros["edge"] ?? 0),
    "redis µs": rounded(cpuMicros["redis"] ?? 0),
    "readers µs": rounded(cpuMicros["readers"] ?? 0),
    faults,
    load: loadNow(),
  };
}
