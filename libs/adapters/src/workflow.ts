import type { ChunkDraft, JsonValue } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { AnswerChunks } from "./answer-chunks.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";

export type { AdapterOptions } from "./adapt.ts";

/** Report of a workflow engine on one run. Events of other types are passed over. */
export type WorkflowEvent =
  | { type: "task_started"; task_id: string }
  | { type: "task_completed"; task_id: string; output?: JsonValue }
  | { type: "task_failed"; task_id: string; error: string }
  | { type: "progress"; current: number; total?: number | null; message?: string }
  | { type: "workflow_completed"; summary?: string }
  | { type: "workflow_failed"; error: string };

type TaskEvent = Extract<WorkflowEvent, { task_id: string }>;

/**
 * Tasks become Events, progress Progress; `workflow_completed` ends as Complete, `workflow_failed` as an Error chunk with
 * the code `workflow_error`, and so does an engine that throws or breaks off.
 */
export function fromWorkflow(
  events: Source<WorkflowEvent | { type: string }>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "workflow", failureOf: engineFailure };
  return adapt(events, settings, ({ chunks }) => new WorkflowMapping(chunks));
}

class WorkflowMapping implements Mapping<WorkflowEvent | { type: string }> {
  readonly #chunks: AnswerChunks;
  isEnded = false;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
  }

  take(item: WorkflowEvent | { type: string }): Iterable<ChunkDraft> {
    const event = item as WorkflowEvent;
    switch (event.type) {
      case "task_started":
      case "task_completed":
      case "task_failed":
        return [this.#task(event)];
      case "progress":
        return [this.#chunks.progress(event.current, event.total ?? null, event.message ?? "")];
      case "workflow_completed":
        this.isEnded = true;
        return this.#chunks.complete(event.summary ?? "Workflow completed");
      case "workflow_failed":
        throw new SourceFailure("workflow_error", event.error);
      default:
        return [];
    }
  }

  finish(): never {
    throw new SourceFailure("workflow_error", "the workflow broke off without an end");
  }

  #task(event: TaskEvent): ChunkDraft {
    const { type, task_id } = event;
    if (type === "task_started") return this.#chunks.event(type, { task_id });
    if (type === "task_failed") return this.#chunks.event(type, { task_id, error: event.error });
    return this.#chunks.event(type, { task_id, output: event.output ?? null });
  }
}

function engineFailure(error: unknown): SourceFailure {
  return new SourceFailure("workflow_error", "the workflow engine failed", { cause: error });
}
