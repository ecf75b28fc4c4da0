export { workerConfigSchema, type WorkerSettings } from "./config.ts";
export { modelOf } from "./configured-model.ts";
export { DocumentModel } from "./document-model.ts";
export { WORKER_FIGURES } from "./figures.ts";
export { type AnswerOptions, type Model } from "./model.ts";
export { OpenAiModel } from "./openai-model.ts";
export { readDocuments } from "./repository-documents.ts";
export { createWorker, type Worker, type WorkerOptions } from "./worker.ts";
export { WorkerMetrics } from "./worker-metrics.ts";
