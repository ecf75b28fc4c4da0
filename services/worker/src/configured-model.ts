import { fieldsIn } from "@sluice/adapters/openai-compatible";
import type { WorkerSettings } from "./config.ts";
import { DocumentModel } from "./document-model.ts";
import type { Model } from "./model.ts";
import { OpenAiModel } from "./openai-model.ts";
import { readDocuments } from "./repository-documents.ts";

/** The model server that the settings name; without one the built-in model. */
export function modelOf(settings: WorkerSettings): Model {
  if (settings.openaiBaseUrl === undefined || settings.openaiModel === undefined) {
    return new DocumentModel(readDocuments(), settings.tokensPerSecond);
  }
  const server = {
    baseUrl: settings.openaiBaseUrl,
    apiKey: settings.openaiApiKey ?? null,
    idleTimeoutMs: settings.openaiIdleTimeoutMs,
    omittedFields: fieldsIn(settings.openaiOmittedFields),
  };
  return new OpenAiModel(server, settings.openaiModel);
}
