import type { Gap, StreamChunk, StreamEnd } from "./chunks.ts";
import type { SluiceError } from "./sluice-error.ts";
import type { StreamState } from "./stream-state.ts";

/**
 * Events of a stream, by the name that `stream.on` takes. Listeners run synchronously, in the order of the stream.
 * A listener that throws is reported as an uncaught error; the stream and the other listeners go on.
 */
export interface StreamEvents extends Record<string, unknown> {
  /** A chunk. Each sequence arrives once, in order. With `compact`, one chunk may stand for several sequences. */
  chunk: StreamChunk;
  /** Sequences that can't be read any more, or (with `reset`) a stream that became shorter than what was read of it. */
  gap: Gap;
  /** All text so far, each time it has changed. Add this listener before the stream connects, or `on` throws. */
  text: string;
  /** The new state, after each change. */
  state: StreamState;
  /** How the stream ended. Comes once, after the last chunk; no event follows. */
  end: StreamEnd;
  /** Why the stream failed. Comes once; no event follows. A failed attempt that is repeated is no `error` but a `waiting`. */
  error: SluiceError;
  /** A sign of life from a producer that has nothing to say. It has no sequence of its own. */
  heartbeat: StreamChunk;
}
