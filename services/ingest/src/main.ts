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
} from "@sluice/runtime";
import { ingestConfigSchema, settingsOf } from "./config.ts";
import { INGEST_FIGURES } from "./figures.ts";
import { startIngester } from "./ingester.ts";

await runMain(async () => {
  const config = loadConfig(ingestConfigSchema, process.env);
  const logger = createLogger("ingest", config.LOG_LEVEL);
  const registry = createRegistry("ingest");
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();

  const link = await connectNats({ servers: config.NATS_URL, name: "sluice-ingest" });
  lifecycle.add("nats", () => link.close());
  const identity = await ensureLog(link, {
    partitions: config.PARTITIONS,
    replicas: config.LOG_REPLICAS,
    maxAgeMs: config.LOG_MAX_AGE_SECONDS * 1000,
    maxBytes: config.LOG_MAX_BYTES,
    minRetentionMs: config.CHUNK_TTL_SECONDS * 1000,
    maxChunkBytes: config.MAX_CHUNK_BYTES,
  });
  const { partitions } = identity;
  const redis = createRedis(config.REDIS_URL, {
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
      chunkTtlSeconds: config.CHUNK_TTL_SECONDS,
      metaTtlSeconds: config.META_TTL_SECONDS,
    }),
    leases: new RedisPartitionLeases(redis, { partitions }),
    liveFeed: new NatsLiveFeed(link, {
      onMalformed: (subject) => logger.warn({ subject }, "malformed message dropped"),
    }),
    cancelFeed: new NatsCancelFeed(link),
    readerPresence: new NatsReaderPresence(link),
    pressureFeed: new NatsPressureFeed(link),
    receiptFeed: new NatsReceiptFeed(link),
    settings: settingsOf(config),
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
    host: config.ADMIN_HOST,
    port: config.ADMIN_PORT,
    registry,
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      leases: () => ingester.readiness(),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  logger.info({ adminPort: admin.port, partitions }, "ingest runs");
});
