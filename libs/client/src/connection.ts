import type { EndStatus } from "@sluice/core";
import { delayMs } from "./back-off.ts";
import { hasType, refusalOf, unlessAborted, type Send } from "./http.ts";
import { connectionError, SluiceError } from "./sluice-error.ts";
import { createSseReader, type Frame } from "./sse.ts";
import { isOffline, onWake } from "./wake.ts";

export interface ConnectionSettings {
  readonly send: Send;
  /** Attempts in a row that may fail; the next failure is final. */
  readonly maxAttempts: number;
  /** Interval in which the server sends at least a keep-alive. */
  readonly keepAliveMs: number;
}

export type ConnectionState = "connecting" | "open" | "waiting";

/** Reader of a connection. It isn't called any more once it has closed the connection. */
export interface ConnectionReader {
  /** Called before each attempt. */
  readonly request: () => { url: string; lastEventId: string | null; waitMs: number };
  /**
   * Tells the connection's state.
   * @param error why it waits; null where the server ended the connection
   * @param id the edge's id of the connection that is open now; null where it gave none
   */
  readonly changed: (state: ConnectionState, error: SluiceError | null, id?: string | null) => void;
  /** Called with each answer that is an event stream. @param signal aborted as soon as that stream is over */
  readonly opened: (headers: Headers, signal: AbortSignal) => void;
  /** Takes a frame. @throws SluiceError the frame can't be used, and has to come again from the reader's position */
  readonly take: (frame: Frame) => void;
  /** @returns a promise that reading waits for while the reader has more than it can take; null: it has room */
  readonly room: () => Promise<void> | null;
  /**
   * Called last.
   * @param error null: a 204, so there is nothing more to come
   * @param status how the stream ended, as the server says
   */
  readonly over: (error: SluiceError | null, status: EndStatus | null) => void;
}

// Checks for silence per keep-alive interval. They read the clock, since timers stand still while a computer sleeps.
const LOOKS = 6;
const SILENT_INTERVALS = 3;
// The browser says when it is online again. Should it be mistaken about being offline, this is the interval of attempts.
const OFFLINE_MS = 30_000;

/**
 * Reads through as many requests as it takes.
 *
 *   connecting ──200──▶ open ──ended, cut, silent, torn──▶ waiting ──delay, or woken──▶ connecting
 *       ├──failed──▶ waiting (the delay grows; after `maxAttempts` in a row: over)
 *       └──204, or refused for good──▶ over
 *
 * It keeps its connection while a tab is hidden, and makes no request once it is over or closed.
 */
export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #reader: ConnectionReader;
  #attempt = new AbortController();
  #isClosed = false;
  #failures = 0;
  /** The server's `retry:`. */
  #retryMs = 0;
  /** Time by the wall clock at which the present state must have brought something. */
  #silentFromMs = Infinity;
  #isSuspect = false;
  #endWait: (() => void) | null = null;
  #skipsWait = false;

  constructor(settings: ConnectionSettings, reader: ConnectionReader) {
    this.#settings = settings;
    this.#reader = reader;
    void this.#run();
  }

  /** Gives up an open connection and makes the next attempt at once. */
  restart(): void {
    this.#skipsWait = true;
    this.#attempt.abort();
    this.#endWait?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#attempt.abort();
    this.#endWait?.();
  }

  async #run(): Promise<void> {
    const { keepAliveMs, maxAttempts } = this.#settings;
    const looking = setInterval(() => this.#look(), keepAliveMs / LOOKS);
    const stopListening = onWake((isOnline) => {
      // An open connection of another network receives nothing any more, and isn't told so.
      if (isOnline) this.restart();
      else this.#endWait?.();
    });
    while (!this.#isClosed) {
      const problem = await this.#read();
      if (this.#isClosed || this.#skipsWait) continue;
      const isFinal = problem?.isRetryable === false || (!isOffline() && ++this.#failures > maxAttempts);
      if (isFinal) {
        this.#finish(problem ?? connectionError("no answer"));
      } else {
        this.#reader.changed("waiting", problem);
        await this.#wait(problem?.retryAfterMs ?? 0);
      }
    }
    clearInterval(looking);
    stopListening();
  }

  #finish(error: SluiceError | null, status: EndStatus | null = null): void {
    this.#isClosed = true;
    this.#reader.over(error, status);
  }

  /** Makes one request, and reads its answer. @returns what went wrong; null: the server ended the answer */
  async #read(): Promise<SluiceError | null> {
    const attempt = (this.#attempt = new AbortController());
    this.#skipsWait = false;
    try {
      return await unlessAborted(attempt.signal, () => this.#ask(attempt.signal));
    } catch (error) {
      return error instanceof SluiceError ? error : connectionError(String(error), error);
    } finally {
      this.#silentFromMs = Infinity;
      attempt.abort();
    }
  }

  /** Once the signal is aborted, nobody waits for this, and it changes nothing. */
  async #ask(signal: AbortSignal): Promise<SluiceError | null> {
    const reader = this.#reader;
    reader.changed("connecting", null);
    const { url, lastEventId, waitMs } = reader.request();
    this.#expectWithin(this.#settings.keepAliveMs + waitMs);
    const headers = {
      Accept: "text/event-stream",
      // Tells the edge that this reader understands a 503. An EventSource would give up, so it gets a 200 instead.
      "Sluice-Client": "js",
      ...(lastEventId !== null && { "Last-Event-ID": lastEventId }),
    };
    const response = await this.#settings.send("GET", url, headers, signal);
    if (signal.aborted) return null;
    if (!response.ok) return refusalOf(response);
    if (response.status === 204) {
      this.#finish(null, response.headers.get("Sluice-Status") as EndStatus | null);
      return null;
    }
    if (!hasType(response, /^text\/event-stream *(;|$)/i)) return connectionError("Not an event stream");
    if (response.body === null)
      return new SluiceError("CONNECTION", "fetch can't stream (in React Native, expo/fetch can)");
    reader.opened(response.headers, signal);
    reader.changed("open", null, response.headers.get("Sluice-Connection-Id"));
    await this.#readBody(response.body, signal);
    return null;
  }

  async #readBody(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const { keepAliveMs } = this.#settings;
    const aliveMs = Date.now() + keepAliveMs;
    const feed = createSseReader(
      (frame) => {
        this.#failures = 0;
        if (!signal.aborted) this.#reader.take(frame);
      },
      (ms) => (this.#retryMs = ms),
    );
    const bytes = body.getReader();
    signal.addEventListener("abort", () => void bytes.cancel().catch(() => {}));
    while (!signal.aborted) {
      this.#expectWithin(keepAliveMs * SILENT_INTERVALS);
      const { done, value } = await bytes.read();
      if (done || signal.aborted) return;
      // A connection without frames counts as a success once it has lasted.
      if (Date.now() > aliveMs) this.#failures = 0;
      feed(value);
      this.#silentFromMs = Infinity;
      await this.#reader.room();
    }
  }

  #expectWithin(ms: number): void {
    this.#silentFromMs = Date.now() + ms;
    this.#isSuspect = false;
  }

  /** Gives a connection up at the second look: after a sleep, bytes that arrived meanwhile are read first. */
  #look(): void {
    if (Date.now() < this.#silentFromMs) return;
    if (this.#isSuspect) this.#attempt.abort();
    this.#isSuspect = true;
  }

  async #wait(retryAfterMs: number): Promise<void> {
    const floorMs = Math.max(retryAfterMs, isOffline() ? OFFLINE_MS : this.#retryMs);
    const failures = Math.max(0, this.#failures - 1);
    // A pause that the server asked for by Retry-After is kept, even if somebody looks at the page.
    const earliestMs = Date.now() + retryAfterMs;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs(failures, floorMs));
      this.#endWait = () => {
        if (!this.#isClosed && Date.now() < earliestMs) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endWait = null;
  }
}
