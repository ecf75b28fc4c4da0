import { fieldsIn } from "@sluice/adapters/openai-compatible";
import type { WorkerConfig } from "./config.ts";
import { DocumentModel } from "./document-model.ts";
import type { Model } from "./model.ts";
import { OpenAiModel } from "./openai-model.ts";
import { readDocuments } from "./repository-documents.ts";

/** The model server that the settings name; without one the built-in model. */
export function modelOf(config: WorkerConfig): Model {
  if (config.OPENAI_BASE_URL === undefined || config.OPENAI_MODEL === undefined) {
    return new DocumentModel(readDocuments(), config.TOKENS_PER_SECOND);
  }
  const server = {
    baseUrl: config.OPENAI_BASE_URL,
    apiKey: config.OPENAI_API_KEY ?? null,
    idleTimeoutMs: config.OPENAI_IDLE_TIMEOUT_MS,
    omittedFields: fieldsIn(config.OPENAI_OMITTED_FIELDS),
  };
  return new OpenAiModel(server, config.OPENAI_MODEL);
}
