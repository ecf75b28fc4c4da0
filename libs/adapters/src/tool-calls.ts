import type { ChunkDraft, JsonValue } from "@sluice/core";
import type { AnswerChunks } from "./answer-chunks.ts";
import { SourceFailure } from "./source-failure.ts";

// Without these a model that never stops calling fills the heap. The deltas are all sent; only their sum is not kept.
const MAX_CALLS = 1_024;
const MAX_ARGUMENT_CHARACTERS = 256 * 1024;

interface ToolCall {
  id: string;
  name: string;
  /** Null once there are too many. */
  argumentsJson: string | null;
}

/** The tool calls that a model is writing, and the Event chunks that tell of them: started, delta…, completed. */
export class ToolCalls {
  readonly #chunks: AnswerChunks;
  /** By what the library calls them by while they are written. */
  readonly #open = new Map<string, ToolCall>();
  #started = 0;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
  }

  get count(): number {
    return this.#started;
  }

  /** The id under which readers know the call that is being written, if it is. */
  openId(key: string): string | undefined {
    return this.#open.get(key)?.id;
  }

  openName(key: string): string | null {
    return this.#open.get(key)?.name ?? null;
  }

  /** What the library calls the call by that readers know under this id, while it is being written. */
  openKey(id: string): string | undefined {
    return [...this.#open].find(([, call]) => call.id === id)?.[0];
  }

  /** @throws SourceFailure beyond 1,024 calls */
  start(key: string, id: string, name: string): ChunkDraft {
    if (++this.#started > MAX_CALLS) {
      throw new SourceFailure("LLM_ERROR", `the model called more than ${MAX_CALLS} tools in one answer`);
    }
    this.#open.set(key, { id, name, argumentsJson: "" });
    return this.#chunks.event("tool_call_started", { tool_call_id: id, name });
  }

  /** Nothing for a call that wasn't started. */
  delta(key: string, argumentsDelta: string): ChunkDraft[] {
    const call = this.#open.get(key);
    if (call === undefined || argumentsDelta === "") return [];
    if (call.argumentsJson !== null) call.argumentsJson += argumentsDelta;
    if ((call.argumentsJson?.length ?? 0) > MAX_ARGUMENT_CHARACTERS) call.argumentsJson = null;
    return [
      this.#chunks.event("tool_call_delta", { tool_call_id: call.id, arguments_delta: argumentsDelta }),
    ];
  }

  /** @param args the whole arguments where the library tells them; else they are the deltas' sum */
  complete(key: string, args?: JsonValue): ChunkDraft[] {
    const call = this.#open.get(key);
    if (call === undefined) return [];
    this.#open.delete(key);
    return [
      this.#chunks.event("tool_call_completed", {
        tool_call_id: call.id,
        name: call.name,
        arguments: args ?? parseArguments(call.argumentsJson),
      }),
    ];
  }

  /** @param prefix only calls whose key begins so */
  completeAll(prefix = ""): ChunkDraft[] {
    const keys = [...this.#open.keys()].filter((key) => key.startsWith(prefix));
    return keys.flatMap((key) => this.complete(key));
  }
}

/** What the model wrote, also where it is no JSON; a call without arguments has an empty object. */
export function parseArguments(json: string | null): JsonValue {
  if (json === null) return null;
  if (json.trim() === "") return {};
  try {
    return JSON.parse(json) as JsonValue;
  } catch {
    return json;
  }
}
