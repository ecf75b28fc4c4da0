import { SluiceError, type Client, type EndStatus, type Stream, type StreamChunk } from "@sluice/client";
import { atNextFrame } from "../shell/next-frame.ts";
import {
  effectOf,
  isFinal,
  newReading,
  pushPiece,
  type Piece,
  type Reading,
  type ReadingState,
  type ReadingStatus,
} from "./reading.ts";

const END_STATES: Record<EndStatus, ReadingState> = {
  completed: "completed",
  errored: "failed",
  cancelled: "stopped",
  deleted: "deleted",
};

/** Reads one stream, and shows how far it has come at most once a frame. */
export class StreamReading {
  readonly #client: Client;
  readonly #streamId: string;
  readonly #show: (reading: Reading) => void;
  #stream: Stream | null = null;
  #status: ReadingStatus;
  #pieces: Piece[] = [];
  #isWaiting = false;
  #isClosed = false;

  constructor(client: Client, streamId: string, show: (reading: Reading) => void) {
    this.#client = client;
    this.#streamId = streamId;
    this.#show = show;
    this.#status = newReading(streamId).status;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  #open(): void {
    let stream: Stream;
    try {
      stream = this.#client.stream(this.#streamId, { compact: true });
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // An address that somebody typed.
      this.#enter("missing", error.message);
      return;
    }
    this.#stream = stream;
    let wasOpen = false;
    stream.on("state", (state) => {
      wasOpen ||= state === "open";
      if (state === "open") this.#change({ connectionId: stream.connectionId });
      if (state === "open") this.#enter("live");
      else if (state === "waiting") this.#enter("reconnecting");
      else if (state === "connecting") this.#enter(wasOpen ? "reconnecting" : "connecting");
    });
    stream.on("chunk", (chunk) => this.#take(chunk));
    stream.on("gap", (gap) => {
      if (gap.reset === true) this.#beginAnew();
      else this.#add({ kind: "gap", from: gap.from, to: gap.to, reason: gap.reason }, { sequence: gap.to });
    });
    stream.on("end", ({ status }) => this.#enter(status === null ? "ended" : END_STATES[status]));
    stream.on("error", ({ code, message }) => {
      if (code === "STREAM_NOT_FOUND") this.#enter("missing");
      else if (code === "STREAM_DELETED") this.#enter("deleted");
      else this.#enter("unreadable", `${message} (${code})`);
    });
  }

  #take(chunk: StreamChunk): void {
    const { piece, status } = effectOf(chunk);
    this.#add(piece, { ...status, sequence: chunk.sequence });
  }

  #enter(state: ReadingState, detail?: string): void {
    // The last chunk said how the stream ended.
    if (isFinal(this.#status.state)) return;
    const isLost = this.#status.state === "live" && state === "reconnecting";
    this.#change({
      state,
      ...(isLost && { reconnects: this.#status.reconnects + 1 }),
      ...(detail !== undefined && { detail }),
    });
  }

  /** The log was restored, so the stream is another than was read. */
  #beginAnew(): void {
    this.#stream?.close();
    this.#pieces = [];
    this.#change(newReading(this.#streamId).status);
    this.#open();
  }

  #add(piece: Piece | undefined, status: Partial<ReadingStatus>): void {
    if (piece !== undefined) pushPiece(this.#pieces, piece);
    this.#change(status);
  }

  #change(status: Partial<ReadingStatus>): void {
    this.#status = { ...this.#status, ...status };
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    atNextFrame(() => {
      this.#isWaiting = false;
      if (!this.#isClosed)
        this.#show({ streamId: this.#streamId, status: this.#status, pieces: [...this.#pieces] });
    });
  }
}
