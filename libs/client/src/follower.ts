import type { EndStatus } from "@sluice/core";
import type { ConnectionState } from "./connection.ts";
import { sequenceOfToken } from "./sequence.ts";
import type { SluiceError } from "./sluice-error.ts";
import type { RequestOptions, StartOptions } from "./stream-options.ts";
import type { StreamReader } from "./stream-reader.ts";

/** View of a stream for the code that brings its frames. */
export interface Follower {
  readonly id: string;
  readonly options: RequestOptions;
  readonly reader: StreamReader;
  /** @param connectionId the edge's id of the connection that carries the stream now */
  readonly changed: (state: ConnectionState, error: SluiceError | null, connectionId?: string | null) => void;
  /** Ends the reading: no frame follows. @param error null: the stream has ended @param status how it ended, as the server says */
  readonly over: (error: SluiceError | null, status?: EndStatus | null) => void;
  /** Has `follow` bring the frames from now on, unless the stream is over. */
  readonly carryOn: (follow: Follow) => void;
  /** @returns null, or a promise to wait for before the stream gets more */
  readonly room: () => Promise<void> | null;
}

/** Stops bringing a stream's frames. */
export type Leave = () => void;

/** Begins to bring a stream's frames, from its reader's cursor on. */
export type Follow = (follower: Follower) => Leave;

/** The cursor that a request with these options means; null: only the server knows. */
export function startCursor({ from, tail, resumeToken }: StartOptions): number | null {
  if (resumeToken !== undefined) return sequenceOfToken(resumeToken);
  if (from !== undefined) return from - 1;
  return tail === undefined ? 0 : null;
}

type Query = { [Name in keyof RequestOptions]: RequestOptions[Name] | undefined };

/** Adds the options to a URL's query. Options that are undefined are left out. */
export function withQuery(url: string, { resumeToken, from, tail, compact, wait }: Query): string {
  const query = { resume_token: resumeToken, from, tail, compact: compact === true ? 1 : undefined, wait };
  let whole = url;
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined)
      whole += `${whole.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`;
  }
  return whole;
}
