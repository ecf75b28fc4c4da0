import type { Client, StreamChunk, StreamOptions } from "@sluice/client";
import { useMemo, useSyncExternalStore } from "react";
import { useSluiceClient } from "./sluice-provider.ts";
import { IDLE, StreamStore, type Content, type StreamStatus } from "./stream-store.ts";

export interface UseStreamOptions extends Omit<StreamOptions, "signal"> {
  /** Instead of the provider's. */
  client?: Client;
}

export interface StreamView extends StreamStatus {
  /** All that have arrived. A new array each time it grew. */
  chunks: readonly StreamChunk[];
}

export interface StreamTextView extends StreamStatus {
  /** As far as it has arrived. */
  text: string;
}

/** Follows a stream while the component is there. Null: no stream, yet. Another id: another stream, from its beginning. */
export function useStream(id: string | null, options: UseStreamOptions = {}): StreamView {
  const { value, ...status } = useStore(id, options, chunkContent, NO_CHUNKS);
  return { ...status, chunks: value };
}

/** The same, for streams of text. */
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
  // By their values: most components pass a new object each time.
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

/** The client has the text of the stream that is open, also what an earlier page had read of it. */
function textContent(): Content<string> {
  let text = "";
  /** From here on it is the client's. */
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
