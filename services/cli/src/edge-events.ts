import { createParser } from "eventsource-parser";

/** One event as the edge sent it, complete. */
export interface EdgeEvent {
  name: string;
  data: string;
}

/** What came in on one connection, in its order. */
export type EdgeItem =
  | { kind: "event"; event: EdgeEvent }
  /** The position to reconnect with, once what came before it was taken. */
  | { kind: "position"; id: string }
  | { kind: "retry"; ms: number };

// A chunk has at most 1 MiB as it was sent. Without this bound a server that never ends a line fills the heap.
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

/** Takes an answer apart. What was cut off in mid-event is dropped: it comes again after the reconnect. */
export async function* readEdgeItems(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<EdgeItem, void, undefined> {
  let ready: EdgeItem[] = [];
  let failure: Error | null = null;
  let position: EdgeItem | null = null;
  const parser = createParser({
    onId: (id) => {
      position = { kind: "position", id };
      ready.push(position);
    },
    onEvent: ({ event, data }) => {
      // The parser tells a block's id before its event; ours counts only when the event was taken.
      if (ready.at(-1) === position && position !== null)
        ready.splice(-1, 0, { kind: "event", event: { name: event ?? "message", data } });
      else ready.push({ kind: "event", event: { name: event ?? "message", data } });
      position = null;
    },
    onRetry: (ms) => ready.push({ kind: "retry", ms }),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") failure = error;
    },
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    onBytes();
    parser.feed(decoder.decode(bytes, { stream: true }));
    if (failure !== null) throw failure as Error;
    const items = ready;
    ready = [];
    position = null;
    yield* items;
  }
}
