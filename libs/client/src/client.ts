import { isStreamId, type EndStatus } from "@sluice/core";
import { createHost, type ClientHost } from "./client-host.ts";
import { startCursor, type Follow } from "./follower.ts";
import { createSend, refusalOf, type HeadersSource } from "./http.ts";
import { openMemory, type StorageLike } from "./memory.ts";
import { SluiceError } from "./sluice-error.ts";
import type { StreamOptions } from "./stream-options.ts";
import { Stream } from "./stream.ts";

/** Options of {@link createClient}. */
export interface ClientOptions {
  /** Base URL of the edge, from which streams are read. A path is kept, so an edge may stand below one. */
  edgeUrl: string;
  /**
   * Base URL of the gateway, to which `cancel()` goes.
   * @default `edgeUrl`
   */
  gatewayUrl?: string;
  /**
   * Headers for each request, such as `Authorization`. Called before each request, so that a token may be fresh; after a
   * 401 called once more at once, with `true`: the token it gave was refused. A call that throws counts as a failed attempt.
   * @default no headers of your own
   */
  headers?: HeadersSource;
  /**
   * Replaces `globalThis.fetch`; its responses must have a `body` that streams, as `expo/fetch` gives in React Native.
   * @default `globalThis.fetch`
   */
  fetch?: typeof globalThis.fetch;
  /**
   * Number of failed attempts in a row, from 0, after which a stream fails. Attempts while the browser is offline don't
   * count; one frame that arrives resets the count.
   * @default Infinity, so a stream never gives up
   */
  maxAttempts?: number;
  /**
   * Keeps texts (`text()`, the `text` event) and their positions, so that they survive a reload of the page. `true` uses the
   * tab's `sessionStorage` where there is one. Chunks aren't kept, nor texts of more than 1,048,576 characters; with
   * `from`, `tail` or `resumeToken` a stream is read as if nothing had been kept.
   * @default false
   */
  persist?: StorageLike | boolean;
  /**
   * Carries streams together, up to 64 per connection, since browsers open only six connections to a host over HTTP/1.1.
   * `shareTabs()` of `@sluice/client/tabs` carries those of all tabs together. A stream with `tail` keeps a connection of
   * its own.
   * @default false
   */
  share?: Sharing | boolean;
  /**
   * The edge's keep-alive interval in milliseconds (its `KEEP_ALIVE_INTERVAL_MS`), or more. After three intervals without a
   * byte, by the wall clock, the connection is given up and opened anew.
   * @default 30000
   */
  keepAliveMs?: number;
  /** @deprecated the old name of `keepAliveMs` */
  heartbeatMs?: number;
}

/** Way in which a client's streams share connections; {@link ClientOptions.share} takes one. */
export type Sharing = (host: ClientHost, headers: HeadersSource | undefined) => Follow;

/** Reads and stops the streams of one Sluice; see {@link createClient}. */
export interface Client {
  /**
   * Describes one reading of a stream. Nothing is requested before its first use.
   * @param streamId 1 to 128 of `A-Z a-z 0-9 _ -`
   * @throws SluiceError INVALID_STREAM_ID, INVALID_RESUME_TOKEN
   */
  stream(streamId: string, options?: StreamOptions): Stream;
  /**
   * Asks a stream's producer to stop. It doesn't matter whether this client reads the stream.
   * @returns the stream's status: `open` until its producer has stopped
   * @throws SluiceError the request was refused (`status`, `code`)
   * @throws TypeError `fetch` got no answer
   */
  cancel(streamId: string): Promise<"open" | EndStatus>;
}

const KEEP_ALIVE_MS = 30_000;

const baseOf = (url: string): string => url.replace(/\/+$/, "");

/** There an address may be relative. */
const isOfPage = "location" in globalThis;

/**
 * Creates a client. It holds no connection until a stream is used, and needs no closing.
 *
 * @throws SluiceError INVALID_REQUEST where `edgeUrl` is no address
 * @example
 * ```ts
 * import { createClient } from "@sluice/client";
 *
 * export async function readRiver(token: () => Promise<string>): Promise<string> {
 *   const client = createClient({
 *     edgeUrl: "https://edge.example.org",
 *     headers: async () => ({ Authorization: `Bearer ${await token()}` }),
 *   });
 *   const stream = client.stream("river");
 *   stream.on("gap", (gap) => console.warn("not available any more", gap));
 *   return stream.text();
 * }
 * ```
 */
export function createClient(options: ClientOptions): Client {
  const {
    edgeUrl: edge,
    gatewayUrl = edge,
    // Browsers refuse a fetch that was taken off its window.
    fetch = (...request) => globalThis.fetch(...request),
    headers,
    maxAttempts = Infinity,
    persist,
    share,
    heartbeatMs = KEEP_ALIVE_MS,
    keepAliveMs = heartbeatMs,
  } = options;
  // Without this a missing address is asked again and again, as if it were a lost connection.
  if (typeof edge !== "string" || !(isOfPage || URL.canParse(edge)))
    throw new SluiceError("INVALID_REQUEST", 'edgeUrl must be an address: "https://edge.example.org"');
  const send = createSend(fetch, headers);
  const host = createHost({ edgeUrl: baseOf(edge), send, maxAttempts, keepAliveMs });
  const memory = openMemory(persist);
  const { followAlone, followShared } = host;
  const follow = share === true ? followShared : share ? share(host, headers) : followAlone;

  const cancel = async (streamId: string): Promise<"open" | EndStatus> => {
    const response = await send("POST", `${baseOf(gatewayUrl)}/streams/${streamId}/cancel`, {});
    if (!response.ok) throw await refusalOf(response);
    return ((await response.json()) as { status: "open" | EndStatus }).status;
  };

  return {
    stream(streamId, streamOptions = {}) {
      if (!isStreamId(streamId)) throw new SluiceError("INVALID_STREAM_ID", "Not a stream id");
      if (streamOptions.resumeToken !== undefined && startCursor(streamOptions) === null)
        throw new SluiceError("INVALID_RESUME_TOKEN", "Not a resume token");
      return new Stream(streamId, streamOptions, { memory, follow, cancel });
    },
    cancel,
  };
}
