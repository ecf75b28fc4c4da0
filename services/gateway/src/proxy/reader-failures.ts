import type { ChunkDraft, JsonValue } from "@sluice/core";

/** Sentences that readers get for a failure, by its code. The model server's own words go to the log: they name hosts, accounts and keys. */
const TOLD: Record<string, string> = {
  LLM_RATE_LIMITED: "the model's server takes no more requests for now",
  LLM_OVERLOADED: "the model's server is overloaded",
  LLM_TIMEOUT: "the model's server didn't answer in time",
};

const CREDENTIALS = new Set([401, 403]);

/** Replaces the text of an answer's Error chunk, which may quote the model server, by a sentence of ours. */
export async function* withoutServerWords(
  chunks: AsyncIterable<ChunkDraft>,
): AsyncGenerator<ChunkDraft, void, undefined> {
  for await (const chunk of chunks) yield isOfModel(chunk) ? told(chunk) : chunk;
}

function isOfModel({ chunk_type: type }: ChunkDraft): boolean {
  return type.type === "Error" && type.code.startsWith("LLM_");
}

function told(chunk: ChunkDraft): ChunkDraft {
  const code = chunk.chunk_type.type === "Error" ? chunk.chunk_type.code : "LLM_ERROR";
  const status = statusOf(chunk.data);
  const error = TOLD[code] ?? failureWith(status);
  return {
    ...chunk,
    chunk_type: { type: "Error", error, code },
    ...(status === null ? { data: null } : { data: { status } }),
  };
}

function failureWith(status: number | null): string {
  if (status === null) return "the model's server failed; what happened is in the gateway's log";
  if (CREDENTIALS.has(status)) return `the model's server refused the gateway's credentials (${status})`;
  return `the model's server answered ${status}`;
}

function statusOf(data: JsonValue | undefined): number | null {
  const status = typeof data === "object" && data !== null && "status" in data ? data["status"] : null;
  return typeof status === "number" ? status : null;
}
