import type { Chunk } from "@sluice/core";
import {
  effectOf,
  isFinal,
  isWorthAnother,
  newReading,
  pushPiece,
  type Piece,
  type Reading,
  type ReadingState,
  type ReadingStatus,
} from "./reading.ts";

/** What a source tells, in the order of the stream. Nothing is told after `close`. */
export interface SourceEvents {
  onChunk(chunk: Chunk): void;
  onGap(from: number, to: number, reason: string): void;
  /** What was read is not of this stream: it begins anew. */
  onReset(): void;
  onState(state: ReadingState, detail?: string): void;
  /** @param connectionId of each connection that carries the stream */
  onConnection(connectionId: string): void;
}

export type OpenSource = (streamId: string, events: SourceEvents) => { close(): void };

export type ToRelay =
  | { readonly kind: "follow" | "leave"; readonly streamId: string }
  /** The page goes, or is set aside by the browser. */
  | { readonly kind: "bye" };

export type FromRelay =
  | { readonly kind: "reading"; readonly reading: Reading }
  | {
      readonly kind: "more";
      readonly streamId: string;
      readonly status: ReadingStatus;
      readonly pieces: readonly Piece[];
    };

/** As much of a MessagePort as is needed. */
export interface PagePort {
  postMessage(message: FromRelay): void;
}

export interface RelayOptions {
  readonly open: OpenSource;
  /** Calls once, soon: what arrives until then travels to the pages together. */
  readonly soon: (callback: () => void) => void;
  /** How long a stream that no page follows any more is read on: a reload takes less. */
  readonly lingerMs: number;
}

// A text of a megabyte each is the most that a model writes: without this bound a tab that is open for weeks would keep all.
const MAX_READINGS = 50;

/**
 * Reads streams for all pages of one browser: each stream once, however many tabs show it.
 *
 * A browser opens six connections to a server; the seventh tab with one of its own would wait for ever. So one of these
 * runs in a SharedWorker (or in the page itself where there is none). A page that comes gets all that was read so far, then
 * what follows.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #readings = new Map<string, SharedReading>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  take(port: PagePort, message: ToRelay): void {
    if (message.kind === "bye") {
      for (const reading of this.#readings.values()) reading.leave(port);
    } else if (message.kind === "follow") {
      this.#readingOf(message.streamId).follow(port);
    } else {
      this.#readings.get(message.streamId)?.leave(port);
    }
  }

  #readingOf(streamId: string): SharedReading {
    const known = this.#readings.get(streamId);
    if (known !== undefined) {
      known.readAgain();
      return known;
    }
    const reading = new SharedReading(streamId, this.#options, () => this.#readings.delete(streamId));
    this.#readings.set(streamId, reading);
    this.#dropOldest();
    return reading;
  }

  #dropOldest(): void {
    if (this.#readings.size <= MAX_READINGS) return;
    for (const [streamId, reading] of this.#readings) {
      if (reading.hasFollowers) continue;
      reading.close();
      this.#readings.delete(streamId);
      return;
    }
  }
}

/** One stream's reading and the pages that follow it. */
class SharedReading {
  readonly #streamId: string;
  readonly #options: RelayOptions;
  readonly #forget: () => void;
  readonly #followers = new Set<PagePort>();
  #status: ReadingStatus;
  #pieces: Piece[] = [];
  /** What the followers haven't been sent. */
  #unsent: Piece[] = [];
  #isSending = false;
  #source: { close(): void } | null = null;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(streamId: string, options: RelayOptions, forget: () => void) {
    this.#streamId = streamId;
    this.#options = options;
    this.#forget = forget;
    this.#status = newReading(streamId).status;
    this.#open();
  }

  get hasFollowers(): boolean {
    return this.#followers.size > 0;
  }

  /** Where that may bring more. */
  readAgain(): void {
    if (isWorthAnother(this.#status.state)) this.#beginAnew();
  }

  follow(port: PagePort): void {
    clearTimeout(this.#linger);
    // What waits belongs to those who have the part before it.
    this.#send();
    this.#followers.add(port);
    port.postMessage(this.#snapshot());
  }

  leave(port: PagePort): void {
    if (!this.#followers.delete(port) || this.#followers.size > 0) return;
    if (isFinal(this.#status.state)) return;
    this.#linger = setTimeout(() => {
      this.close();
      this.#forget();
    }, this.#options.lingerMs);
  }

  close(): void {
    clearTimeout(this.#linger);
    this.#source?.close();
    this.#source = null;
  }

  #open(): void {
    this.#source = this.#options.open(this.#streamId, {
      onChunk: (chunk) => {
        const { piece, status } = effectOf(chunk);
        this.#add(piece, { ...status, sequence: chunk.sequence });
      },
      onGap: (from, to, reason) => this.#add({ kind: "gap", from, to, reason }, { sequence: to }),
      onReset: () => this.#beginAnew(),
      onState: (state, detail) => this.#enter(state, detail),
      onConnection: (connectionId) => this.#add(undefined, { connectionId }),
    });
  }

  #enter(state: ReadingState, detail: string | undefined): void {
    // How it ended was said by its last chunk.
    if (isFinal(this.#status.state)) return;
    const wasLost = this.#status.state === "live" && state === "reconnecting";
    this.#add(undefined, {
      state,
      ...(wasLost ? { reconnects: this.#status.reconnects + 1 } : {}),
      ...(detail === undefined ? {} : { detail }),
    });
  }

  #beginAnew(): void {
    this.#source?.close();
    this.#status = newReading(this.#streamId).status;
    this.#pieces = [];
    this.#unsent = [];
    for (const port of this.#followers) port.postMessage(this.#snapshot());
    this.#open();
  }

  #snapshot(): FromRelay {
    return {
      kind: "reading",
      reading: { streamId: this.#streamId, status: this.#status, pieces: this.#pieces },
    };
  }

  #add(piece: Piece | undefined, status: Partial<ReadingStatus>): void {
    this.#status = { ...this.#status, ...status };
    if (piece !== undefined) {
      pushPiece(this.#pieces, piece);
      pushPiece(this.#unsent, piece);
    }
    if (this.#isSending) return;
    this.#isSending = true;
    this.#options.soon(() => this.#send());
  }

  #send(): void {
    if (!this.#isSending) return;
    this.#isSending = false;
    const message: FromRelay = {
      kind: "more",
      streamId: this.#streamId,
      status: this.#status,
      pieces: this.#unsent,
    };
    this.#unsent = [];
    for (const port of this.#followers) port.postMessage(message);
  }
}
