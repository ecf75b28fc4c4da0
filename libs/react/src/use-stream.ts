import type { Client, StreamChunk, StreamOptions } from "@sluice/client";
import { useMemo, useSyncExternalStore } from "react";
import { useSluiceClient } from "./sluice-provider.ts";
import { IDLE, StreamStore, type Content, type StreamStatus } from "./stream-store.ts";

/** Options of the hooks. They are compared by their values, so a new object at each rendering changes nothing. */
export interface UseStreamOptions extends Omit<StreamOptions, "signal"> {
  /**
   * Client to use.
   * @default the client of the SluiceProvider
   */
  client?: Client;
}

/** Result of {@link useStream}. */
export interface StreamView extends StreamStatus {
  /** All chunks that have arrived, in order. A new array each time it has grown. */
  chunks: readonly StreamChunk[];
}

/** Result of {@link useStreamText}. */
export interface StreamTextView extends StreamStatus {
  /** The text that has arrived so far. */
  text: string;
}

/**
 * Follows a stream while the component is mounted, and renders at most once a frame. It never suspends, connects once in
 * StrictMode, and closes the stream when the component is unmounted or hidden (`<Activity>`); shown again, it goes on.
 * @param id null: there is no stream yet. Another id begins another stream.
 * @throws SluiceError INVALID_STREAM_ID, INVALID_RESUME_TOKEN
 * @throws Error there is no client
 *
 * @example
 * ```tsx
 * import { useStream } from "@sluice/react";
 *
 * export function Steps(props: { streamId: string | null }) {
 *   const { chunks, state } = useStream(props.streamId, { tail: 20 });
 *   return (
 *     <ol aria-busy={state !== "ended"}>
 *       {chunks.map((chunk) => (
 *         <li key={chunk.sequence}>{chunk.chunk_type.type}</li>
 *       ))}
 *     </ol>
 *   );
 * }
 * ```
 */
export function useStream(id: string | null, options: UseStreamOptions = {}): StreamView {
  const { value, ...status } = useStore(id, options, chunkContent, NO_CHUNKS);
  return { ...status, chunks: value };
}

/**
 * Follows a stream of text, as {@link useStream} does. With a client whose `persist` is set, the text survives a reload.
 *
 * @example
 * ```tsx
 * import { useStreamText } from "@sluice/react";
 *
 * export function Answer(props: { streamId: string | null }) {
 *   const { text, state, error, cancel } = useStreamText(props.streamId);
 *   return (
 *     <p>
 *       {text}
 *       {state === "open" && <button onClick={() => cancel().catch(console.error)}>Stop</button>}
 *       {state === "failed" && error?.message}
 *     </p>
 *   );
 * }
 * ```
 */
export function useStreamText(id: string | null, options: UseStreamOptions = {}): StreamTextView {
  const { value, ...status } = useStore(id, options, textContent, "");
  return { ...status, text: value };
}

function useStore<Value>(
  id: string | null,
  options: UseStreamOptions,
  createContent: () => Content<Value>,
  empty: Value,
): StreamStatus & { value: Value } {
  const client = useSluiceClient(options.client);
  const { from, tail, resumeToken, compact, wait } = options;
  // Compared by their values: most components pass a new object each time.
  const store = useMemo(() => {
    if (id === null) return noStore(empty);
    const given = Object.entries({ from, tail, resumeToken, compact, wait }).filter(
      ([, value]) => value !== undefined,
    );
    return new StreamStore<Value>(client, id, Object.fromEntries(given), createContent());
  }, [client, id, from, tail, resumeToken, compact, wait, createContent, empty]);
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}

function noStore<Value>(value: Value) {
  const snapshot = { ...IDLE, value };
  return { subscribe: () => () => {}, getSnapshot: () => snapshot };
}

const NO_CHUNKS: readonly StreamChunk[] = [];

function chunkContent(): Content<readonly StreamChunk[]> {
  const chunks: StreamChunk[] = [];
  return {
    get value() {
      return [...chunks];
    },
    follow(stream, _cursor, changed) {
      stream.on("chunk", (chunk) => {
        chunks.push(chunk);
        changed();
      });
    },
    cutAfter(head) {
      const kept = chunks.findLastIndex(({ sequence }) => sequence <= head) + 1;
      const [cut] = chunks.splice(kept);
      // Joined chunks go as a whole.
      return Math.min(head, (cut?.first_sequence ?? Infinity) - 1);
    },
  };
}

/** Text of a stream. The client has the text of the open stream, including what an earlier page read of it. */
function textContent(): Content<string> {
  let text = "";
  /** Sequence after which the text is the client's. */
  let begin = 0;
  return {
    get value() {
      return text;
    },
    follow(stream, cursor, changed) {
      const earlier = text;
      begin = cursor ?? 0;
      stream.on("text", (whole) => {
        text = earlier + whole;
        changed();
      });
    },
    cutAfter(head) {
      if (head >= begin) return head;
      text = "";
      return null;
    },
  };
}
