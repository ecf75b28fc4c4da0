import { createEdge, EDGE_FIGURES, edgeConfigSchema } from "@sluice/edge";
import {
  controlRoutes,
  createGateway,
  GATEWAY_FIGURES,
  gatewayConfigSchema,
  modelServerOf,
} from "@sluice/gateway";
import { INGEST_FIGURES, ingestConfigSchema, startIngester } from "@sluice/ingest";
import { StreamManager } from "@sluice/producer";
import {
  createInstanceName,
  createLogger,
  createRegistry,
  defaultSettings,
  Lifecycle,
  loadConfig,
  serveReports,
} from "@sluice/runtime";
import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryEdgePeers,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryPressureFeed,
  MemoryReceiptFeed,
  MemoryPromptQueue,
  MemoryRequestRecords,
  MemoryReaderPresence,
  MemoryRejectedElements,
  MemoryServiceReports,
  MemoryStreamLog,
} from "@sluice/memory";
import { waitUntil } from "@sluice/servers";
import { createWorker, modelOf, WORKER_FIGURES, workerConfigSchema } from "@sluice/worker";
import { addressesOf } from "./addresses.ts";
import type { PromisedPorts } from "./ports.ts";

const READY_TIMEOUT_MS = 10_000;
const SERVER_GRACE_MS = 500;
const ANSWER_DRAIN_MS = 2_000;

/** The log has no disk to age on: without this a launcher left running for days would hold every chunk it ever saw. */
const LOG_MAX_AGE_MS = 3_600_000;
const LOG_SWEEP_MS = 60_000;

export interface EmbeddedOptions {
  readonly ports: PromisedPorts;
  /** Address that edge and gateway bind to; default: 127.0.0.1. */
  readonly host?: string;
  readonly tokensPerSecond: number | undefined;
  /** Folder of the built pages; default: they are not served. */
  readonly webRoot?: string;
  /** The user's, for the model and key of the worker. */
  readonly environment: NodeJS.ProcessEnv;
}

export interface EmbeddedSluice {
  readonly urls: { readonly edge: string; readonly gateway: string };
  /** Ends it in order. Bounded, idempotent. */
  close(): Promise<void>;
}

/**
 * Runs ingest, edge, gateway and worker in this process, on the in-memory log and cache.
 * Resolves when all are ready.
 */
export async function runEmbedded(options: EmbeddedOptions): Promise<EmbeddedSluice> {
  const log = new MemoryLog({ partitions: 4, maxAgeMs: LOG_MAX_AGE_MS });
  const cache = new MemoryChunkCache({ partitions: log.partitions });
  const bus = new MemoryLiveBus();
  const cancelFeed = new MemoryCancelFeed();
  const pressureFeed = new MemoryPressureFeed();
  const receiptFeed = new MemoryReceiptFeed();
  const promptQueue = new MemoryPromptQueue();
  const reports = new MemoryServiceReports();
  const peers = new MemoryEdgePeers();
  const presence = new MemoryReaderPresence();
  const partitionLog = new MemoryPartitionLog(log);
  const leases = new MemoryPartitionLeases({ partitions: log.partitions, cache });
  // The terminal belongs to the launcher; what goes wrong in here still has to be seen.
  const logger = createLogger("embedded", "error");
  const lifecycle = new Lifecycle(logger);
  try {
    const serve = (self: Parameters<typeof serveReports>[1]): void => {
      const reporting = serveReports(reports, self);
      lifecycle.add("reports", () => reporting.close());
    };
    const sweep = setInterval(() => ageOut(log), LOG_SWEEP_MS);
    lifecycle.add("log", () => clearInterval(sweep));

    const registries = {
      ingest: createRegistry("ingest"),
      edge: createRegistry("edge"),
      gateway: createRegistry("gateway"),
      worker: createRegistry("worker"),
    };
    const ingestInstance = createInstanceName();
    const ingester = startIngester({
      instance: ingestInstance,
      log: partitionLog,
      streamLog: new MemoryStreamLog(log),
      cache,
      leases,
      liveFeed: new MemoryLiveFeed(bus),
      cancelFeed,
      readerPresence: presence,
      pressureFeed,
      receiptFeed,
      settings: defaultSettings(ingestConfigSchema),
      logger,
      registry: registries.ingest,
    });
    lifecycle.add("ingest", () => ingester.close());
    serve({
      service: "ingest",
      instance: ingestInstance,
      registry: registries.ingest,
      figures: INGEST_FIGURES,
      partitions: () => ingester.partitions(),
    });

    const { host, urls, allowedHosts, corsOrigins } = addressesOf(
      options.host ?? "127.0.0.1",
      options.ports,
      options.environment,
    );
    const reached = { allowedHosts, corsOrigins };
    const edge = createEdge({
      cache,
      liveFeed: new MemoryLiveFeed(bus),
      peers,
      cancelFeed,
      readerPresence: presence,
      partitions: log.partitions,
      settings: { ...defaultSettings(edgeConfigSchema), ...reached },
      logger,
      registry: registries.edge,
    });
    lifecycle.add("edge", () => edge.close());
    serve({ service: "edge", instance: edge.podId, registry: registries.edge, figures: EDGE_FIGURES });
    const edgeServer = await edge.listen({ host, port: options.ports.edge });
    lifecycle.add("edge server", () => edgeServer.close(SERVER_GRACE_MS));

    const gateway = createGateway({
      log: new MemoryStreamLog(log),
      cache,
      liveFeed: new MemoryLiveFeed(bus),
      cancelFeed,
      records: new MemoryRequestRecords(),
      promptQueue: promptQueue,
      settings: {
        ...defaultSettings(gatewayConfigSchema),
        ...reached,
        edgeUrl: urls.edge,
        webRoot: options.webRoot ?? "",
      },
      modelServer: modelServerOf(loadConfig(gatewayConfigSchema, options.environment)),
      logger,
      registry: registries.gateway,
      control: controlRoutes({
        cache,
        leases,
        log: partitionLog,
        rejected: new MemoryRejectedElements(partitionLog),
        reports,
        peers,
        presence,
      }),
    });
    lifecycle.add("gateway", () => gateway.close());
    serve({
      service: "gateway",
      instance: createInstanceName(),
      registry: registries.gateway,
      figures: GATEWAY_FIGURES,
    });
    const gatewayServer = await gateway.listen({ host, port: options.ports.gateway });
    lifecycle.add("gateway server", () => gatewayServer.close(SERVER_GRACE_MS));

    const pace = options.tokensPerSecond;
    const workerSettings = loadConfig(workerConfigSchema, {
      ...options.environment,
      ...(pace === undefined ? {} : { TOKENS_PER_SECOND: String(pace) }),
    });
    const worker = createWorker({
      manager: new StreamManager({
        log: new MemoryStreamLog(log),
        cancelFeed,
        readerPresence: presence,
        pressureFeed,
        receiptFeed,
      }),
      promptQueue: promptQueue,
      model: modelOf(workerSettings),
      settings: { ...workerSettings, drainTimeoutMs: 0, stopTimeoutMs: ANSWER_DRAIN_MS },
      logger,
      registry: registries.worker,
    });
    lifecycle.add("worker", () => worker.close());
    serve({
      service: "worker",
      instance: createInstanceName(),
      registry: registries.worker,
      figures: WORKER_FIGURES,
    });

    const isReady = (): boolean => ingester.owned.length === log.partitions && edge.problem() === null;
    await waitUntil("embedded Sluice", async () => isReady(), { timeoutMs: READY_TIMEOUT_MS });
    return {
      urls,
      close: async () => void (await lifecycle.close()),
    };
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

function ageOut(log: MemoryLog): void {
  const horizonMs = Date.now() - LOG_MAX_AGE_MS;
  const oldest = log.messages.find((message) => message.timestampMs >= horizonMs);
  log.ageOutBefore(oldest?.brokerSequence ?? log.lastSequence + 1);
}
