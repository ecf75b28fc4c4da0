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
import { createRedis, RedisChunkCache, RedisPartitionLeases, RedisSpace } from "@sluice/cache-redis";
import { createInstanceName, startService } from "@sluice/runtime";
import { ingestConfigSchema } from "./config.ts";
import { INGEST_FIGURES } from "./figures.ts";
import { startIngester } from "./ingester.ts";

const CLOSE_TIMEOUT_MS = 10_000;

await startService(
  { name: "ingest", schema: ingestConfigSchema, figures: INGEST_FIGURES, connectNats, createRedis },
  async ({ settings, link, redis, logger, registry, lifecycle }) => {
    const { chunkTtlSeconds, metaTtlSeconds, unwrittenTtlSeconds } = settings;
    const identity = await ensureLog(link, {
      partitions: settings.partitions,
      replicas: settings.logReplicas,
      maxAgeMs: settings.logMaxAgeSeconds * 1000,
      maxBytes: settings.logMaxBytes,
      minRetentionMs: chunkTtlSeconds * 1000,
      maxChunkBytes: settings.maxChunkBytes,
    });
    const { partitions } = identity;
    const instance = createInstanceName();
    const ingester = startIngester({
      instance,
      log: new NatsPartitionLog(link, identity),
      streamLog: new NatsStreamLog(link, identity),
      cache: new RedisChunkCache(redis, { partitions, chunkTtlSeconds, metaTtlSeconds, unwrittenTtlSeconds }),
      cacheSpace: new RedisSpace(redis),
      leases: new RedisPartitionLeases(redis, { partitions }),
      liveFeed: new NatsLiveFeed(link, {
        onMalformed: (subject) => logger.warn({ subject }, "dropped a message that can't be read"),
      }),
      cancelFeed: new NatsCancelFeed(link),
      readerPresence: new NatsReaderPresence(link),
      pressureFeed: new NatsPressureFeed(link),
      receiptFeed: new NatsReceiptFeed(link),
      settings,
      logger,
      registry,
    });
    lifecycle.add("ingester", () => ingester.close(), CLOSE_TIMEOUT_MS);
    return {
      reports: new NatsServiceReports(link),
      instance,
      partitions: () => ingester.partitions(),
      readiness: { leases: () => ingester.readiness() },
      about: { partitions },
    };
  },
);
