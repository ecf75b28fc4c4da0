import { connect, type Socket } from "node:net";
import { serve } from "../src/actor.ts";
import { monotonicMs } from "../src/clock.ts";
import { Latencies, type LatencyCounts } from "../src/latencies.ts";
import { readStampMs } from "../src/workload.ts";

export interface ReadersReport {
  events: number;
  /** From the publisher's stamp in a chunk to its bytes being here, of every chunk. */
  latencies: LatencyCounts;
  /** Sequences that didn't follow the one before, and connections that ended: there must be none. */
  faults: number;
  /** Of the slowest reader. */
  lowestSequence: number;
}

export interface SseReaders {
  /** Opens one connection for each stream id, and resolves when all have got their headers. */
  open(options: { edgeUrl: string; streamIds: readonly string[] }): Promise<void>;
  /** What has come since it was last asked. */
  take(options: null): ReadersReport;
}

const CONNECTS_AT_ONCE = 50;
const RECEIVE_BYTES = 64 * 1024;
const HEADERS_END = Buffer.from("\r\n\r\n");
const ID = Buffer.from("id: ");
const EVENT = Buffer.from("\nevent: ");
const FRAME_END = Buffer.from("\n\n");
const NEWLINE = 0x0a;
const ZERO = 0x30;

// One buffer for all sockets, since each is read to the end before the next: allocation would cost more than the parsing.
const receiveBuffer = Buffer.alloc(RECEIVE_BYTES);
const readers: Reader[] = [];
let latencies = new Latencies();
let events = 0;
let faults = 0;

/** Reads SSE from a bare socket, and of each frame only its id and its stamp. */
class Reader {
  lastSequence = 0;
  readonly #socket: Socket;
  readonly #opened = Promise.withResolvers<void>();
  #hasHeaders = false;
  #rest: Buffer | null = null;

  constructor(edgeUrl: string, streamId: string) {
    const { hostname, port } = new URL(edgeUrl);
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: receiveBuffer,
        callback: (length) => {
          this.#take(receiveBuffer.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => this.#opened.reject(error));
    this.#socket.on("close", () => {
      faults += 1;
      this.#opened.reject(new Error(`the edge closed the connection for ${streamId}`));
    });
    this.#socket.write(
      `GET /streams/${streamId}/events?wait=30 HTTP/1.1\r\nHost: ${hostname}\r\nAccept: text/event-stream\r\n\r\n`,
    );
  }

  opened(): Promise<void> {
    return this.#opened.promise;
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
    if (sequence !== this.lastSequence + 1) faults += 1;
    this.lastSequence = sequence;
    if (bytes.indexOf(EVENT, at) !== at) return;
    events += 1;
    const stampMs = readStampMs(bytes.subarray(at, end), 0);
    if (!Number.isNaN(stampMs)) latencies.add(nowMs - stampMs);
  }

  /** Copied, as the receive buffer is used again. */
  #keep(rest: Buffer): void {
    this.#rest = rest.byteLength === 0 ? null : Buffer.from(rest);
  }
}

async function open(edgeUrl: string, streamIds: readonly string[]): Promise<void> {
  for (let from = 0; from < streamIds.length; from += CONNECTS_AT_ONCE) {
    const some = streamIds.slice(from, from + CONNECTS_AT_ONCE).map((id) => new Reader(edgeUrl, id));
    readers.push(...some);
    await Promise.all(some.map((reader) => reader.opened()));
  }
}

function take(): ReadersReport {
  const report = {
    events,
    latencies: latencies.counts,
    faults,
    lowestSequence: readers.reduce((lowest, { lastSequence }) => Math.min(lowest, lastSequence), Infinity),
  };
  latencies = new Latencies();
  events = 0;
  return report;
}

serve({ open: (options) => open(options.edgeUrl, options.streamIds), take } satisfies SseReaders);
