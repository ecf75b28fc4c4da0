import type { EndStatus } from "@sluice/core";
import type { ConnectionState } from "./connection.ts";
import { SluiceError } from "./sluice-error.ts";
import type { RequestOptions } from "./stream-options.ts";

/** Changes with the messages below: a page and a worker of different releases don't talk to each other. */
export const TABS_VERSION = 1;

/** Settings of a page's client. Pages whose settings are equal share their readings. */
export interface TabSettings {
  readonly edgeUrl: string;
  readonly maxAttempts: number;
  readonly keepAliveMs: number;
  /** Whether the page has to be asked for headers before each request. */
  readonly hasHeaders: boolean;
}

/** Messages of a page to the worker. `key` is the page's number for one reading of one stream. */
export type ToWorker =
  | { readonly kind: "hello"; readonly version: number; readonly settings: TabSettings }
  | {
      readonly kind: "follow";
      readonly key: number;
      readonly streamId: string;
      readonly cursor: number;
      readonly options: Pick<RequestOptions, "compact" | "wait">;
    }
  | { readonly kind: "leave"; readonly key: number }
  /** The page has taken frames of so many characters. */
  | { readonly kind: "took"; readonly key: number; readonly characters: number }
  /** @param headers null: the page's function for headers has failed */
  | {
      readonly kind: "headers";
      readonly question: number;
      readonly headers: readonly [string, string][] | null;
    }
  /** The network is there again, or the user looks at the page: neither is told to a worker. */
  | { readonly kind: "wake"; readonly isOnline: boolean }
  /** The page goes, or is set aside by the browser. */
  | { readonly kind: "bye" };

/** Messages of the worker to a page. */
export type ToPage =
  | { readonly kind: "welcome" }
  | { readonly kind: "headers"; readonly question: number; readonly wasRefused: boolean }
  | ({ readonly kind: "state"; readonly key: number } & TabState)
  /** Frames as JSON: their size is known, and copying a string is cheap. */
  | { readonly kind: "frames"; readonly key: number; readonly frames: readonly string[] }
  | ({ readonly kind: "over"; readonly key: number } & TabEnd);

export interface TabState {
  readonly state: ConnectionState;
  readonly error: ErrorCopy | null;
  readonly connectionId: string | null;
}

export interface TabEnd {
  readonly error: ErrorCopy | null;
  readonly status: EndStatus | null;
}

/** A SluiceError for the way between page and worker: copies of errors lose their class and their own members. */
export type ErrorCopy = Pick<SluiceError, "code" | "message" | "status" | "isRetryable" | "retryAfterMs">;

export function copyError(error: SluiceError | null): ErrorCopy | null {
  if (error === null) return null;
  const { code, message, status, isRetryable, retryAfterMs } = error;
  return { code, message, status, isRetryable, retryAfterMs };
}

export function errorOf(copy: ErrorCopy | null): SluiceError | null {
  if (copy === null) return null;
  const { code, message, ...facts } = copy;
  return new SluiceError(code, message, facts);
}

/** The part of a MessagePort that is used. */
export interface TabPort {
  postMessage(message: ToPage | ToWorker): void;
  addEventListener(type: "message" | "close", listener: (event: MessageEvent) => void): void;
  start(): void;
}
