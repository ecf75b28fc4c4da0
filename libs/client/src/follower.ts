import type { ConnectionState } from "./connection.ts";
import { sequenceOfToken } from "./position.ts";
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
  changed(state: ConnectionState, error: SluiceError | null): void;
  /** No frame follows. Null: it has ended. */
  over(error: SluiceError | null): void;
  /** From now on this brings its frames, unless it is over. */
  carryOn(carry: (follower: Follower) => Carrier): void;
  /** Null, or what to wait for before it gets more. */
  room(): Promise<void> | null;
}

/** What brings a stream's frames, until it is left. */
export interface Carrier {
  leave(): void;
}

/** The cursor that a request with these options means; null: only the server knows. */
export function startCursor({ from, tail, resumeToken }: StartOptions): number | null {
  if (resumeToken !== undefined) return sequenceOfToken(resumeToken);
  if (from !== undefined) return from - 1;
  return tail === undefined ? 0 : null;
}

/** The query that says where a stream begins of which nothing has come yet. */
export function startQuery({ from, tail, resumeToken }: StartOptions): [string, string][] {
  if (resumeToken !== undefined) return [["resume_token", resumeToken]];
  if (from !== undefined) return [["from", String(from)]];
  return tail === undefined ? [] : [["tail", String(tail)]];
}

/** What else a request asks for. */
export function requestQuery({ compact, wait }: RequestOptions): [string, string][] {
  const query: [string, string][] = [];
  if (compact === true) query.push(["compact", "1"]);
  if (wait !== undefined && wait > 0) query.push(["wait", String(wait)]);
  return query;
}

export function withQuery(url: string, query: readonly (readonly [string, string])[]): string {
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return text === "" ? url : `${url}?${text}`;
}
