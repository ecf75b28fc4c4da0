import type { EndStatus } from "@sluice/core";
import type { ConnectionSettings } from "./connection.ts";
import { startCursor } from "./follower.ts";
import { createHttp, refusalOf, type HeadersSource } from "./http.ts";
import { openMemory, type StorageLike } from "./memory.ts";
import { followAlone } from "./own-connection.ts";
import { SharedConnection, type SharedHost } from "./shared-connection.ts";
import { SluiceError } from "./sluice-error.ts";
import { Stream, type StreamOptions } from "./stream.ts";

export interface ClientOptions {
  /** Where streams are read. */
  edgeUrl: string;
  /** Where streams are stopped; by default the edge. */
  gatewayUrl?: string;
  /** Asked for each request, so a token may be a fresh one; asked again after a 401. */
  headers?: HeadersSource;
  fetch?: typeof globalThis.fetch;
  /** Attempts in a row that may fail before a stream fails; by default it never gives up. */
  maxAttempts?: number;
  /** Texts go on where they were after the page was loaded anew; who reads chunks begins where it says. True: in this tab's `sessionStorage`. */
  persist?: StorageLike | boolean;
  /** Streams share connections, of which browsers allow six to a host over HTTP/1.1. */
  share?: boolean;
  /** At least as long as the server's interval; three without a sign, and a connection is opened anew. */
  heartbeatMs?: number;
}

export interface Client {
  /** Connects at the first use. An id is 1 to 128 of `A-Z a-z 0-9 _ -`. @throws SluiceError INVALID_STREAM_ID, INVALID_RESUME_TOKEN */
  stream(streamId: string, options?: StreamOptions): Stream;
  /** Asks for a stream to be stopped. @returns how it stands: `open` until its producer has stopped. @throws SluiceError */
  cancel(streamId: string): Promise<"open" | EndStatus>;
}

const HEARTBEAT_MS = 30_000;

const baseOf = (url: string): string => url.replace(/\/+$/, "");

/** There an address may be relative. */
const isOfPage = "location" in globalThis;

/** @throws SluiceError INVALID_REQUEST where `edgeUrl` is no address */
export function createClient(options: ClientOptions): Client {
  // Without this a missing address is asked again and again, as if it were a lost connection.
  if (typeof options.edgeUrl !== "string" || !(isOfPage || URL.canParse(options.edgeUrl)))
    throw new SluiceError("INVALID_REQUEST", 'edgeUrl must be an address: "https://edge.example.org"');
  const edgeUrl = baseOf(options.edgeUrl);
  // Browsers refuse a fetch that was taken off its window.
  const http = createHttp(options.fetch ?? ((...request) => globalThis.fetch(...request)), options.headers);
  const settings: ConnectionSettings = {
    http,
    maxAttempts: options.maxAttempts ?? Infinity,
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
  };
  const memory = openMemory(options.persist);
  const shared: SharedConnection[] = [];
  const host: SharedHost = {
    edgeUrl,
    settings,
    followAlone: (follower) => followAlone(edgeUrl, settings, follower),
    followShared: (follower) => {
      // Only the server knows where it begins, or that it can't.
      if ((follower.reader.cursor ?? -1) < 0) return host.followAlone(follower);
      let connection = shared.find((each) => each.hasRoomFor(follower));
      if (connection === undefined) {
        connection = new SharedConnection(host, follower.options.compact ?? false);
        shared.push(connection);
      }
      return connection.join(follower);
    },
  };
  const follow = options.share === true ? host.followShared : host.followAlone;

  const cancel = async (streamId: string): Promise<"open" | EndStatus> => {
    const response = await http.send(
      "POST",
      `${baseOf(options.gatewayUrl ?? edgeUrl)}/streams/${streamId}/cancel`,
      {},
    );
    if (!response.ok) throw await refusalOf(response);
    return ((await response.json()) as { status: "open" | EndStatus }).status;
  };

  return {
    stream(streamId, streamOptions = {}) {
      if (!/^[\w-]{1,128}$/.test(streamId)) throw new SluiceError("INVALID_STREAM_ID", "not a stream id");
      if (streamOptions.resumeToken !== undefined && startCursor(streamOptions) === null)
        throw new SluiceError("INVALID_RESUME_TOKEN", "not a resume token");
      return new Stream(streamId, streamOptions, { memory, follow, cancel });
    },
    cancel,
  };
}
