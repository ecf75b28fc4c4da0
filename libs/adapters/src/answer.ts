import type { ChunkDraft } from "@sluice/core";
import { AnswerChunks, type OnUnknownPart } from "./answer-chunks.ts";
import { readFinishReason } from "./finish-reason.ts";
import { firstText } from "./json-value.ts";
import { brokenOff } from "./source-failure.ts";
import type { TokenUsage } from "./token-usage.ts";
import { ToolCalls } from "./tool-calls.ts";

interface Choice {
  reason: string | null;
  /** Something came after the reason. */
  wentOn: boolean;
}

/**
 * An answer on its way, and the one rule on when it is whole (rule 2): a choice was seen, each choice that was seen has
 * given its finish reason, and none of these means a failure. The end of the connection, or `[DONE]`, adds nothing.
 */
export class Answer {
  readonly chunks: AnswerChunks;
  readonly toolCalls: ToolCalls;
  readonly #choices = new Map<number, Choice>();

  /** @param source `metadata.source` of every chunk */
  constructor(source: string, onUnknownPart?: OnUnknownPart) {
    this.chunks = new AnswerChunks(source, onUnknownPart);
    this.toolCalls = new ToolCalls(this.chunks);
  }

  get isWhole(): boolean {
    return this.#choices.size > 0 && [...this.#choices.values()].every(({ reason }) => reason !== null);
  }

  /**
   * Whether silence, or a broken connection, now costs nothing but the bill. Not with a server that went on after its
   * finish reason: its word that it is done can't be believed, so only its connection's end in good order tells.
   */
  get isSurelyWhole(): boolean {
    return this.isWhole && [...this.#choices.values()].every(({ wentOn }) => !wentOn);
  }

  /** A choice shows itself. @param says whether it said something that was told */
  see(choice: number, says: boolean): void {
    const known = this.#choices.get(choice);
    if (known === undefined) this.#choices.set(choice, { reason: null, wentOn: false });
    else if (says && known.reason !== null) known.wentOn = true;
  }

  /** @throws SourceFailure where the reason means that the answer failed */
  *finish(choice: number, value: unknown): Generator<ChunkDraft> {
    const reason = readFinishReason(value);
    if (reason === null) return;
    this.see(choice, false);
    yield* this.toolCalls.settle(scopeOf(choice));
    const known = this.#choices.get(choice);
    if (known === undefined || (known.reason !== null && !known.wentOn)) return;
    const isFirst = known.reason === null;
    known.reason = reason;
    if (choice === 0) this.chunks.finishReason = reason;
    else if (isFirst) yield this.chunks.event("choice_completed", { choice, finish_reason: reason });
  }

  named(model: unknown): void {
    this.chunks.model ??= firstText(model);
  }

  /** The last word on what it cost counts, unless it says nothing. */
  costs(usage: TokenUsage | null): void {
    const isKnown = this.chunks.usage !== null;
    if (usage !== null && (usage.total_tokens > 0 || !isKnown)) this.chunks.usage = usage;
  }

  /** @throws SourceFailure where it isn't whole */
  *end(): Generator<ChunkDraft> {
    if (!this.isWhole) throw brokenOff();
    yield* this.complete();
  }

  /** Ends an answer of which something else proves that it is whole. */
  *complete(): Generator<ChunkDraft> {
    yield* this.toolCalls.completeAll();
    yield* this.chunks.complete();
  }
}

/** A choice's name among the scopes of tool calls. */
export function scopeOf(choice: number): string {
  return `choice ${choice}`;
}
