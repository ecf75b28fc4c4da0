import type { OpenAiServer } from "@sluice/adapters/openai-compatible";
import { StreamError } from "@sluice/core";
import type { ChatLimits } from "./chat-request.ts";

/** The server of models that the gateway asks for others. */
export interface ModelServer {
  server: OpenAiServer;
  /** Models that may be asked for; null: all that the server has. */
  models: readonly string[] | null;
  limits: ChatLimits;
}

/** @throws StreamError NOT_FOUND where there is no server */
export function assertModelServer(modelServer: ModelServer | null): ModelServer {
  if (modelServer !== null) return modelServer;
  throw new StreamError("NOT_FOUND", "no model server is configured here (OPENAI_BASE_URL)");
}

/** @throws StreamError NOT_FOUND where there is no server, INVALID_REQUEST where it is not to be asked for this model */
export function assertModel(modelServer: ModelServer | null, model: string): ModelServer {
  const server = assertModelServer(modelServer);
  const { models } = server;
  if (models === null || models.includes(model)) return server;
  throw new StreamError("INVALID_REQUEST", `model: must be one of ${models.join(", ")}`, {
    details: { field: "model" },
  });
}
