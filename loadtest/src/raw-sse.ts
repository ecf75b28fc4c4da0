import { connect, type Socket } from "node:net";
import { monotonicMs } from "./clock.ts";
import { readStampMs } from "./workload.ts";

export interface SseTarget {
  edgeUrl: string;
  streamId: string;
  /** Query without `?`. */
  query?: string;
  /** The last sequence that the reader has; default: none. */
  after?: number;
}

const RECEIVE_BYTES = 64 * 1024;
const HEADERS_END = Buffer.from("\r\n\r\n");
const ID = Buffer.from("id: ");
const EVENT = Buffer.from("\nevent: ");
const FRAME_END = Buffer.from("\n\n");
const NEWLINE = 0x0a;
const ZERO = 0x30;

// One buffer for all sockets, since each is read to the end before the next: allocation would cost more than the parsing.
const receiveBuffer = Buffer.alloc(RECEIVE_BYTES);

/** A connection whose bytes are looked at where they arrive, and asks for a stream of events. */
export function requestEvents(target: SseTarget, onBytes: (bytes: Buffer) => void): Socket {
  const { hostname, port } = new URL(target.edgeUrl);
  const socket = connect({
    host: hostname,
    port: Number(port),
    noDelay: true,
    onread: {
      buffer: receiveBuffer,
      callback: (length) => {
        onBytes(receiveBuffer.subarray(0, length));
        return true;
      },
    },
  });
  const query = target.query === undefined ? "" : `?${target.query}`;
  const position = target.after === undefined ? "" : `Last-Event-ID: ${target.after}\r\n`;
  socket.write(
    `GET /streams/${target.streamId}/events${query} HTTP/1.1\r\nHost: ${hostname}\r\n${position}Accept: text/event-stream\r\n\r\n`,
  );
  return socket;
}

/** Reads SSE from a bare socket, and of each frame only its id and its stamp: the client must not be what is measured. */
export class RawSse {
  lastSequence: number;
  /** Sequences that didn't follow the one before. */
  faults = 0;
  readonly #socket: Socket;
  readonly #opened = Promise.withResolvers<void>();
  readonly #onEvent: (latencyMs: number) => void;
  #hasHeaders = false;
  #rest: Buffer | null = null;

  /**
   * @param onEvent with the time since the event's stamp, NaN where it has none
   * @param onEnd the edge has ended the connection, or failed
   */
  constructor(target: SseTarget, onEvent: (latencyMs: number) => void, onEnd: () => void) {
    this.lastSequence = target.after ?? 0;
    this.#onEvent = onEvent;
    this.#socket = requestEvents(target, (bytes) => this.#take(bytes));
    this.#socket.on("error", (error) => this.#opened.reject(error));
    this.#socket.on("close", () => {
      this.#opened.reject(new Error(`the edge closed the connection for ${target.streamId}`));
      onEnd();
    });
  }

  /** Resolves with the headers. */
  opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Leaves what comes to the kernel, whose buffers fill up. */
  freeze(): void {
    this.#socket.pause();
  }

  thaw(): void {
    this.#socket.resume();
  }

  #take(data: Buffer): void {
    const bytes = this.#rest === null ? data : Buffer.concat([this.#rest, data]);
    let position = 0;
    if (!this.#hasHeaders) {
      const end = bytes.indexOf(HEADERS_END);
      if (end < 0) return this.#keep(bytes);
      const status = bytes.toString("latin1", 0, 12);
      if (status !== "HTTP/1.1 200") return this.#opened.reject(new Error(`the edge answered ${status}`));
      this.#hasHeaders = true;
      this.#opened.resolve();
      position = end;
    }
    this.#keep(bytes.subarray(this.#takeFrames(bytes, position, monotonicMs())));
  }

  /** @returns where the first incomplete frame may begin */
  #takeFrames(bytes: Buffer, from: number, nowMs: number): number {
    let position = from;
    for (;;) {
      const end = bytes.indexOf(FRAME_END, position);
      if (end < 0) return position;
      const id = bytes.indexOf(ID, position);
      if (id >= 0 && id < end) this.#takeFrame(bytes, id + ID.byteLength, end, nowMs);
      position = end + FRAME_END.byteLength;
    }
  }

  #takeFrame(bytes: Buffer, idStart: number, end: number, nowMs: number): void {
    let sequence = 0;
    let at = idStart;
    for (; bytes[at] !== NEWLINE; at++) sequence = sequence * 10 + (bytes[at] ?? 0) - ZERO;
    if (sequence !== this.lastSequence + 1) this.faults += 1;
    this.lastSequence = sequence;
    if (bytes.indexOf(EVENT, at) !== at) return;
    this.#onEvent(nowMs - readStampMs(bytes.subarray(at, end), 0));
  }

  /** Copied, as the receive buffer is used again. */
  #keep(rest: Buffer): void {
    this.#rest = rest.byteLength === 0 ? null : Buffer.from(rest);
  }
}
