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
import { createRedis, RedisChunkCache, RedisPartitionLeases, RedisRequestRecords } from "@sluice/cache-redis";
import {
  createInstanceName,
  createLogger,
  createRegistry,
  Lifecycle,
  loadConfig,
  problemHandler,
  runMain,
  serveReports,
  startAdminServer,
  type RenamedSetting,
  warnRenamed,
} from "@sluice/runtime";
import { Router } from "express";
import { gatewayConfigSchema, modelServerOf } from "./config.ts";
import { controlRoutes } from "./control/control-routes.ts";
import { GATEWAY_FIGURES } from "./figures.ts";
import { createGateway } from "./gateway.ts";

const LOG_WAIT_MS = 30_000;

await runMain(async () => {
  const renamed: RenamedSetting[] = [];
  const settings = loadConfig(gatewayConfigSchema, process.env, (setting) => renamed.push(setting));
  const logger = createLogger("gateway", settings.logLevel);
  const registry = createRegistry("gateway");
  warnRenamed(logger, renamed);
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();

  const link = await connectNats({ servers: settings.natsUrl, name: "sluice-gateway" });
  lifecycle.add("nats", () => link.close());
  const identity = await awaitLog(link, LOG_WAIT_MS);
  const redis = createRedis(settings.redisUrl, {
    connectionName: "sluice-gateway",
    onError: (error) => logger.warn({ err: error }, "redis connection"),
  });
  lifecycle.add("redis", () => redis.close());

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
    promptQueue: new NatsPromptQueue(link),
    settings,
    logger,
    registry,
    modelServer: modelServerOf(settings),
    ...(settings.controlEnabled ? { control } : {}),
  });
  const reporting = serveReports(reports, {
    service: "gateway",
    instance: createInstanceName(),
    registry,
    figures: GATEWAY_FIGURES,
  });
  lifecycle.add("reports", () => reporting.close());
  let isClosing = false;
  const http = await gateway.listen({ host: settings.host, port: settings.port });
  lifecycle.add("http", () => http.close(settings.drainTimeoutMs), settings.drainTimeoutMs + 1_000);
  lifecycle.add("gateway", () => gateway.close(), settings.drainTimeoutMs + 5_000);

  const admin = await startAdminServer({
    host: settings.adminHost,
    port: settings.adminPort,
    registry,
    routes: Router().use(control, problemHandler(logger)),
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      draining: () => (isClosing ? "shutting down" : null),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  lifecycle.add("readiness", () => void (isClosing = true));
  logger.info({ port: http.port, adminPort: admin.port }, "gateway runs");
});
