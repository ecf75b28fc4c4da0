import type { PromisedPorts } from "./ports.ts";

export interface EmbeddedOptions {
  readonly ports: PromisedPorts;
  readonly tokensPerSecond: number | undefined;
  /** The user's, for the model and key of the worker. */
  readonly environment: NodeJS.ProcessEnv;
}

export interface EmbeddedSluice {
  readonly urls: { readonly edge: string; readonly gateway: string };
  /** Ends it in order. Bounded, idempotent. */
  close(): Promise<void>;
}

/**
 * Runs ingest, edge, gateway and worker in this process, on the in-memory log and cache.
 * Resolves when all are ready.
 */
export function runEmbedded(_options: EmbeddedOptions): Promise<EmbeddedSluice> {
  return Promise.reject(new Error("Embedded mode is not wired yet."));
}
