import { endStatusOf, type EndStatus } from "@sluice/core";
import { isChunkEvent, type Gap, type StreamChunk, type StreamEnd } from "./chunks.ts";
import { isSequence } from "./sequence.ts";
import { connectionError } from "./sluice-error.ts";
import type { Frame, FrameData } from "./sse.ts";

/** Receiver of what a stream's frames mean. */
export interface StreamSink {
  chunk(chunk: StreamChunk): void;
  gap(gap: Gap): void;
  heartbeat(chunk: StreamChunk): void;
  /** Called last: no event follows. */
  end(end: StreamEnd): void;
}

// After so many attempts, sequences that are left out without a word are taken for lost.
const MAX_TEARS = 3;

/**
 * Turns the frames of one stream, whatever connections they come from, into what the application sees: each sequence once,
 * in order, or a gap.
 */
export class StreamReader {
  readonly #streamId: string;
  readonly #sink: StreamSink;
  /** The last sequence that the application has; null: the server has yet to say where reading begins. */
  #cursor: number | null;
  /** Up to this sequence each chunk came by itself. Joined chunks after it can't be cut, should the stream lose its tail. */
  #divisible = Infinity;
  /** Attempts at which something was missing after the cursor. */
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

  /** Sets where reading begins, if only the server knew. */
  beginAfter(sequence: unknown): void {
    if (this.#cursor === null && isSequence(sequence)) this.#cursor = sequence;
  }

  /** Goes on after what an earlier page read, which counts as one piece. */
  recall(cursor: number): void {
    this.#cursor = cursor;
    this.#divisible = 0;
  }

  /** Takes a frame. @throws SluiceError the stream must be read again from the cursor */
  take({ id, name, data }: Frame): void {
    if (this.hasEnded) return;
    if (name === "gap") this.#takeGap(data);
    else if (name === "heartbeat") this.#sink.heartbeat(data as unknown as StreamChunk);
    else if (name === "deleted") this.#end("deleted", null);
    else if (isChunkEvent(name)) this.#takeChunk(data);
    // Ids without an event, and events that only newer servers know.
    else this.#pass(name === "rejected" ? data?.["sequence"] : Number(id ?? NaN));
  }

  /** Ends the stream after this sequence. @throws SluiceError something before it is missing */
  takeEnd(sequence: unknown, status: EndStatus | null = null): void {
    if (isSequence(sequence) && sequence > (this.#cursor ?? sequence)) this.#announceHole(sequence + 1);
    this.#end(status, null);
  }

  #takeChunk(data: FrameData | null): void {
    const chunk = data as StreamChunk | null;
    // A chunk that can't be read counts as missing: the next one shows the hole.
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
   * Moves the cursor. Sequences have no holes, so a missing one was announced as a gap, or something went wrong.
   * @returns whether the sequences are new
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

  /** Reports missing sequences as a gap. @throws SluiceError as long as another attempt may bring them */
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
