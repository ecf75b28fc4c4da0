import { createParser, type EventSourceMessage } from "eventsource-parser";
import { get, type IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export interface ReaderOptions {
  /** URL of the edge; asked again for each connection, so that a test can send readers elsewhere. */
  edgeUrl: () => string;
  streamId: string;
  /** Added to the events URL, without `?`. */
  query?: string;
  /** Last sequence that the reader claims to have; default: none. */
  after?: number;
  /** Called for each chunk, in the order of arrival. */
  onChunk?: (sequence: number, data: string) => void;
  /** Pause before a reconnect, ms; the server's `retry:` is not waited for, tests are in a hurry. */
  reconnectDelayMs?: () => number;
  /** Keeps the chunks' data; false for readers by the thousand. */
  keepData?: boolean;
}

const TERMINAL_EVENTS = new Set(["complete", "error", "deleted"]);

/**
 * A reader as strict as the promise: it reconnects with its last id like a browser, and writes down everything that
 * a reader must never see: a sequence twice, out of order, or a hole that no `gap` announced.
 */
export class VerifyingReader {
  readonly #options: ReaderOptions;
  /** Data of the chunks in order of arrival (empty where `keepData` is false). */
  readonly data: string[] = [];
  readonly problems: string[] = [];
  readonly gaps: { from: number; to: number }[] = [];
  chunks = 0;
  heartbeats = 0;
  connections = 0;
  lastSequence: number;
  /** Name of the event that ended the stream. */
  endedWith: string | null = null;
  #isStopped = false;
  #response: IncomingMessage | null = null;
  #blockId: string | null = null;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.lastSequence = options.after ?? 0;
  }

  /** Reads until the stream has ended (or `stop`), through however many connections. Never rejects. */
  async run(): Promise<void> {
    while (this.endedWith === null && !this.#isStopped) {
      try {
        if ((await this.#connect()) === "over") return;
      } catch {
        // Refused, reset or cut: what a reconnect is for.
      }
      if (this.endedWith === null) await delay(this.#options.reconnectDelayMs?.() ?? 20 + Math.random() * 80);
    }
  }

  /** Cuts the present connection, as a network does. */
  cut(): void {
    this.#response?.destroy();
  }

  stop(): void {
    this.#isStopped = true;
    this.cut();
  }

  async #connect(): Promise<"again" | "over"> {
    const { edgeUrl, streamId, query } = this.#options;
    const url = `${edgeUrl()}/streams/${streamId}/events${query === undefined ? "" : `?${query}`}`;
    const headers = this.lastSequence > 0 ? { "Last-Event-ID": String(this.lastSequence) } : {};
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { headers, agent: false }, resolve).on("error", reject);
    });
    this.#response = response;
    this.connections++;
    if (response.statusCode === 204) {
      response.resume();
      this.endedWith = "204";
      return "over";
    }
    if (response.statusCode !== 200) {
      response.resume();
      return "again";
    }
    const parser = createParser({
      onId: (id) => this.#onId(id),
      onEvent: (event) => this.#onEvent(event),
      maxBufferSize: Infinity,
    });
    response.setEncoding("utf8");
    try {
      for await (const text of response) parser.feed(text as string);
    } finally {
      this.#settlePlaceholder();
    }
    return this.endedWith === null ? "again" : "over";
  }

  /** Comes before the block's event. A block without an event is the placeholder of a rejected chunk. */
  #onId(id: string): void {
    this.#settlePlaceholder();
    this.#blockId = id;
  }

  #settlePlaceholder(): void {
    if (this.#blockId !== null) this.#moveTo(this.#blockId);
    this.#blockId = null;
  }

  #onEvent(event: EventSourceMessage): void {
    const id = this.#blockId;
    this.#blockId = null;
    const name = event.event ?? "message";
    if (name === "heartbeat") {
      this.heartbeats++;
      if (id !== null) this.problems.push(`heartbeat with the id ${id}`);
      return;
    }
    if (id === null) {
      this.problems.push(`${name} without an id`);
      return;
    }
    if (name === "gap") {
      this.gaps.push({ from: this.lastSequence + 1, to: Number(id) });
      this.lastSequence = Number(id);
      return;
    }
    this.#moveTo(id);
    if (TERMINAL_EVENTS.has(name)) this.endedWith = name;
    if (name === "deleted") return;
    this.chunks++;
    if (this.#options.keepData !== false) this.data.push(event.data);
    this.#options.onChunk?.(this.lastSequence, event.data);
  }

  #moveTo(id: string): void {
    if (this.endedWith !== null) this.problems.push(`${id} after the end`);
    if (Number(id) !== this.lastSequence + 1) this.problems.push(`got ${id} after ${this.lastSequence}`);
    this.lastSequence = Number(id);
  }
}
