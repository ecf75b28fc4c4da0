import { connectNats, NatsPromptQueue, NatsServiceReports } from "@sluice/broker-nats";
import { createManager } from "@sluice/producer";
import { startService } from "@sluice/runtime";
import { workerConfigSchema } from "./config.ts";
import { modelOf } from "./configured-model.ts";
import { WORKER_FIGURES } from "./figures.ts";
import { createWorker } from "./worker.ts";

// Beyond the worker's own bounds: time for its last chunks to be acknowledged.
const CLOSE_MARGIN_MS = 2_000;

await startService(
  { name: "worker", schema: workerConfigSchema, figures: WORKER_FIGURES, connectNats },
  async ({ settings, link, logger, registry, lifecycle }) => {
    const model = modelOf(settings);
    const worker = createWorker({
      manager: await createManager(link, { settings: { beatIntervalMs: settings.beatIntervalMs } }),
      promptQueue: new NatsPromptQueue(link),
      model,
      settings,
      logger,
      registry,
    });
    const closeTimeoutMs = settings.drainTimeoutMs + settings.stopTimeoutMs + CLOSE_MARGIN_MS;
    lifecycle.add("worker", () => worker.close(), closeTimeoutMs);
    return { reports: new NatsServiceReports(link), about: { model: model.name } };
  },
);
