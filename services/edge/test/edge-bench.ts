import {
  partitionOf,
  type CancelFeed,
  type ChunkCache,
  type EdgePeers,
  type EndStatus,
  type LiveFeed,
  type LiveRange,
  type LogElement,
  type LogEntry,
  type ReaderPresence,
  type Subscription,
} from "@sluice/core";
import { chunkMetadataSchema, deletedFrame, elementFrames, type StreamOptions } from "@sluice/protocol";
import { createLogger, createRegistry, type HttpServer, defaultSettings } from "@sluice/runtime";
import type { Registry } from "prom-client";
import { createEdge, type Edge } from "../src/edge.ts";
import type { Load } from "../src/http/admission.ts";
import { edgeConfigSchema, type EdgeSettings } from "../src/config.ts";
import { TestReader } from "./sse-reader.ts";

interface BenchPorts<Cache extends ChunkCache, Feed extends LiveFeed> {
  cache: Cache;
  edgeFeed: Feed;
  ingestFeed: Feed;
  partitions: number;
  peers: EdgePeers;
  cancelFeed: CancelFeed;
  readerPresence: ReaderPresence;
  /** Subscriptions that are open on either feed; checked at the end. */
  countSubscriptions: () => number;
  measureLoad?: () => Load;
  probeCache?: () => Promise<void>;
}

/** An edge that listens, and what stands in for ingest. Leaving its scope fails where anything of a reader stayed behind. */
export interface Bench<Cache extends ChunkCache, Feed extends LiveFeed> extends AsyncDisposable {
  edge: Edge;
  url: string;
  registry: Registry;
  ingest: TestIngest;
  cache: Cache;
  edgeFeed: Feed;
  open(path: string, headers?: Record<string, string>): Promise<TestReader>;
  metric(name: string): Promise<number>;
  /** Cuts all that is connected, as a network does. */
  cutAll(): void;
}

export async function startBench<Cache extends ChunkCache, Feed extends LiveFeed>(
  ports: BenchPorts<Cache, Feed>,
  settings: Partial<EdgeSettings> = {},
): Promise<Bench<Cache, Feed>> {
  const { cache, edgeFeed, partitions, measureLoad, probeCache } = ports;
  const registry = createRegistry("edge");
  const edge = createEdge({
    cache,
    liveFeed: edgeFeed,
    peers: ports.peers,
    cancelFeed: ports.cancelFeed,
    readerPresence: ports.readerPresence,
    partitions,
    settings: {
      ...defaultSettings(edgeConfigSchema),
      allowedHosts: "edge",
      drainNoticeMs: 0,
      drainTimeoutMs: 200,
      feedLingerMs: 10,
      ...settings,
    },
    logger: createLogger("edge", "silent"),
    registry,
    ...(measureLoad === undefined ? {} : { measureLoad }),
    ...(probeCache === undefined ? {} : { probeCache }),
  });
  const server: HttpServer = await edge.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}`;
  const ingest = new TestIngest(cache, ports.ingestFeed, partitions);
  ingest.answerBarriers();
  const readers: TestReader[] = [];
  return {
    edge,
    url,
    registry,
    ingest,
    cache,
    edgeFeed,
    open: async (path, headers) => {
      const reader = await TestReader.open(url + path, headers);
      readers.push(reader);
      return reader;
    },
    metric: async (name) => {
      const metric = await registry.getSingleMetric(name)?.get();
      return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
    },
    cutAll: () => server.server.closeAllConnections(),
    [Symbol.asyncDispose]: async () => {
      for (const reader of readers) reader.close();
      await eventually("all readers gone from the edge", () => {
        const { connections, subscribers, streams } = edge.counts();
        return connections + subscribers + streams === 0;
      });
      edge.close();
      ingest.close();
      await server.close(100);
      if (ports.countSubscriptions() > 0) throw new Error("a subscription was left open");
    },
  };
}

/** Stands in for ingest: numbers through the cache, then says it live. One for each stream's partition is enough. */
export class TestIngest {
  readonly #cache: ChunkCache;
  readonly #liveFeed: LiveFeed;
  readonly partitions: number;
  readonly #positions = new Map<number, number>();
  readonly #answers: Subscription[] = [];
  #serials = 0;
  /** Range as it is announced once it is written; null: not at all, it got lost on the way. */
  say: (range: LiveRange) => LiveRange | null = (range) => range;

  constructor(cache: ChunkCache, liveFeed: LiveFeed, partitions: number) {
    this.#cache = cache;
    this.#liveFeed = liveFeed;
    this.partitions = partitions;
  }

  answerBarriers(): void {
    for (let partition = 0; partition < this.partitions; partition++) {
      this.#answers.push(this.#liveFeed.answerBarriers(partition));
    }
  }

  answerRebuilds(answer: Parameters<LiveFeed["answerRebuilds"]>[1]): void {
    for (let partition = 0; partition < this.partitions; partition++) {
      this.#answers.push(this.#liveFeed.answerRebuilds(partition, answer));
    }
  }

  async create(streamId: string, options: StreamOptions | null = null): Promise<void> {
    const json = options === null ? null : JSON.stringify(options);
    await this.#append(streamId, [], { firstSequence: 1, options: json });
  }

  /** Texts as chunks; the last one ends the stream where `endStatus` is given. */
  async publish(streamId: string, texts: readonly string[], endStatus?: EndStatus): Promise<LiveRange> {
    const elements = texts.map(textElement);
    if (endStatus !== undefined) elements.push(endElement(endStatus));
    return this.#append(streamId, elements, {});
  }

  /** An element that was refused: it takes a number, and has no content. */
  async reject(streamId: string): Promise<LiveRange> {
    return this.#append(streamId, [{ kind: "rejected", reason: "no chunk" }], {});
  }

  async delete(streamId: string): Promise<LiveRange> {
    return this.#append(streamId, [], { isTombstone: true });
  }

  announce(
    streamId: string,
    head: number,
    options: { serial?: number; term?: string; hasEnded?: boolean } = {},
  ): void {
    this.#liveFeed.publishTail({
      partition: partitionOf(streamId, this.partitions),
      term: options.term ?? "a",
      serial: options.serial ?? ++this.#serials,
      checkpoint: 0,
      streams: head === 0 ? [] : [{ streamId, head, hasEnded: options.hasEnded ?? false }],
    });
  }

  close(): void {
    for (const answer of this.#answers) answer.close();
  }

  async #append(
    streamId: string,
    elements: readonly LogElement[],
    fields: Partial<LogEntry>,
  ): Promise<LiveRange> {
    const partition = partitionOf(streamId, this.partitions);
    const readAfter = this.#positions.get(partition) ?? 0;
    const brokerSequence = readAfter + 1;
    const at = { timestampMs: 1, logCreatedMs: 1 };
    if (readAfter === 0) await this.#cache.seedCheckpoint(partition, { brokerSequence: 0, ...at });
    const entry: LogEntry = {
      streamId,
      brokerSequence,
      timestampMs: Date.now(),
      firstSequence: null,
      isTombstone: false,
      options: null,
      beatIntervalMs: null,
      elements,
      ...fields,
    };
    const checkpoint = { brokerSequence, ...at };
    const outcome = await this.#cache.append({ partition, readAfter, checkpoint, entries: [entry] });
    const applied = outcome.kind === "applied" ? outcome.entries[0] : undefined;
    if (applied === undefined) throw new Error(`the cache answered ${outcome.kind}`);
    this.#positions.set(partition, brokerSequence);
    const { first, count } = applied;
    const last = first + count - 1;
    const frames = entry.isTombstone
      ? deletedFrame(streamId, last)
      : elementFrames(streamId, first, elements);
    const range = { first, last, isTerminal: applied.status !== "open", frames: Buffer.from(frames) };
    const said = count > 0 ? this.say(range) : null;
    if (said !== null) this.#liveFeed.publishRange(streamId, said);
    return range;
  }
}

function textElement(content: string): LogElement {
  return element({ type: "Text", content }, null);
}

function endElement(endStatus: EndStatus): LogElement {
  const type =
    endStatus === "completed"
      ? { type: "Complete", summary: null }
      : { type: "Error", error: "no", code: "NO" };
  return element(type, endStatus);
}

const METADATA = JSON.stringify(chunkMetadataSchema.parse({}));

function element(chunkType: object, endStatus: EndStatus | null): LogElement {
  const body = `"chunk_type":${JSON.stringify(chunkType)},"data":null,"metadata":${METADATA},"timestamp":${Date.now()}}`;
  return { kind: "chunk", body, endStatus, cacheTtlSeconds: null };
}

/** 1 … `last`. */
export function sequencesTo(last: number, from = 1): number[] {
  return Array.from({ length: last - from + 1 }, (_, index) => from + index);
}

/** Waits for something that nobody tells of. */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 5_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
