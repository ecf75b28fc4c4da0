import type { Chunk } from "@sluice/core";
import { BackOff } from "./back-off.ts";
import { readEdgeItems, type EdgeEvent } from "./edge-events.ts";
import { CliError, EXIT } from "./exit-codes.ts";
import { causeOf, mayPass, readRefusal, refusedError, unreachableError } from "./http.ts";

export interface FollowRequest {
  edgeUrl: string;
  streamId: string;
  /** First sequence to read. */
  from: number;
  /** How long the edge may wait for the stream to appear, s. */
  waitSeconds: number;
  /** How long to go on trying without success, ms; 0: for ever. */
  giveUpAfterMs: number;
  signal: AbortSignal;
  /** Told of each loss of connection, before the next attempt. */
  onReconnect: (reason: string) => void;
}

/** What a reader is told, in order and each once. `json` is the data as it came. */
export type FollowedEvent =
  | { kind: "chunk"; chunk: Chunk; json: string }
  /** Sequences `from` … `to` can't be had any more; it goes on after them. */
  | { kind: "gap"; from: number; to: number; reason: string; json: string }
  /** The position was beyond the stream's end; it goes on after `head`. */
  | { kind: "reset"; cursor: number; head: number; json: string }
  | { kind: "deleted"; json: string }
  /** The stream has ended, and nothing is left to read. `status`: how, null where the edge doesn't say. */
  | { kind: "nothing"; status: string | null };

// The edge says something each 30 s unless set otherwise; after twice that a connection is dead, whatever TCP thinks.
const SILENCE_TIMEOUT_MS = 75_000;
// A refusal can be a short answer with status 200. One that lasts longer was a connection.
const CONNECTED_AFTER_MS = 1_000;

/**
 * Follows a stream to its end, over as many connections as it takes: each begins after the last event that was taken.
 * Ends after the terminal chunk, `deleted` or `nothing`.
 * @throws CliError: not found, refused, unreachable (at the first attempt where nobody listens, else after the patience);
 * the signal's reason once it is aborted
 */
export async function* followStream(request: FollowRequest): AsyncGenerator<FollowedEvent, void, undefined> {
  const backOff = new BackOff(request.giveUpAfterMs);
  const position = new Position(request.from);
  let retryMs = 0;
  for (let attempt = 1; ; attempt++) {
    let problem: CliError;
    let waitMs = 0;
    const startedMs = performance.now();
    const connection = new Connection(request.signal);
    try {
      const response = await connection.open(request, position);
      if (response.status === 204) {
        yield { kind: "nothing", status: response.headers.get("sluice-status") };
        return;
      }
      if (response.ok) {
        for await (const item of readEdgeItems(response.body ?? emptyBody(), connection)) {
          if (item.kind === "position") position.id = item.id;
          else if (item.kind === "retry") retryMs = item.ms;
          else {
            backOff.succeeded();
            const event = position.take(item.event);
            if (event === null) continue;
            yield event;
            if (isEnd(event)) return;
          }
        }
        problem = new CliError(EXIT.unreachable, "the edge ended the connection before the stream's end");
      } else {
        const refusal = await readRefusal(response);
        if (!mayPass(refusal)) throw refusedError(refusal);
        waitMs = refusal.retryAfterMs;
        problem = refusedError(refusal);
      }
    } catch (error) {
      request.signal.throwIfAborted();
      if (error instanceof CliError) throw error;
      problem = unreachableError("edge", request.edgeUrl, error);
      // Nobody has ever listened there: most likely a wrong address, or Sluice isn't started.
      if (attempt === 1 && causeOf(error) === "ECONNREFUSED") throw problem;
    } finally {
      connection.close();
    }
    if (performance.now() - startedMs > CONNECTED_AFTER_MS) backOff.succeeded();
    request.onReconnect(problem.message);
    if (!(await backOff.wait(Math.max(waitMs, retryMs), request.signal))) throw problem;
  }
}

function isEnd(event: FollowedEvent): boolean {
  if (event.kind !== "chunk") return event.kind === "deleted";
  const { type } = event.chunk.chunk_type;
  return type === "Complete" || type === "Error";
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {}

/** Where the reader stands, and what it makes of an event that comes there. */
class Position {
  /** For the next reconnect; null before the first one that came. */
  id: string | null = null;
  readonly from: number;
  #last: number;

  constructor(from: number) {
    this.from = from;
    this.#last = from - 1;
  }

  /** Null for what the reader has already, and for what only newer readers understand. */
  take({ name, data }: EdgeEvent): FollowedEvent | null {
    const value = parseObject(data);
    if (name === "deleted") return { kind: "deleted", json: data };
    if (name === "gap") return this.#takeGap(value, data);
    const chunk = value as unknown as Chunk;
    if (typeof chunk.sequence !== "number" || typeof chunk.chunk_type?.type !== "string") return null;
    if (chunk.sequence <= this.#last) return null;
    this.#last = chunk.sequence;
    return { kind: "chunk", chunk, json: data };
  }

  #takeGap(value: Record<string, unknown>, json: string): FollowedEvent {
    if (value["reset"] === true) {
      this.#last = Number(value["head"]);
      return { kind: "reset", cursor: Number(value["cursor"]), head: this.#last, json };
    }
    const to = Number(value["to"]);
    this.#last = Math.max(this.#last, to);
    return { kind: "gap", from: Number(value["from"]), to, reason: String(value["reason"]), json };
  }
}

function parseObject(data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // The same to whoever reads: not what an edge sends.
  }
  throw new CliError(EXIT.refused, "what answers is no Sluice edge: an event holds no JSON");
}

/** One request, and the time since it last said something. */
class Connection {
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#controller.signal]);
  }

  open({ edgeUrl, streamId, waitSeconds }: FollowRequest, position: Position): Promise<Response> {
    const url = new URL(`${edgeUrl.replace(/\/+$/, "")}/streams/${encodeURIComponent(streamId)}/events`);
    if (position.id === null && position.from > 1) url.searchParams.set("from", String(position.from));
    if (waitSeconds > 0) url.searchParams.set("wait", String(waitSeconds));
    const headers: Record<string, string> = { accept: "text/event-stream", "cache-control": "no-cache" };
    if (position.id !== null) headers["last-event-id"] = position.id;
    this.restart(waitSeconds * 1000);
    return fetch(url, { headers, signal: this.#signal });
  }

  restart(extraMs = 0): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error("silent for too long")),
      SILENCE_TIMEOUT_MS + extraMs,
    );
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    this.pause();
    this.#controller.abort();
  }
}
