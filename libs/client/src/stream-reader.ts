import { endStatusOf, type EndStatus } from "@sluice/core";
import { isChunkEvent, type Gap, type StreamChunk, type StreamEnd } from "./chunks.ts";
import { isSequence } from "./sequence.ts";
import { connectionError } from "./sluice-error.ts";
import type { Frame, FrameData } from "./sse.ts";

/** What comes of a stream's frames. */
export interface StreamSink {
  chunk(chunk: StreamChunk): void;
  gap(gap: Gap): void;
  heartbeat(chunk: StreamChunk): void;
  /** Nothing of the stream follows. */
  end(end: StreamEnd): void;
}

// Asked for this often, what a server leaves out without a word is taken for lost.
const MAX_TEARS = 3;

/**
 * Turns the frames of one stream, from whichever connection, into what the application sees: each sequence once, in order,
 * or a gap.
 */
export class StreamReader {
  readonly #streamId: string;
  readonly #sink: StreamSink;
  /** The last sequence that the application has; null: the server has yet to say where it begins. */
  #cursor: number | null;
  /** Up to here each sequence came by itself; what came after in pieces can't be cut, should the stream lose its end. */
  #divisible = Infinity;
  /** How often something was missing after it. */
  #tears = 0;
  hasEnded = false;

  constructor(streamId: string, cursor: number | null, sink: StreamSink) {
    this.#streamId = streamId;
    this.#cursor = cursor;
    this.#sink = sink;
  }

  get cursor(): number | null {
    return this.#cursor;
  }

  /** Where the server begins, if it wasn't for us to say. */
  beginAfter(sequence: unknown): void {
    if (this.#cursor === null && isSequence(sequence)) this.#cursor = sequence;
  }

  /** What an earlier page read counts, as one piece. */
  recall(cursor: number): void {
    this.#cursor = cursor;
    this.#divisible = 0;
  }

  /** @throws SluiceError it must be read again from the cursor */
  take({ id, name, data }: Frame): void {
    if (this.hasEnded) return;
    if (name === "gap") this.#takeGap(data);
    else if (name === "heartbeat") this.#sink.heartbeat(data as unknown as StreamChunk);
    else if (name === "deleted") this.#end("deleted", null);
    else if (isChunkEvent(name)) this.#takeChunk(data);
    // Placeholders, and events that only newer servers know.
    else this.#pass(name === "rejected" ? data?.["sequence"] : Number(id ?? NaN));
  }

  /** The server has sent all there is, up to this sequence. @throws SluiceError it hasn't */
  takeEnd(sequence: unknown, status: EndStatus | null = null): void {
    if (isSequence(sequence) && sequence > (this.#cursor ?? sequence)) this.#announceHole(sequence + 1);
    this.#end(status, null);
  }

  #takeChunk(data: FrameData | null): void {
    const chunk = data as StreamChunk | null;
    // What can't be read was not there: the next one shows the hole.
    if (!isSequence(chunk?.sequence) || !chunk.chunk_type?.type) return;
    const { first_sequence: first, sequence } = chunk;
    if (!this.#advance(first ?? sequence, sequence)) return;
    if (first !== undefined) this.#divisible = Math.min(this.#divisible, first - 1);
    this.#sink.chunk(chunk);
    const status = endStatusOf(chunk.chunk_type);
    if (status !== null) this.#end(status, chunk);
  }

  #pass(sequence: unknown): void {
    if (isSequence(sequence)) this.#advance(sequence, sequence);
  }

  #takeGap(data: FrameData | null): void {
    const gap = data as Gap | null;
    if (gap?.reset === true) {
      if (!isSequence(gap.head) || gap.head >= (this.#cursor ?? Infinity)) return;
      const head = (this.#cursor = Math.min(gap.head, this.#divisible));
      this.#sink.gap({ ...gap, head });
      if (head < gap.head) throw connectionError("reset");
    } else if (isSequence(gap?.from) && isSequence(gap.to)) {
      const from = Math.max(gap.from, (this.#cursor ?? 0) + 1);
      if (this.#advance(from, gap.to)) this.#sink.gap({ ...gap, from });
    }
  }

  /**
   * Numbers are dense: what is missing was announced, or something went wrong.
   * @returns whether it is new, and now counts
   */
  #advance(first: number, last: number): boolean {
    const next = (this.#cursor ?? first - 1) + 1;
    if (last < next) return false;
    // Joined chunks that begin before the cursor can't be taken apart.
    const isOverlap = first < next;
    if (first !== next) this.#announceHole(isOverlap ? last + 1 : first);
    if (isOverlap) return false;
    this.#cursor = last;
    this.#tears = 0;
    return true;
  }

  /** @throws SluiceError as long as asking again may help */
  #announceHole(next: number): void {
    const from = (this.#cursor ?? 0) + 1;
    if (this.#tears++ < MAX_TEARS) throw connectionError(`Chunks are missing after ${from - 1}`);
    this.#tears = 0;
    this.#cursor = next - 1;
    this.#sink.gap({ stream_id: this.#streamId, from, to: next - 1, reason: "skipped" });
  }

  #end(status: EndStatus | null, chunk: StreamChunk | null): void {
    this.hasEnded = true;
    this.#sink.end({ status, chunk });
  }
}
