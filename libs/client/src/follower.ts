import type { EndStatus } from "@sluice/core";
import type { ConnectionState } from "./connection.ts";
import { sequenceOfToken } from "./sequence.ts";
import type { SluiceError } from "./sluice-error.ts";
import type { StreamReader } from "./stream-reader.ts";

/** Where to begin; at most one of the three, by default at the beginning. */
export interface StartOptions {
  /** The first sequence wanted, from 1. */
  from?: number;
  /** How many of the last; 0: only what comes from now on. */
  tail?: number;
  resumeToken?: string;
}

export interface RequestOptions extends StartOptions {
  /** Replayed text arrives in fewer, larger chunks, each with `first_sequence`. */
  compact?: boolean;
  /** Seconds (up to 30) for which a stream that isn't there yet is waited for. */
  wait?: number;
}

/** A stream as those see it that bring its frames. */
export interface Follower {
  readonly id: string;
  readonly options: RequestOptions;
  readonly reader: StreamReader;
  readonly changed: (state: ConnectionState, error: SluiceError | null) => void;
  /** No frame follows. Null: it has ended. @param status how, as the server says it */
  readonly over: (error: SluiceError | null, status?: EndStatus | null) => void;
  /** From now on this brings its frames, unless it is over. */
  readonly carryOn: (follow: (follower: Follower) => Leave) => void;
  /** Null, or what to wait for before it gets more. */
  readonly room: () => Promise<void> | null;
}

/** Stops what brings a stream's frames. */
export type Leave = () => void;

/** The cursor that a request with these options means; null: only the server knows. */
export function startCursor({ from, tail, resumeToken }: StartOptions): number | null {
  if (resumeToken !== undefined) return sequenceOfToken(resumeToken);
  if (from !== undefined) return from - 1;
  return tail === undefined ? 0 : null;
}

type Query = Record<string, string | number | undefined>;

/** What says where a stream begins of which nothing has come yet. */
export function startQuery({ from, tail, resumeToken }: StartOptions): Query {
  return { resume_token: resumeToken, from, tail };
}

/** What else a request asks for. */
export function requestQuery({ compact, wait }: RequestOptions): Query {
  return { compact: compact === true ? 1 : undefined, wait };
}

/** Members that are undefined are left out. */
export function withQuery(url: string, query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value ?? "")}`).join("&");
  return text === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${text}`;
}
