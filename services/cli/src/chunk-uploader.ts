import type { ChunkType } from "@sluice/core";
import { CliError, EXIT } from "./exit-codes.ts";
import type { GatewayClient } from "./gateway-client.ts";
import { refusedError } from "./http.ts";

// What arrives while a request is in flight travels in the next one. Below the log's limit of 1,024 a message.
const MAX_BATCH_CHUNKS = 500;
const MAX_BATCH_CHARACTERS = 256 * 1024;
// Without this bound a gateway that is away lets a fast command fill the heap; with it, the command's pipe fills.
const MAX_QUEUED_CHUNKS = 2_000;
const MAX_QUEUED_CHARACTERS = 1024 * 1024;

/** `refused`: the stream takes no more, ever. `unreachable`: nobody knows whether it would. */
export interface UploadFailure {
  kind: "refused" | "unreachable";
  error: CliError;
}

/** Sends chunks to one stream in order, each once: one request in flight, the next takes all that waits. */
export class ChunkUploader {
  readonly #client: GatewayClient;
  readonly #streamId: string;
  readonly #signal: AbortSignal;
  readonly #onFailure: (failure: UploadFailure) => void;
  #queue: ChunkType[] = [];
  #queuedCharacters = 0;
  #nextSequence = 1;
  #sending: Promise<void> | null = null;
  #room = Promise.withResolvers<void>();
  #failure: UploadFailure | null = null;

  /**
   * @param signal gives up what isn't sent yet
   * @param onFailure called once; all later chunks are dropped
   */
  constructor(options: {
    client: GatewayClient;
    /** New and empty. */
    streamId: string;
    signal: AbortSignal;
    onFailure: (failure: UploadFailure) => void;
  }) {
    this.#client = options.client;
    this.#streamId = options.streamId;
    this.#signal = options.signal;
    this.#onFailure = options.onFailure;
  }

  get failure(): UploadFailure | null {
    return this.#failure;
  }

  /** Queues a chunk; resolves when there is room for another. Never rejects. */
  async push(chunk: ChunkType): Promise<void> {
    if (this.#failure !== null) return;
    this.#queue.push(chunk);
    this.#queuedCharacters += lengthOf(chunk);
    this.#sending ??= this.#sendAll();
    while (this.#isFull()) await this.#room.promise;
  }

  /** Resolves when all that was pushed is stored, or given up: look at `failure`. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  #isFull(): boolean {
    return this.#queue.length >= MAX_QUEUED_CHUNKS || this.#queuedCharacters >= MAX_QUEUED_CHARACTERS;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#send(this.#takeBatch());
    } catch (error) {
      if (!(error instanceof CliError) && !this.#signal.aborted) throw error;
      this.#fail({ kind: "unreachable", error: error instanceof CliError ? error : abandoned() });
    }
    this.#sending = null;
  }

  async #send(chunks: ChunkType[]): Promise<void> {
    const outcome = await this.#client.append(this.#streamId, this.#nextSequence, chunks, this.#signal);
    if (outcome.kind === "refused") this.#fail({ kind: "refused", error: refusedError(outcome.refusal) });
    else this.#nextSequence += chunks.length;
  }

  #takeBatch(): ChunkType[] {
    let count = 0;
    let characters = 0;
    for (const chunk of this.#queue) {
      characters += lengthOf(chunk);
      if (count > 0 && (count >= MAX_BATCH_CHUNKS || characters > MAX_BATCH_CHARACTERS)) break;
      count++;
    }
    const batch = this.#queue.splice(0, count);
    for (const chunk of batch) this.#queuedCharacters -= lengthOf(chunk);
    this.#giveRoom();
    return batch;
  }

  #fail(failure: UploadFailure): void {
    this.#failure = failure;
    this.#queue = [];
    this.#queuedCharacters = 0;
    this.#giveRoom();
    this.#onFailure(failure);
  }

  #giveRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers<void>();
  }
}

function lengthOf(chunk: ChunkType): number {
  return chunk.type === "Text" ? chunk.content.length : 0;
}

function abandoned(): CliError {
  return new CliError(EXIT.unreachable, "the end of the stream could not be sent in time");
}
