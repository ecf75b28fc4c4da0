import { CANCELLED_CODE, type ChunkDraft } from "@sluice/core";
import { AnswerChunks } from "./answer-chunks.ts";
import { failureOf, SourceFailure } from "./source-failure.ts";
import { readSource, type Source } from "./read-source.ts";

// After the end of an answer comes at most its bill. Without this bound a server that then neither says more nor hangs up keeps
// the answer open.
const LAST_WORD_MS = 5_000;

export interface AdapterOptions {
  /**
   * Once it aborts, the library's stream is hung up on and the chunks end with an Error chunk: its code is the reason's `code`
   * where that is a string, else CANCELLED.
   */
  signal?: AbortSignal;
  /** `metadata.source` of every chunk; by default the adapter's name. */
  source?: string;
  /** Hears what went wrong, in full, for the log: the Error chunk says only what readers may know. */
  onError?: (error: unknown) => void;
}

interface AdapterSettings {
  defaultSource: string;
  /** What readers may know of anything that the source throws; by default what they may know of a model's failure. */
  failureOf?: (error: unknown) => SourceFailure;
  /** What failed where nothing better is known. */
  what?: string;
}

/** How one library's items become chunks. Either method throws a SourceFailure where the answer has failed. */
export interface Mapping<Item> {
  take(item: Item): Iterable<ChunkDraft>;
  /** It has sent the end itself: nothing more is read. */
  readonly isEnded?: boolean;
  /** Whether a connection that breaks or falls silent now breaks off nothing but the bill. */
  readonly isWhole?: boolean;
  /** What is still to be said after the last item, the Complete chunk last. */
  finish(): Iterable<ChunkDraft>;
}

/**
 * The chunks of a source, ended by exactly one Complete or Error chunk; never throws. Reads no further than its reader
 * does, and hangs up on the source when the reader breaks off.
 */
export function adapt<Item>(
  source: Source<Item>,
  options: AdapterOptions & AdapterSettings,
  mappingOf: (chunks: AnswerChunks) => Mapping<Item>,
): AsyncGenerator<ChunkDraft, void, undefined> {
  // A request that fails before anybody reads is told in the Error chunk, and is no unhandled rejection.
  const ready = Promise.resolve(source);
  ready.catch(() => undefined);
  const chunks = new AnswerChunks(options.source ?? options.defaultSource);
  return run(ready, options, chunks, mappingOf(chunks));
}

async function* run<Item>(
  source: Promise<Awaited<Source<Item>>>,
  options: AdapterOptions & AdapterSettings,
  chunks: AnswerChunks,
  mapping: Mapping<Item>,
): AsyncGenerator<ChunkDraft, void, undefined> {
  const { signal, onError } = options;
  const silence = new AbortController();
  const signals = signal === undefined ? [silence.signal] : [signal, silence.signal];
  let timer: NodeJS.Timeout | undefined;
  let failure: unknown;
  try {
    for await (const item of readSource<Item>(source, AbortSignal.any(signals))) {
      clearTimeout(timer);
      yield* mapping.take(item);
      if (mapping.isEnded === true) return;
      if (mapping.isWhole === true) timer = setTimeout(() => silence.abort(), LAST_WORD_MS);
    }
    yield* mapping.finish();
    return;
  } catch (error) {
    failure = error;
  } finally {
    clearTimeout(timer);
  }
  if (mapping.isWhole === true && !isReported(failure)) {
    yield* mapping.finish();
    return;
  }
  const reason: unknown = signal?.aborted === true ? signal.reason : failure;
  onError?.(reason);
  if (signal?.aborted === true || isAbort(reason)) yield chunks.error(stopOf(reason));
  else if (reason instanceof SourceFailure) yield chunks.error(reason);
  else yield chunks.error(options.failureOf?.(reason) ?? failureOf(reason, options.what));
}

/** The server has said that the answer failed, which silence doesn't. */
function isReported(failure: unknown): boolean {
  return failure instanceof SourceFailure && failure.code !== "LLM_TIMEOUT";
}

/** What to tell readers of an answer that its own producer stopped. */
function stopOf(reason: unknown): SourceFailure {
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string" && typeof message === "string") return new SourceFailure(code, message);
  return new SourceFailure(CANCELLED_CODE, "the answer was stopped");
}

/** By the platform's name, or the official libraries' (theirs are named just `Error`). */
function isAbort(error: unknown): boolean {
  return (
    error instanceof Error && [error.name, error.constructor.name].some((name) => /Abort(Error)?$/.test(name))
  );
}
