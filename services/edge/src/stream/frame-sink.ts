/** Where a subscriber's frames go: a connection of its own, or its share of one that carries many streams. */
export interface FrameSink {
  /** The socket is full: what is pushed waits. */
  readonly isBlocked: boolean;
  /** False: the reader is too slow for this range; it is read from the cache later. */
  hasRoomFor(chunks: number, bytes: number): boolean;
  countBackpressure(): void;
  /** Whole frames, in order. @param chunks how many of them count as chunks */
  push(frames: Uint8Array, chunks: number): void;
  /** Resolves when everything was taken by the kernel, or the response is over. */
  drained(): Promise<void>;
  /** Does what fetches and pushes one page once the reader has taken all before it, one stream of a connection at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** The stream is over, and everything of it was pushed. */
  finish(): void;
  /** The stream can't go on here: the response ends, and the reader comes again. */
  giveUp(): void;
}
