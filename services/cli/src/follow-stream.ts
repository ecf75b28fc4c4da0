import {
  createClient,
  SluiceError,
  type Gap,
  type Stream,
  type StreamChunk,
  type StreamEnd,
} from "@sluice/client";
import { CliError, EXIT } from "./exit-codes.ts";
import { causeOf, refusedError, unreachableError } from "./http.ts";

export interface FollowRequest {
  edgeUrl: string;
  streamId: string;
  /** First sequence to read. */
  from: number;
  /** Longest time that the edge may wait for the stream to appear, s. */
  waitSeconds: number;
  /** Longest time to go on trying without success, ms; 0: for ever. */
  giveUpAfterMs: number;
  signal: AbortSignal;
  /** Called at each loss of connection, before the next attempt. */
  onReconnect: (reason: string) => void;
}

/** Everything a reader learns of a stream, in order and each once. */
export type FollowedEvent =
  | { kind: "chunk"; chunk: StreamChunk }
  /** Missing sequences, or with `reset` a position beyond the stream's end; reading goes on after it. */
  | { kind: "gap"; gap: Gap }
  | { kind: "end"; end: StreamEnd };

// A refusal can be a short answer with status 200. One that lasts longer was a connection.
const CONNECTED_AFTER_MS = 1_000;

/**
 * Follows a stream to its end, over as many connections as it takes.
 * @returns the last event is `end`
 * @throws CliError: not found, refused, unreachable (at the first attempt where nobody listens, else after
 * `giveUpAfterMs` without success); the signal's reason once it is aborted
 */
export async function* followStream(request: FollowRequest): AsyncGenerator<FollowedEvent, void, undefined> {
  const { edgeUrl, streamId, from, waitSeconds, signal } = request;
  const stream = createClient({ edgeUrl }).stream(streamId, {
    signal,
    ...(from > 1 ? { from } : {}),
    ...(waitSeconds > 0 ? { wait: waitSeconds } : {}),
  });
  const attempts = new Attempts(stream, request);
  const gaps = new GapsInOrder(stream);
  const chunks = stream[Symbol.asyncIterator]();
  try {
    for (let next = chunks.next(); ;) {
      const chunk = await Promise.race([next, gaps.arrival()]);
      yield* gaps.due();
      if (chunk === "gap") continue;
      if (chunk.done === true) break;
      gaps.countChunk();
      yield { kind: "chunk", chunk: chunk.value };
      next = chunks.next();
    }
    signal.throwIfAborted();
    if (attempts.problem !== null) throw attempts.problem;
    if (stream.end === null) throw new Error("the stream was followed to no end");
    yield { kind: "end", end: stream.end };
  } catch (error) {
    throw error instanceof SluiceError ? readingError(edgeUrl, error) : error;
  } finally {
    attempts.close();
    stream.close();
  }
}

/** Gaps come by a listener, chunks by a loop that may be behind: this puts each gap in its place among the chunks. */
class GapsInOrder {
  readonly #gaps: { gap: Gap; afterChunks: number }[] = [];
  #arrived = 0;
  #taken = 0;
  #wake = (): void => {};

  constructor(stream: Stream) {
    stream.on("chunk", () => this.#arrived++);
    stream.on("gap", (gap) => {
      this.#gaps.push({ gap, afterChunks: this.#arrived });
      this.#wake();
    });
  }

  countChunk(): void {
    this.#taken++;
  }

  /** Resolves when a gap's turn has come; never, where chunks stand before it. */
  arrival(): Promise<"gap"> {
    if (this.#isDue) return Promise.resolve("gap");
    return new Promise((resolve) => {
      this.#wake = () => {
        if (this.#isDue) resolve("gap");
      };
    });
  }

  *due(): Generator<FollowedEvent, void, undefined> {
    while (this.#isDue) {
      const [first] = this.#gaps.splice(0, 1);
      if (first !== undefined) yield { kind: "gap", gap: first.gap };
    }
  }

  get #isDue(): boolean {
    const [first] = this.#gaps;
    return first !== undefined && first.afterChunks <= this.#taken;
  }
}

/** Watches how attempts to connect go, and closes the stream once there was none for too long. */
class Attempts {
  /** Why the stream was closed by us. */
  problem: CliError | null = null;
  readonly #stream: Stream;
  readonly #request: FollowRequest;
  #last: CliError | null = null;
  #openedMs: number | null = null;
  #hasOpened = false;
  #givingUp: NodeJS.Timeout | undefined;

  constructor(stream: Stream, request: FollowRequest) {
    this.#stream = stream;
    this.#request = request;
    for (const sign of ["chunk", "gap", "heartbeat"] as const) stream.on(sign, () => this.#succeed());
    stream.on("state", (state) => {
      if (state === "open") this.#open();
      else if (state === "waiting") this.#fail();
    });
  }

  close(): void {
    clearTimeout(this.#givingUp);
  }

  #open(): void {
    this.#hasOpened = true;
    this.#openedMs = performance.now();
  }

  #fail(): void {
    const { edgeUrl, giveUpAfterMs, onReconnect } = this.#request;
    const { error } = this.#stream;
    if (this.#openedMs !== null && performance.now() - this.#openedMs > CONNECTED_AFTER_MS) this.#succeed();
    this.#openedMs = null;
    this.#last =
      error === null
        ? new CliError(EXIT.unreachable, "the edge ended the connection before the stream's end")
        : readingError(edgeUrl, error);
    // Nobody has ever listened there: most likely a wrong address, or Sluice isn't started.
    if (!this.#hasOpened && error !== null && causeOf(error.cause) === "ECONNREFUSED") this.#giveUp();
    else onReconnect(this.#last.message);
    if (giveUpAfterMs > 0) this.#givingUp ??= setTimeout(() => this.#giveUp(), giveUpAfterMs);
  }

  #succeed(): void {
    clearTimeout(this.#givingUp);
    this.#givingUp = undefined;
  }

  #giveUp(): void {
    this.problem = this.#last;
    this.#stream.close();
  }
}

function readingError(edgeUrl: string, error: SluiceError): CliError {
  const { status, code, message, retryAfterMs } = error;
  return status === null
    ? unreachableError("edge", edgeUrl, error.cause ?? error.message)
    : refusedError({ status, code, detail: message, problem: {}, retryAfterMs });
}
