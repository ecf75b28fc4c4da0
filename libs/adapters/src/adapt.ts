import { CANCELLED_CODE, type ChunkDraft } from "@sluice/core";
import { Answer } from "./answer.ts";
import type { OnUnknownPart } from "./answer-chunks.ts";
import { readSource, type Source } from "./read-source.ts";
import { failureOf, SourceFailure } from "./source-failure.ts";

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
  /** Hears of each part of the answer that could not be read, for a metric and the log; readers get it as `unknown_part`. */
  onUnknownPart?: OnUnknownPart;
}

interface AdapterSettings {
  defaultSource: string;
  /** Describes for readers what the source threw; by default, what they may know of a model's failure. */
  failureOf?: (error: unknown) => SourceFailure;
  /** Name of what failed, where nothing better is known. */
  what?: string;
}

/** How one library's items become chunks. Either method throws a SourceFailure where the answer has failed. */
export interface Mapping<Item> {
  take(item: Item): Iterable<ChunkDraft>;
  /** True once it has sent the end itself: nothing more is read. */
  readonly isEnded?: boolean;
  /** Says what remains after the last item, the Complete chunk last. */
  finish(): Iterable<ChunkDraft>;
}

/**
 * The chunks of a source, ended by exactly one Complete or Error chunk; never throws. Reads no further than its reader
 * does, and hangs up on the source when the reader breaks off.
 */
export function adapt<Item>(
  source: Source<Item>,
  options: AdapterOptions & AdapterSettings,
  mappingOf: (answer: Answer) => Mapping<Item>,
): AsyncGenerator<ChunkDraft, void, undefined> {
  // A request that fails before anybody reads is told in the Error chunk, and is no unhandled rejection.
  const ready = Promise.resolve(source);
  ready.catch(() => undefined);
  const answer = new Answer(options.source ?? options.defaultSource, options.onUnknownPart);
  return run(ready, options, answer, mappingOf(answer));
}

async function* run<Item>(
  source: Promise<Awaited<Source<Item>>>,
  options: AdapterOptions & AdapterSettings,
  answer: Answer,
  mapping: Mapping<Item>,
): AsyncGenerator<ChunkDraft, void, undefined> {
  const { signal, onError } = options;
  const silence = new AbortController();
  const signals = signal === undefined ? [silence.signal] : [signal, silence.signal];
  const lastWord = new WaitingTime(LAST_WORD_MS, () => silence.abort());
  let failure: unknown;
  try {
    for await (const item of readSource<Item>(source, AbortSignal.any(signals))) {
      lastWord.pause();
      for (const chunk of ours(() => mapping.take(item))) {
        // Items that say nothing keep no answer open.
        lastWord.reset();
        yield chunk;
      }
      if (mapping.isEnded === true) return;
      if (answer.isSurelyWhole) lastWord.run();
    }
    lastWord.pause();
    yield* ours(() => mapping.finish());
    return;
  } catch (error) {
    failure = error;
  } finally {
    lastWord.pause();
  }
  if (answer.isSurelyWhole && !isReported(failure)) {
    yield* answer.complete();
    return;
  }
  const reason: unknown = signal?.aborted === true ? signal.reason : failure;
  onError?.(originOf(reason));
  if (signal?.aborted === true || isAbort(reason)) yield* answer.chunks.error(stopOf(reason));
  else if (reason instanceof SourceFailure) yield* answer.chunks.error(reason);
  else yield* answer.chunks.error(options.failureOf?.(reason) ?? failureOf(reason, options.what));
}

/** Counts the time in which a source is waited for, not that which a reader takes. */
class WaitingTime {
  readonly #limitMs: number;
  readonly #onOver: () => void;
  #leftMs: number;
  #beganMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, onOver: () => void) {
    this.#limitMs = this.#leftMs = limitMs;
    this.#onOver = onOver;
  }

  run(): void {
    this.#beganMs = performance.now();
    this.#timer = setTimeout(this.#onOver, Math.max(0, this.#leftMs));
  }

  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs -= performance.now() - this.#beganMs;
  }

  reset(): void {
    this.#leftMs = this.#limitMs;
  }
}

/** Rule 10: what a mapping throws, and doesn't mean, is a mistake in it, and no failure of the model's or its connection. */
function* ours(chunks: () => Iterable<ChunkDraft>): Generator<ChunkDraft> {
  try {
    yield* chunks();
  } catch (error) {
    if (error instanceof SourceFailure || isAbort(error)) throw error;
    throw new SourceFailure("ADAPTER_FAILED", "the answer could not be read; what happened is in the log", {
      cause: error,
    });
  }
}

/** The server has said that the answer failed, which silence doesn't. */
function isReported(failure: unknown): boolean {
  if (!(failure instanceof SourceFailure)) return failureOf(failure).serverSaid !== null;
  return failure.isSilence !== true;
}

/** Picks for the log: the error itself that a library, or a mistake, has thrown. */
function originOf(failure: unknown): unknown {
  return failure instanceof SourceFailure && failure.cause instanceof Error ? failure.cause : failure;
}

/** Describes to readers an answer that its own producer stopped. */
function stopOf(reason: unknown): SourceFailure {
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string" && typeof message === "string") return new SourceFailure(code, message);
  return new SourceFailure(CANCELLED_CODE, "the answer was stopped");
}

/** Recognises aborts by the platform's name, or the official libraries' (theirs are named just `Error`). */
function isAbort(error: unknown): boolean {
  return (
    error instanceof Error && [error.name, error.constructor.name].some((name) => /Abort(Error)?$/.test(name))
  );
}
