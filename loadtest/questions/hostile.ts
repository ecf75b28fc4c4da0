import { gaugeOf, startStack, type Stack } from "@sluice/deploy";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import type { Command } from "commander";
import { setTimeout as delay } from "node:timers/promises";
import type { HostileClients } from "../actors/hostile-clients.ts";
import { Actor } from "../src/actor.ts";
import { Latencies } from "../src/latencies.ts";
import { positiveNumber } from "../src/options.ts";
import { residentBytes } from "../src/process-usage.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";
import { processesOf } from "../src/stack-usage.ts";

interface HostileOptions {
  seconds: number;
  seed: number;
}

const MAX_SECONDS = 600;
const QUIET_SECONDS = 10;
const HONEST_STREAMS = 10;
const HONEST_INTERVAL_MS = 100;
const LARGE_STREAMS = 4;
const LARGE_CHUNKS = 30;
const LARGE_CHUNK_CHARACTERS = 1_000_000;
const REDIS_MAXMEMORY = "512mb";
const SETTLE_MS = 30_000;

/** Most resident memory that a process may have at any time, MiB. */
const RSS_BOUNDS: Record<string, number> = {
  edge: 1_024,
  gateway: 512,
  ingest: 512,
  redis: 700,
  nats: 1_024,
};

/** Gauges that are back where they were once nobody is there any more. */
const FIGURES = [
  ["edge-1", "sluice_edge_connections"],
  ["edge-1", "sluice_edge_streams"],
  ["edge-1", "sluice_edge_subscribers"],
  ["gateway", "sluice_gateway_open_uploads"],
  ["gateway", "sluice_gateway_open_proxied_answers"],
  ["gateway", "sluice_gateway_body_bytes"],
] as const;

export function addHostileCommand(program: Command): void {
  program
    .command("hostile")
    .description(
      "Floods, slow bodies, stalled sockets and readers who come and go: honest streams lose nothing.",
    )
    .option("--seconds <seconds>", `of attack, at most ${MAX_SECONDS}`, positiveNumber, 60)
    .option("--seed <seed>", "repeats an attack", positiveNumber, (Date.now() % 2 ** 31) + 1)
    .action(measureHostile);
}

async function measureHostile({ seconds: wanted, seed }: HostileOptions): Promise<void> {
  const seconds = Math.min(wanted, MAX_SECONDS);
  console.log(`seed ${seed}: repeat with --seed ${seed}`);
  await using stack = await startStack({
    ingest: 2,
    edges: 1,
    gateway: true,
    redis: { args: ["--maxmemory", REDIS_MAXMEMORY] },
    env: { gateway: { OPENAI_BASE_URL: "http://127.0.0.1:9/v1" } },
  });
  await using producer = await connectProducer({ servers: stack.natsUrl });
  const largeStreams = await createLargeStreams(producer);
  await producer.createStream({ streamId: "victim", mode: "shared" });
  const before = await figuresOf(stack);

  const quiet = await HonestTraffic.start(stack, producer, "quiet");
  await delay(QUIET_SECONDS * 1000);
  const quietResult = await quiet.end();

  const memory = new MemoryWatch(stack);
  const honest = await HonestTraffic.start(stack, producer, "honest");
  await using clients = Actor.start<HostileClients>("hostile-clients.ts");
  const { edgeUrl, gatewayUrl } = stack;
  await clients.call("begin", { edgeUrl, gatewayUrl, seed, largeStreams, largeChunks: LARGE_CHUNKS });
  await delay(seconds * 1000);
  const { answers, socketsOpened } = await clients.call("end", null);
  const result = await honest.end();
  const settledSeconds = await settle(stack, before);
  const largest = memory.end();

  const leasesLost = await sumOver(stack, "ingest", "sluice_ingest_leases_lost_total");
  const faults = [
    ...result.faults,
    ...quietResult.faults,
    ...(leasesLost > 0 ? [`${leasesLost} leases were lost`] : []),
    ...(settledSeconds === null ? [`figures are not back after ${SETTLE_MS / 1000} s`] : []),
    ...Object.entries(largest).flatMap(([name, mib]) =>
      mib > (RSS_BOUNDS[name] ?? Infinity) ? [`${name} had ${rounded(mib)} MiB`] : [],
    ),
  ];
  const row: Row = {
    seconds,
    chunks: result.chunks,
    "p99 ms, quiet": rounded(quietResult.p99Ms),
    "p99 ms, attacked": rounded(result.p99Ms),
    "leases lost": leasesLost,
    ...Object.fromEntries(Object.entries(largest).map(([name, mib]) => [`${name} MiB`, Math.round(mib)])),
    "back after s": settledSeconds ?? -1,
    sockets: socketsOpened,
    load: loadNow(),
  };
  console.log("answers to floods, by status (0: none):", answers);
  report({
    question: "hostile",
    settings: {
      seconds,
      seed,
      honestStreams: HONEST_STREAMS,
      rssBoundsMiB: RSS_BOUNDS,
      redis: REDIS_MAXMEMORY,
    },
    rows: [row],
    notes: [
      "chunks: of honest streams, each read by one reader; latency from its publish to its reader",
      faults.length === 0 ? "nothing was lost, and every bound was kept" : `FAULTS: ${faults.join("; ")}`,
    ],
  });
  if (faults.length > 0) process.exitCode = 1;
}

async function createLargeStreams(producer: StreamManager): Promise<string[]> {
  const ids = Array.from({ length: LARGE_STREAMS }, (_, index) => `large-${index}`);
  for (const streamId of ids) {
    const { handle } = await producer.createStream({ streamId, options: { cache_ttl: 3_600 } });
    for (let chunk = 0; chunk < LARGE_CHUNKS; chunk++)
      await handle.sendText("x".repeat(LARGE_CHUNK_CHARACTERS));
    await handle.close();
  }
  return ids;
}

/** Streams that are written and read as they should be. */
class HonestTraffic {
  readonly #latencies = new Latencies();
  readonly #over = new AbortController();
  readonly #readers: VerifyingReader[] = [];
  readonly #written: number[] = [];
  #running: Promise<unknown> = Promise.resolve();

  static async start(stack: Stack, producer: StreamManager, prefix: string): Promise<HonestTraffic> {
    const traffic = new HonestTraffic();
    const ids = Array.from({ length: HONEST_STREAMS }, (_, index) => `${prefix}-${index}`);
    const handles = await Promise.all(ids.map((streamId) => producer.createStream({ streamId })));
    const work = handles.map(async ({ streamId, handle }, index) => {
      const reader = new VerifyingReader({
        edgeUrl: () => stack.edgeUrl,
        streamId,
        query: "wait=30",
        onChunk: (_sequence, data) => traffic.#hear(data),
      });
      traffic.#readers[index] = reader;
      traffic.#written[index] = 0;
      const reading = reader.run();
      for (; !traffic.#over.signal.aborted; await delay(HONEST_INTERVAL_MS)) {
        await handle.sendText(String(performance.now()));
        traffic.#written[index]++;
      }
      await handle.sendComplete();
      await handle.close();
      await reading;
    });
    traffic.#running = Promise.all(work);
    traffic.#running.catch(() => undefined);
    return traffic;
  }

  /** Ends the streams; resolves when each reader has all of its own. */
  async end(): Promise<{ chunks: number; p99Ms: number; faults: string[] }> {
    this.#over.abort();
    await this.#running;
    const faults = this.#readers.flatMap((reader, index) => {
      const missing = (this.#written[index] ?? 0) + 1 - reader.data.length;
      return [
        ...reader.problems,
        ...(reader.gaps.length > 0 ? [`stream ${index} has gaps`] : []),
        ...(missing === 0 ? [] : [`stream ${index} lacks ${missing} chunks`]),
      ];
    });
    const chunks = this.#written.reduce((sum, count) => sum + count, 0);
    return { chunks, p99Ms: this.#latencies.percentile(0.99), faults };
  }

  #hear(data: string): void {
    const { chunk_type: type } = JSON.parse(data) as { chunk_type: { content?: string } };
    if (type.content !== undefined) this.#latencies.add(performance.now() - Number(type.content));
  }
}

/** The most that each kind of process had. */
class MemoryWatch {
  readonly #pids: Record<string, number[]>;
  readonly #largest: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;

  constructor(stack: Stack) {
    this.#pids = processesOf(stack);
    this.#timer = setInterval(() => this.#look(), 250);
  }

  /** MiB by name. */
  end(): Record<string, number> {
    clearInterval(this.#timer);
    return this.#largest;
  }

  #look(): void {
    for (const [name, pids] of Object.entries(this.#pids)) {
      const mib = Math.max(...pids.map(residentBytes)) / 1024 ** 2;
      this.#largest[name] = Math.max(this.#largest[name] ?? 0, mib);
    }
  }
}

async function figuresOf(stack: Stack): Promise<number[]> {
  return Promise.all(FIGURES.map(([service, metric]) => gaugeOf(stack.service(service).url, metric)));
}

/** @returns after how many seconds all figures were at most what they were before; null: not in time */
async function settle(stack: Stack, before: readonly number[]): Promise<number | null> {
  const startedMs = performance.now();
  let now: number[] = [];
  while (performance.now() - startedMs < SETTLE_MS) {
    now = await figuresOf(stack);
    if (now.every((figure, index) => figure <= (before[index] ?? 0)))
      return rounded((performance.now() - startedMs) / 1000);
    await delay(250);
  }
  console.log("before:", before, "after:", now);
  return null;
}

async function sumOver(stack: Stack, prefix: string, metric: string): Promise<number> {
  const services = [...stack.services].filter(([name]) => name.startsWith(prefix));
  const values = await Promise.all(services.map(([, { url }]) => gaugeOf(url, metric)));
  return values.reduce((sum, value) => sum + value, 0);
}
