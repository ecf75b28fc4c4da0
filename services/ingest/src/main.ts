import {
  connectNats,
  ensureLog,
  NatsCancelFeed,
  NatsLiveFeed,
  NatsPartitionLog,
  NatsPressureFeed,
  NatsReaderPresence,
  NatsReceiptFeed,
  NatsServiceReports,
  NatsStreamLog,
} from "@sluice/broker-nats";
import { createRedis, RedisChunkCache, RedisPartitionLeases } from "@sluice/cache-redis";
import {
  createInstanceName,
  createLogger,
  createRegistry,
  Lifecycle,
  loadConfig,
  runMain,
  serveReports,
  startAdminServer,
  type RenamedSetting,
  warnRenamed,
} from "@sluice/runtime";
import { ingestConfigSchema } from "./config.ts";
import { INGEST_FIGURES } from "./figures.ts";
import { startIngester } from "./ingester.ts";

await runMain(async () => {
  const renamed: RenamedSetting[] = [];
  const settings = loadConfig(ingestConfigSchema, process.env, (setting) => renamed.push(setting));
  const logger = createLogger("ingest", settings.logLevel);
  const registry = createRegistry("ingest");
  warnRenamed(logger, renamed);
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();

  const link = await connectNats({ servers: settings.natsUrl, name: "sluice-ingest" });
  lifecycle.add("nats", () => link.close());
  const identity = await ensureLog(link, {
    partitions: settings.partitions,
    replicas: settings.logReplicas,
    maxAgeMs: settings.logMaxAgeSeconds * 1000,
    maxBytes: settings.logMaxBytes,
    minRetentionMs: settings.chunkTtlSeconds * 1000,
    maxChunkBytes: settings.maxChunkBytes,
  });
  const { partitions } = identity;
  const redis = createRedis(settings.redisUrl, {
    connectionName: "sluice-ingest",
    onError: (error) => logger.warn({ err: error }, "redis connection"),
  });
  lifecycle.add("redis", () => redis.close());

  const instance = createInstanceName();
  const ingester = startIngester({
    instance,
    log: new NatsPartitionLog(link, identity),
    streamLog: new NatsStreamLog(link, identity),
    cache: new RedisChunkCache(redis, {
      partitions,
      chunkTtlSeconds: settings.chunkTtlSeconds,
      metaTtlSeconds: settings.metaTtlSeconds,
    }),
    leases: new RedisPartitionLeases(redis, { partitions }),
    liveFeed: new NatsLiveFeed(link, {
      onMalformed: (subject) => logger.warn({ subject }, "malformed message dropped"),
    }),
    cancelFeed: new NatsCancelFeed(link),
    readerPresence: new NatsReaderPresence(link),
    pressureFeed: new NatsPressureFeed(link),
    receiptFeed: new NatsReceiptFeed(link),
    settings,
    logger,
    registry,
  });
  lifecycle.add("ingester", () => ingester.close(), 10_000);
  const reporting = serveReports(new NatsServiceReports(link), {
    service: "ingest",
    instance,
    registry,
    figures: INGEST_FIGURES,
    partitions: () => ingester.partitions(),
  });
  lifecycle.add("reports", () => reporting.close());

  const admin = await startAdminServer({
    host: settings.adminHost,
    port: settings.adminPort,
    registry,
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      leases: () => ingester.readiness(),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  logger.info({ adminPort: admin.port, partitions }, "ingest runs");
});
