import { connectNats, NatsPromptQueue, NatsServiceReports } from "@sluice/broker-nats";
import { createManager } from "@sluice/producer";
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
import { workerConfigSchema } from "./config.ts";
import { modelOf } from "./configured-model.ts";
import { WORKER_FIGURES } from "./figures.ts";
import { createWorker } from "./worker.ts";

// Beyond the worker's own bounds: what its last chunks take to be acknowledged.
const CLOSE_MARGIN_MS = 2_000;

await runMain(async () => {
  const config = loadConfig(workerConfigSchema, process.env);
  const logger = createLogger("worker", config.LOG_LEVEL);
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();
  const registry = createRegistry("worker");
  const model = modelOf(config);

  const link = await connectNats({ servers: config.NATS_URL, name: "sluice-worker" });
  lifecycle.add("nats", () => link.close());
  const worker = createWorker({
    manager: await createManager(link, { settings: { beatIntervalMs: config.BEAT_INTERVAL_MS } }),
    promptQueue: new NatsPromptQueue(link),
    model,
    settings: {
      maxConcurrentAnswers: config.MAX_CONCURRENT_ANSWERS,
      drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
      stopTimeoutMs: config.STOP_TIMEOUT_MS,
    },
    logger,
    registry,
  });
  const reporting = serveReports(new NatsServiceReports(link), {
    service: "worker",
    instance: createInstanceName(),
    registry,
    figures: WORKER_FIGURES,
  });
  lifecycle.add("reports", () => reporting.close());
  const admin = await startAdminServer({
    host: config.ADMIN_HOST,
    port: config.ADMIN_PORT,
    registry,
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      worker: () => (worker.isClosing ? "shutting down" : null),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  // Closed before the admin server, whose readiness and metrics tell how the drain goes.
  const closeTimeoutMs = config.DRAIN_TIMEOUT_MS + config.STOP_TIMEOUT_MS + CLOSE_MARGIN_MS;
  lifecycle.add("worker", () => worker.close(), closeTimeoutMs);
  logger.info({ model: model.name, adminPort: admin.port }, "worker serves prompts");
});
