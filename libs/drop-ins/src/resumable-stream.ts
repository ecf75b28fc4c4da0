import { createHash } from "node:crypto";
import { createClient, type Client } from "@sluice/client";
import { pieceEnd, StreamError, type StreamStatus } from "@sluice/core";
import { connectProducer, type StreamHandle, type StreamManager } from "@sluice/producer";
import { readText, statusOf } from "./stored-text.ts";

/** Options of the package `resumable-stream`, and the addresses of Sluice. */
export interface CreateResumableStreamContextOptions {
  /** Stands before the ids of the streams in Sluice; by default `resumable-stream`. */
  keyPrefix?: string;
  /** Keeps the process alive until the promise is settled, which is never rejected; null: it needs no asking. */
  waitUntil: ((promise: Promise<unknown>) => void) | null;
  /** Hears why a stream couldn't be written to its end, in full, for the log; by default a warning of the process. Readers see an error. */
  onError?: (error: unknown, streamId: string) => void;
  /**
   * Writes the streams; its owner closes it. By default one at the environment's `NATS_URL`, else at 127.0.0.1:4222, which is
   * waited for 5 s at a time.
   */
  producer?: StreamManager;
  /** Where streams are read; by default the environment's `SLUICE_EDGE_URL`, else http://127.0.0.1:8080. */
  edgeUrl?: string;
  /** The package's own, for Redis: taken, so that only an import has to change, and not used. */
  publisher?: Publisher | object;
  subscriber?: Subscriber | object;
  doneWatchdogIntervalMs?: number;
}

/** The package's, of what publishes for it. */
export interface Publisher {
  connect: () => Promise<unknown>;
  publish: (channel: string, message: string) => Promise<unknown>;
  set: (key: string, value: string, options?: { EX?: number }) => Promise<unknown>;
  get: (key: string) => Promise<string | number | null>;
  incr: (key: string) => Promise<number>;
}

/** The package's, of what subscribes for it. */
export interface Subscriber {
  connect: () => Promise<unknown>;
  subscribe: (channel: string, callback: (message: string) => void) => Promise<void | number>;
  unsubscribe: (channel: string) => Promise<unknown>;
}

/**
 * The package's context, and what its functions answer: of a stream that is unknown, running or finished. `skipCharacters`
 * counts UTF-16 code units. A stream that failed ends with an error for whoever reads it, and is finished.
 */
export interface ResumableStreamContext {
  /** Creates the stream or, while it runs, resumes it. Null where it has finished. */
  resumableStream(
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ): Promise<ReadableStream<string> | null>;
  /** Null where it has finished, undefined where it is unknown. */
  resumeExistingStream(
    streamId: string,
    skipCharacters?: number,
  ): Promise<ReadableStream<string> | null | undefined>;
  /** Begins anew where the id was used before. */
  createNewResumableStream(
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ): Promise<ReadableStream<string> | null>;
  /** Null: unknown; true: it runs. */
  hasExistingStream(streamId: string): Promise<null | true | "DONE">;
}

/** Nothing is connected before it is needed. */
export function createResumableStreamContext(
  options: CreateResumableStreamContextOptions,
): ResumableStreamContext {
  const context = new Context(options);
  return {
    resumableStream: (id, makeStream, skip) => context.createOrResume(id, makeStream, skip),
    resumeExistingStream: (id, skip) => context.resume(id, skip),
    createNewResumableStream: (id, makeStream) => context.createNew(id, makeStream),
    hasExistingStream: (id) => context.has(id),
  };
}

/** One use of an id. Sluice never gives an id twice; the package does. */
interface Use {
  number: number;
  streamId: string;
  status: StreamStatus;
}

// A chunk has at most 1 MiB of JSON, and a character up to six bytes of it.
const MAX_PIECE_CHARACTERS = 128 * 1024;
// While NATS is away, requests wait for it once in this time, and are refused at once in between.
const REFUSED_MS = 5_000;

class Context {
  readonly #options: CreateResumableStreamContextOptions;
  readonly #edgeUrl: string;
  readonly #client: Client;
  #producer: Promise<StreamManager> | undefined;

  constructor(options: CreateResumableStreamContextOptions) {
    this.#options = options;
    this.#edgeUrl = options.edgeUrl ?? (process.env["SLUICE_EDGE_URL"] || "http://127.0.0.1:8080");
    this.#client = createClient({ edgeUrl: this.#edgeUrl });
  }

  async createOrResume(
    id: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters = 0,
  ): Promise<ReadableStream<string> | null> {
    const created = await this.#create(id, 1);
    if (created !== null) return this.#produce(created, makeStream);
    // Its creation was refused because it exists.
    const use = (await this.#lastUse(id)) ?? { number: 1, streamId: this.#streamId(id, 1), status: "open" };
    return use.status === "open" ? readText(this.#client, use.streamId, skipCharacters) : null;
  }

  async resume(id: string, skipCharacters = 0): Promise<ReadableStream<string> | null | undefined> {
    const use = await this.#lastUse(id);
    if (use === null) return undefined;
    return use.status === "open" ? readText(this.#client, use.streamId, skipCharacters) : null;
  }

  async createNew(id: string, makeStream: () => ReadableStream<string>): Promise<ReadableStream<string>> {
    // The first uses' records may have gone. Where nobody can say, those that are known still refuse to be created.
    const last = await this.#lastUse(id).catch(() => null);
    for (let number = (last?.number ?? 0) + 1; ; number++) {
      const created = await this.#create(id, number);
      if (created !== null) return this.#produce(created, makeStream);
    }
  }

  async has(id: string): Promise<null | true | "DONE"> {
    const use = await this.#lastUse(id);
    if (use === null) return null;
    return use.status === "open" ? true : "DONE";
  }

  /** Creates a use, which everybody who asks from now on finds in the log. Null where this use was created before. */
  async #create(id: string, number: number): Promise<StreamHandle | null> {
    const producer = await this.#connectedProducer();
    const streamId = this.#streamId(id, number);
    try {
      const { handle } = await producer.createStream({ streamId });
      return handle;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      if (error.code === "STREAM_EXISTS" || error.code === "STREAM_DELETED") return null;
      throw error;
    }
  }

  /** Written to the end whoever reads; readers, the first one too, get what is stored. */
  #produce(handle: StreamHandle, makeStream: () => ReadableStream<string>): ReadableStream<string> {
    const report = this.#options.onError ?? warn;
    // A rejection that nobody expects ends the process, and all other streams of it.
    const written = write(handle, makeStream).catch((error: unknown) => report(error, handle.streamId));
    this.#options.waitUntil?.(written);
    return readText(this.#client, handle.streamId, 0);
  }

  /** Uses are numbered without holes: the last one is before the first that is unknown. */
  async #lastUse(id: string): Promise<Use | null> {
    let last: Use | null = null;
    for (let number = 1; ; number += 2) {
      // Two at once, as most ids are used once.
      const [one, next] = await Promise.all([this.#use(id, number), this.#use(id, number + 1)]);
      last = next ?? one ?? last;
      if (next === null) return last;
    }
  }

  async #use(id: string, number: number): Promise<Use | null> {
    const streamId = this.#streamId(id, number);
    const status = await this.#statusOf(streamId);
    return status && { number, streamId, status };
  }

  /** Asks the log: edges hear of a new stream a moment later, each at a time of its own. */
  async #statusOf(streamId: string): Promise<StreamStatus | null> {
    try {
      const producer = await this.#connectedProducer();
      return await producer.statusOf(streamId);
    } catch (error) {
      // A process that only reads may have no way to the log.
      return statusOf(this.#edgeUrl, streamId).catch(() => {
        throw error;
      });
    }
  }

  #streamId(id: string, number: number): string {
    const prefix = this.#options.keyPrefix ?? "resumable-stream";
    // Sluice's ids have fewer characters to choose from than the package's.
    const isPlain = [prefix, id].every((part) => /^[a-z\d_]+(-[a-z\d_]+)*$/i.test(part) && part.length < 60);
    const name = isPlain ? `${prefix}--${id}` : hashOf(JSON.stringify([prefix, id]));
    return number === 1 ? name : `${name}--${number}`;
  }

  #connectedProducer(): Promise<StreamManager> {
    if (this.#options.producer !== undefined) return Promise.resolve(this.#options.producer);
    if (this.#producer === undefined) {
      this.#producer = connectProducer({ servers: process.env["NATS_URL"] || "nats://127.0.0.1:4222" });
      const forget = (): void => void (this.#producer = undefined);
      this.#producer.catch(() => setTimeout(forget, REFUSED_MS).unref());
    }
    return this.#producer;
  }
}

function warn(error: unknown, streamId: string): void {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`stream ${streamId} couldn't be written to its end: ${why}`, "SluiceWarning");
}

function hashOf(name: string): string {
  return createHash("sha256").update(name).digest("base64url");
}

async function write(handle: StreamHandle, makeStream: () => ReadableStream<string>): Promise<void> {
  await using writing = handle;
  await writing.pipe(piecesOf(makeStream));
}

async function* piecesOf(makeStream: () => ReadableStream<string>): AsyncGenerator<string, void, undefined> {
  for await (const text of makeStream()) {
    for (let at = 0, end = 0; at < text.length; at = end) {
      end = pieceEnd(text, at + MAX_PIECE_CHARACTERS);
      yield text.slice(at, end);
    }
  }
}
