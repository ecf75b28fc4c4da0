import type { ChunkDraft } from "@sluice/core";
import type { AnswerChunks } from "./answer-chunks.ts";
import {
  append,
  beginsAnother,
  hasArguments,
  hasWholeJson,
  isObject,
  isSame,
  learn,
  MAX_ARGUMENT_CHARACTERS,
  parseArguments,
  placeOf,
  saysArguments,
  tellsAnything,
  wholeArguments,
  type CallPiece,
  type ToolCall,
} from "./call-record.ts";
import { isText, toJson } from "./json-value.ts";
import { SourceFailure } from "./source-failure.ts";

// Without this bound a model that never stops calling fills the heap.
const MAX_CALLS = 1_024;

/**
 * Rule 4: the tool calls that models are writing, and the Event chunks that tell of them: started, delta…, completed.
 *
 * Calls are records in the order of their creation. Ids and places are only aliases that a record learns:
 * - a known id, then a known place, says which call a piece belongs to; a piece with neither goes on with the last one;
 * - a name begins a call, but where it only repeats that of the call which is being written;
 * - an id that changes without a name begins none.
 * `tool_call_started` is told once the name is known, and `tool_call_completed` with the name and the whole arguments.
 */
export class ToolCalls {
  readonly #chunks: AnswerChunks;
  readonly #calls: ToolCall[] = [];
  readonly #idsTold = new Set<string>();

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
  }

  /** @param scope tells the calls of one choice, or of one run of a model, from another's */
  *piece(scope: string, piece: CallPiece): Generator<ChunkDraft> {
    if (!tellsAnything(piece)) return;
    const { call, replaced } = this.#callOf(scope, piece);
    if (replaced !== null) yield* this.#complete(replaced);
    learn(call, piece);
    const delta = typeof piece.args === "string" ? piece.args : "";
    if (call.isCompleted) {
      // What was told as whole can't be taken back.
      if (delta !== "" || isObject(piece.args)) yield this.#chunks.unknown("tool_call", toJson(piece));
      return;
    }
    if (isObject(piece.args)) call.whole = toJson(piece.args);
    if (call.id === null) {
      append(call, delta);
      yield* this.#start(call);
    } else if (delta !== "") {
      append(call, delta);
      yield* this.#chunks.toolCallDelta(call.id, delta);
    }
  }

  /** A call that is told whole, after its pieces or without any. Told once, however often it comes. */
  *whole(scope: string, piece: CallPiece): Generator<ChunkDraft> {
    yield* this.#whole(scope, piece, this.#byId(piece.ids ?? []) ?? this.#open(scope, piece));
  }

  /**
   * All calls of one message, which may have been told in pieces before. Where ids don't say which is which, their order
   * does: a call that comes without an id is the first of its name that this message hasn't repeated yet.
   */
  *wholes(scope: string, pieces: readonly CallPiece[]): Generator<ChunkDraft> {
    // Two calls of one message are two, whatever ids they have.
    const before = new Set(this.#calls);
    for (const piece of pieces) {
      const ids = (piece.ids ?? []).filter(isText);
      const hasAnId = (call: ToolCall): boolean => ids.some((id) => call.ids.has(id));
      const free = [...before];
      const same = free.filter((call) => call.scope === scope && isSame(call, piece, wholeArguments(piece)));
      const known =
        same.find(hasAnId) ??
        same.find((call) => ids.length === 0 || call.ids.size === 0) ??
        free.findLast(hasAnId);
      if (known !== undefined) before.delete(known);
      yield* this.#whole(scope, piece, known);
    }
  }

  *#whole(scope: string, piece: CallPiece, known: ToolCall | undefined): Generator<ChunkDraft> {
    const args = wholeArguments(piece);
    if (known !== undefined && isSame(known, piece, args)) {
      learn(known, piece);
      if (known.isCompleted) return;
      if (saysArguments(piece.args) || isText(piece.text)) known.whole = args;
      if (known.id === null) yield* this.#start(known);
      yield* this.#complete(known);
      return;
    }
    const call = this.#create(scope);
    learn(call, piece);
    call.whole = args;
    yield* this.#start(call);
    yield* this.#complete(call);
  }

  /** Arguments that are told before the pieces of them, which may follow or not. */
  *presume(scope: string, piece: CallPiece): Generator<ChunkDraft> {
    const call = this.#open(scope, piece);
    if (call === undefined) yield* this.whole(scope, piece);
    else call.presumed = wholeArguments(piece);
  }

  /** The arguments of a call are whole; without a piece's id or place those of the last one. */
  *end(scope: string, piece: CallPiece): Generator<ChunkDraft> {
    const call = this.#open(scope, piece);
    if (call !== undefined) yield* this.#complete(call);
  }

  /**
   * Nothing more is expected of these calls: those whose arguments are whole JSON are completed. The others may go on:
   * servers say that they are done before they are.
   */
  *settle(scope: string): Generator<ChunkDraft> {
    for (const call of this.#calls) {
      if (call.scope === scope && !call.isCompleted && hasWholeJson(call)) yield* this.#complete(call);
    }
  }

  /** Nothing more comes of these calls. @param scope all of them where it is left out */
  *completeAll(scope?: string): Generator<ChunkDraft> {
    for (const call of this.#calls) {
      if (!call.isCompleted && (scope === undefined || call.scope === scope)) yield* this.#complete(call);
    }
  }

  /** True if each call was told: it is known by its id, or has none and is the next of this scope by name and arguments. */
  hasTold(scope: string, pieces: readonly CallPiece[]): boolean {
    const mine = this.#calls.filter((call) => call.scope === scope);
    return pieces.every((piece) => {
      if (this.#byId(piece.ids ?? []) !== undefined) return true;
      if ((piece.ids ?? []).some(isText)) return false;
      const next = mine.shift();
      return next !== undefined && next.isCompleted && next.name === piece.name && hasArguments(next, piece);
    });
  }

  /** The id that readers know a call by, of which a result tells any of its own. */
  idOf(...ids: unknown[]): string | null {
    return this.#byId(ids)?.id ?? null;
  }

  nameOf(...ids: unknown[]): string | null {
    return this.#byId(ids)?.name ?? null;
  }

  /** Finds the answer in which a call was made. */
  scopeOf(...ids: unknown[]): string | null {
    return this.#byId(ids)?.scope ?? null;
  }

  #callOf(scope: string, piece: CallPiece): { call: ToolCall; replaced: ToolCall | null } {
    const mine = this.#calls.filter((call) => call.scope === scope);
    const ids = (piece.ids ?? []).filter(isText);
    const index = placeOf(piece.index);
    const byId = mine.findLast((call) => ids.some((id) => call.ids.has(id)));
    const byIndex = index === null ? undefined : mine.findLast((call) => call.index === index);
    const isNewPlace = index !== null && byIndex === undefined;
    const last = mine.at(-1);
    const target = byId ?? byIndex ?? (isText(piece.name) && isNewPlace ? undefined : last);
    if (target === undefined) return { call: this.#create(scope), replaced: null };
    const isNew = isText(piece.name)
      ? beginsAnother(target, piece, ids, byId !== undefined)
      : byId === undefined && isNewPlace && (ids.length > 0 || hasWholeJson(target)) && target.index !== null;
    if (!isNew) return { call: target, replaced: null };
    // Two calls under one place don't go on at the same time.
    const isOver = index !== null && target.index === index && !target.isCompleted && hasWholeJson(target);
    const replaced = isOver ? target : null;
    const call = this.#create(scope);
    const isSamePlace = index === null || target.index === index;
    call.isDoubtful =
      byId !== undefined && isSamePlace && target.name === piece.name && !saysArguments(piece.args);
    return { call, replaced };
  }

  #open(scope: string, piece: CallPiece): ToolCall | undefined {
    const ids = (piece.ids ?? []).filter(isText);
    const index = placeOf(piece.index);
    const open = this.#calls.filter((call) => call.scope === scope && !call.isCompleted);
    const byId = open.findLast((call) => ids.some((id) => call.ids.has(id)));
    if (byId !== undefined) return byId;
    if (index !== null) return open.findLast((call) => call.index === index);
    return ids.length === 0 ? open.at(-1) : undefined;
  }

  #byId(ids: readonly unknown[]): ToolCall | undefined {
    const known = ids.filter(isText);
    return this.#calls.findLast((call) => known.some((id) => call.ids.has(id)));
  }

  /** @throws SourceFailure beyond 1,024 calls */
  #create(scope: string): ToolCall {
    if (this.#calls.length >= MAX_CALLS) {
      throw new SourceFailure("LLM_ERROR", `the model called more than ${MAX_CALLS} tools in one answer`);
    }
    const call: ToolCall = {
      scope,
      id: null,
      name: null,
      written: "",
      whole: undefined,
      presumed: undefined,
      isCompleted: false,
      isDoubtful: false,
      ids: new Set(),
      index: null,
    };
    this.#calls.push(call);
    return call;
  }

  /** Tells of the call, with what was written of it before its name was known. */
  *#start(call: ToolCall): Generator<ChunkDraft> {
    if (call.name === null || (call.isDoubtful && !isText(call.written) && call.whole === undefined)) return;
    const [told] = call.ids;
    const isFree = told !== undefined && !this.#idsTold.has(told);
    call.id = isFree ? told : this.#ownId(call);
    this.#idsTold.add(call.id);
    yield this.#chunks.event("tool_call_started", { tool_call_id: call.id, name: call.name });
    if (isText(call.written)) yield* this.#chunks.toolCallDelta(call.id, call.written);
  }

  #ownId(call: ToolCall): string {
    let number = this.#calls.indexOf(call);
    while (this.#idsTold.has(`call_${number}`)) number++;
    return `call_${number}`;
  }

  *#complete(call: ToolCall): Generator<ChunkDraft> {
    call.isCompleted = true;
    const args =
      call.whole ?? (call.written === "" ? call.presumed : undefined) ?? parseArguments(call.written);
    if (call.id === null && call.isDoubtful) return;
    if (call.id === null) {
      // It never got a name: nobody can run it, and nobody is to miss it.
      const known = { ids: [...call.ids], arguments: args };
      yield this.#chunks.unknown("tool_call_without_name", known);
      return;
    }
    const fits = JSON.stringify(args).length <= MAX_ARGUMENT_CHARACTERS;
    yield this.#chunks.event("tool_call_completed", {
      tool_call_id: call.id,
      name: call.name,
      arguments: fits ? args : null,
    });
  }
}
