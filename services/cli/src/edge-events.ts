import { createParser } from "eventsource-parser";

/** One event as the edge sent it, complete. */
export interface EdgeEvent {
  name: string;
  data: string;
}

/** What came in on one connection, in its order. */
export type EdgeItem =
  | { kind: "event"; event: EdgeEvent }
  /** The position to reconnect with; of an event that follows at once, or of none. */
  | { kind: "position"; id: string }
  | { kind: "retry"; ms: number };

// A chunk has at most 1 MiB as it was sent. Without this bound a server that never ends a line fills the heap.
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

/**
 * Takes an answer apart. What was cut off in mid-event is dropped: it comes again after the reconnect.
 * @param silence running while the server is waited for, and not while the taker takes its time
 */
export async function* readEdgeItems(
  body: AsyncIterable<Uint8Array>,
  silence: { restart(): void; pause(): void },
): AsyncGenerator<EdgeItem, void, undefined> {
  const ready: EdgeItem[] = [];
  let failure: Error | null = null;
  const parser = createParser({
    onId: (id) => ready.push({ kind: "position", id }),
    onEvent: ({ event, data }) => ready.push({ kind: "event", event: { name: event ?? "message", data } }),
    onRetry: (ms) => ready.push({ kind: "retry", ms }),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") failure = error;
    },
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    if (failure !== null) throw failure as Error;
    silence.pause();
    // To the last one, whatever happens to the connection meanwhile: a position counts only with its event.
    yield* ready.splice(0);
    silence.restart();
  }
}
