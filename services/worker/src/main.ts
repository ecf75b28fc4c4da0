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
  type RenamedSetting,
  warnRenamed,
} from "@sluice/runtime";
import { workerConfigSchema } from "./config.ts";
import { modelOf } from "./configured-model.ts";
import { WORKER_FIGURES } from "./figures.ts";
import { createWorker } from "./worker.ts";

// Beyond the worker's own bounds: what its last chunks take to be acknowledged.
const CLOSE_MARGIN_MS = 2_000;

await runMain(async () => {
  const renamed: RenamedSetting[] = [];
  const settings = loadConfig(workerConfigSchema, process.env, (setting) => renamed.push(setting));
  const logger = createLogger("worker", settings.logLevel);
  warnRenamed(logger, renamed);
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();
  const registry = createRegistry("worker");
  const model = modelOf(settings);

  const link = await connectNats({ servers: settings.natsUrl, name: "sluice-worker" });
  lifecycle.add("nats", () => link.close());
  const worker = createWorker({
    manager: await createManager(link, { settings: { beatIntervalMs: settings.beatIntervalMs } }),
    promptQueue: new NatsPromptQueue(link),
    model,
    settings,
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
    host: settings.adminHost,
    port: settings.adminPort,
    registry,
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      worker: () => (worker.isClosing ? "shutting down" : null),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  // Closed before the admin server, whose readiness and metrics tell how the drain goes.
  const closeTimeoutMs = settings.drainTimeoutMs + settings.stopTimeoutMs + CLOSE_MARGIN_MS;
  lifecycle.add("worker", () => worker.close(), closeTimeoutMs);
  logger.info({ model: model.name, adminPort: admin.port }, "worker serves prompts");
});
