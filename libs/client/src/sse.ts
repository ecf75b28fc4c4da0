import { createParser } from "eventsource-parser";
import { SluiceError } from "./sluice-error.ts";

/** One block of an event stream. */
export interface Frame {
  id: string | null;
  /** Name of the event; null: the block has an id and no data. */
  name: string | null;
  /** The JSON object in `data`; null where there is none, or it isn't one. */
  data: FrameData | null;
}

/** JSON object as it came over the wire, unchecked. */
export type FrameData = Readonly<Record<string, unknown>>;

// A chunk has at most 1 MiB. Without this bound an endless line would fill the memory of a page.
const MAX_FRAME_CHARACTERS = 8 * 1024 * 1024;

/**
 * Creates a parser of one event stream: give it bytes, however they were cut, and it calls back with the frames. A frame
 * that is unfinished at the end of a connection is dropped, since it comes again on the next.
 * @throws SluiceError SERIALIZATION, out of the parser: a line or an event has more than 8,388,608 characters
 */
export function createSseReader(
  onFrame: (frame: Frame) => void,
  onRetry: (ms: number) => void,
): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder();
  let idAlone: string | null = null;
  const settleId = (): void => {
    const id = idAlone;
    idAlone = null;
    if (id !== null) onFrame({ id, name: null, data: null });
  };
  const parser = createParser({
    maxBufferSize: MAX_FRAME_CHARACTERS,
    // Comes before the event of the same block, if it has one.
    onId(id) {
      settleId();
      idAlone = id;
    },
    onEvent({ id, event, data }) {
      if (id === undefined) settleId();
      idAlone = null;
      onFrame({ id: id ?? null, name: event ?? "message", data: parseObject(data) });
    },
    onRetry,
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") throw new SluiceError("SERIALIZATION", error.message);
    },
  });
  return (bytes) => {
    parser.feed(decoder.decode(bytes, { stream: true }));
    settleId();
  };
}

function parseObject(text: string): FrameData | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? (value as FrameData | null) : null;
  } catch {
    return null;
  }
}
