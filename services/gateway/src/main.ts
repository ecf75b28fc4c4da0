import {
  awaitLog,
  connectNats,
  NatsCancelFeed,
  NatsEdgePeers,
  NatsLiveFeed,
  NatsPartitionLog,
  NatsPromptQueue,
  NatsReaderPresence,
  NatsRejectedElements,
  NatsServiceReports,
  NatsStreamLog,
} from "@sluice/broker-nats";
import {
  createRedis,
  RedisChunkCache,
  RedisClientQuotas,
  RedisPartitionLeases,
  RedisRequestRecords,
  RedisSpace,
} from "@sluice/cache-redis";
import { problemHandler, startService } from "@sluice/runtime";
import { Router } from "express";
import { gatewayConfigSchema, modelServerOf } from "./config.ts";
import { controlRoutes } from "./control/control-routes.ts";
import { GATEWAY_FIGURES } from "./figures.ts";
import { createGateway } from "./gateway.ts";

const LOG_WAIT_MS = 30_000;

await startService(
  { name: "gateway", schema: gatewayConfigSchema, figures: GATEWAY_FIGURES, connectNats, createRedis },
  async ({ settings, link, redis, logger, registry, lifecycle }) => {
    const identity = await awaitLog(link, LOG_WAIT_MS);
    const { partitions } = identity;
    const cache = new RedisChunkCache(redis, { partitions });
    const reports = new NatsServiceReports(link);
    const control = controlRoutes({
      cache,
      leases: new RedisPartitionLeases(redis, { partitions }),
      log: new NatsPartitionLog(link, identity),
      rejected: new NatsRejectedElements(link),
      reports,
      peers: new NatsEdgePeers(link),
      presence: new NatsReaderPresence(link),
    });
    const gateway = createGateway({
      log: new NatsStreamLog(link, identity),
      cache,
      liveFeed: new NatsLiveFeed(link),
      cancelFeed: new NatsCancelFeed(link),
      records: new RedisRequestRecords(redis),
      quotas: new RedisClientQuotas(redis),
      cacheSpace: new RedisSpace(redis),
      promptQueue: new NatsPromptQueue(link),
      settings,
      logger,
      registry,
      modelServer: modelServerOf(settings),
      ...(settings.controlEnabled ? { control } : {}),
    });
    const http = await gateway.listen({ host: settings.host, port: settings.port });
    const { drainTimeoutMs } = settings;
    lifecycle.add("http", () => http.close(drainTimeoutMs), drainTimeoutMs + 1_000);
    lifecycle.add("gateway", () => gateway.close(), drainTimeoutMs + 5_000);
    return {
      reports,
      adminRoutes: Router().use(control, problemHandler(logger)),
      about: { port: http.port },
    };
  },
);
