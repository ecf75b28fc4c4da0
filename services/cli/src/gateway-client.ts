import type { ChunkType } from "@sluice/core";
import { BackOff } from "./back-off.ts";
import { CliError, EXIT } from "./exit-codes.ts";
import { causeOf, mayPass, readRefusal, refusedError, unreachableError, type Refusal } from "./http.ts";

export interface CreatedStream {
  streamId: string;
  /** Addresses at which it can be read and watched, by name. */
  urls: Readonly<Record<string, string>>;
}

export type AppendOutcome =
  | { kind: "stored" }
  /** Not taken, now or ever: the stream ended or was deleted elsewhere, or somebody else writes to it. */
  | { kind: "refused"; refusal: Refusal };

/** A zod schema, or what else reads like one. */
interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

// Longer than the gateway waits for the log.
const REQUEST_TIMEOUT_MS = 40_000;

/** The gateway's HTTP, as far as the command needs it. */
export class GatewayClient {
  readonly #url: string;
  readonly #giveUpAfterMs: number;
  readonly #signal: AbortSignal;

  constructor(options: {
    url: string;
    /** Longest time that `append` repeats without success, ms; 0: for ever. */
    giveUpAfterMs: number;
    /** Ends all but `append`, with its reason. */
    signal: AbortSignal;
  }) {
    this.#url = options.url;
    this.#giveUpAfterMs = options.giveUpAfterMs;
    this.#signal = options.signal;
  }

  /** @throws CliError refused or unreachable */
  async createStream(streamId: string | undefined): Promise<CreatedStream> {
    const body = await this.#json("/streams", streamId === undefined ? {} : { stream_id: streamId });
    return createdStream(body);
  }

  /** @throws CliError refused (no worker, for one) or unreachable */
  async ask(prompt: string, streamId: string | undefined): Promise<CreatedStream> {
    return createdStream(
      await this.#json("/prompts", {
        prompt,
        ...(streamId === undefined ? {} : { stream_id: streamId }),
      }),
    );
  }

  /** @throws CliError not found, refused or unreachable */
  status(streamId: string): Promise<Record<string, unknown>> {
    return this.#json(`/streams/${encodeURIComponent(streamId)}`);
  }

  /**
   * Reads the answer of a route for operators.
   * @throws CliError refused, also where this address has no such routes; unreachable
   */
  async readControl<T>(path: string, schema: Schema<T>): Promise<T> {
    const response = await this.#reach(path, {});
    if (response.status === 404 || response.status === 405) {
      const remedy = "it needs CONTROL_ENABLED=true, or --gateway the address of its admin port";
      throw new CliError(EXIT.refused, `${this.#url} has no routes for operators: ${remedy}`);
    }
    const parsed = schema.safeParse(await this.#readJson(response));
    if (parsed.success) return parsed.data;
    throw new CliError(EXIT.refused, `what ${this.#url} answers can't be read`);
  }

  /**
   * Appends chunks to a stream that nobody else writes to, once, however often it has to be tried: each attempt names
   * the number that the first chunk must take. So one that was stored, but whose answer was lost, is refused when it
   * comes again, and the refusal's `head_sequence` proves that it stands there already.
   * @throws CliError unreachable after `giveUpAfterMs` without success; the signal's reason once it is aborted
   */
  async append(
    streamId: string,
    firstSequence: number,
    chunks: readonly ChunkType[],
    signal: AbortSignal,
  ): Promise<AppendOutcome> {
    const lastSequence = firstSequence + chunks.length - 1;
    const path = `/streams/${encodeURIComponent(streamId)}/chunks`;
    const request = post(JSON.stringify(chunks), { "sluice-sequence": String(firstSequence) });
    const backOff = new BackOff(this.#giveUpAfterMs);
    let mayBeStored = false;
    for (;;) {
      let retryAfterMs = 0;
      let problem: CliError;
      try {
        const response = await this.#request(path, request, signal);
        if (response.ok) return await this.#assertStored(response, firstSequence);
        const refusal = await readRefusal(response);
        if (mayBeStored && refusal.problem["head_sequence"] === lastSequence) return { kind: "stored" };
        if (!mayPass(refusal)) return { kind: "refused", refusal };
        // A gateway that gave up on the log says so where it knows that the log has nothing of it.
        if (refusal.problem["may_be_stored"] !== false) mayBeStored = true;
        retryAfterMs = refusal.retryAfterMs;
        problem = refusedError(refusal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CliError) throw error;
        if (causeOf(error) !== "ECONNREFUSED") mayBeStored = true;
        problem = unreachableError("gateway", this.#url, error);
      }
      if (!(await backOff.wait(retryAfterMs, signal))) throw problem;
    }
  }

  /** A gateway that took the chunks under other numbers doesn't know the condition, or the stream isn't ours alone. */
  async #assertStored(response: Response, firstSequence: number): Promise<AppendOutcome> {
    const { first_sequence: first } = (await response.json()) as { first_sequence?: unknown };
    if (typeof first === "number" && first !== firstSequence) {
      throw new CliError(
        EXIT.refused,
        `somebody else writes to the stream: chunk ${firstSequence} became ${first}`,
      );
    }
    return { kind: "stored" };
  }

  /** Posts the body, or gets where there is none. */
  async #json(path: string, body?: object): Promise<Record<string, unknown>> {
    return this.#readJson(await this.#reach(path, body === undefined ? {} : post(JSON.stringify(body))));
  }

  async #reach(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#request(path, init, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw unreachableError("gateway", this.#url, error);
    }
  }

  async #readJson(response: Response): Promise<Record<string, unknown>> {
    if (!response.ok) throw refusedError(await readRefusal(response));
    const answer: unknown = await response.json().catch(() => null);
    if (typeof answer !== "object" || answer === null) {
      throw new CliError(EXIT.refused, `what answers at ${this.#url} is no Sluice gateway`);
    }
    return { ...answer };
  }

  #request(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    return fetch(`${this.#url}${path}`, { ...init, signal: AbortSignal.any([signal, timeout]) });
  }
}

function post(body: string, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json", ...headers }, body };
}

function createdStream(body: Record<string, unknown>): CreatedStream {
  const { stream_id: streamId, urls } = body;
  if (typeof streamId !== "string")
    throw new CliError(EXIT.refused, "the gateway's answer holds no stream_id");
  const entries = typeof urls === "object" && urls !== null ? Object.entries(urls) : [];
  return {
    streamId,
    urls: Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    ),
  };
}
