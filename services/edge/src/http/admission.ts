import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { StreamError, TokenBucket } from "@sluice/core";
import { createMemoryMeter } from "@sluice/runtime";
import type { ConnectionRegistry } from "../connection/connection-registry.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { EdgeSettings } from "../config.ts";

const WATCH_INTERVAL_MS = 1_000;

// Of the most that V8 may take. Above the first, collecting garbage begins to be all that the process does.
const SOFT_HEAP_SHARE = 0.8;
const HARD_HEAP_SHARE = 0.92;

// Shed a little at a time: what is closed frees its memory only by the next look.
const SHED_SHARE = 0.05;

// Without this bound a flood from many addresses fills the heap with buckets.
const MAX_ADDRESSES = 50_000;

type PressureSettings = Pick<
  EdgeSettings,
  | "maxConnections"
  | "maxConnectionsPerAddress"
  | "connectsPerSecond"
  | "connectBurst"
  | "softRssBytes"
  | "hardRssBytes"
  | "maxLoopDelayMs"
>;

/** Measured once a second. */
export interface Load {
  /** Memory of the process, or what its container is charged where that is more. */
  rssBytes: number;
  /** Share of V8's limit, 0 to 1. */
  heapShare: number;
  loopDelayMs: number;
}

/**
 * Decides who may connect. Above the soft marks nobody new, and the pod isn't ready; above the hard ones the
 * slowest readers are disconnected as well. They resume elsewhere.
 */
export class Admission {
  readonly #registry: Pick<ConnectionRegistry, "connections" | "countOf">;
  readonly #settings: PressureSettings;
  readonly #metrics: EdgeMetrics;
  readonly #measure: () => Load;
  readonly #stopMeasuring: () => void;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #timer: NodeJS.Timeout;
  #problem: string | null = null;

  /** @param measure for tests; else the process is measured */
  constructor(
    registry: Pick<ConnectionRegistry, "connections" | "countOf">,
    settings: PressureSettings,
    metrics: EdgeMetrics,
    measure?: () => Load,
  ) {
    this.#registry = registry;
    this.#settings = settings;
    this.#metrics = metrics;
    const meter = measure === undefined ? processMeter() : { measure, stop: () => {} };
    this.#measure = meter.measure;
    this.#stopMeasuring = meter.stop;
    this.#timer = setInterval(() => this.look(), WATCH_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Problem of the moment, in a few words; null: none. */
  get problem(): string | null {
    return this.#problem;
  }

  /** @throws StreamError OVERLOADED, TOO_MANY_REQUESTS */
  admit(address: string): void {
    if (this.#problem !== null) throw new StreamError("OVERLOADED", "this server is at its limit; try again");
    if (this.#registry.connections.size >= this.#settings.maxConnections) {
      throw new StreamError("OVERLOADED", "too many connections here; try again");
    }
    if (this.#registry.countOf(address) >= this.#settings.maxConnectionsPerAddress) {
      throw new StreamError("TOO_MANY_REQUESTS", "too many connections from your address; try again");
    }
    if (!this.#takeToken(address)) {
      throw new StreamError("OVERLOADED", "too many connections from your address; try again");
    }
  }

  /** Charges what was let in and turned out to cost as much as another connection. */
  charge(address: string): void {
    this.#buckets.get(address)?.take(1, performance.now());
  }

  look(): void {
    const load = this.#measure();
    const { softRssBytes, hardRssBytes, maxLoopDelayMs } = this.#settings;
    if (load.rssBytes > softRssBytes || load.heapShare > SOFT_HEAP_SHARE) this.#problem = "short of memory";
    else if (load.loopDelayMs > maxLoopDelayMs) this.#problem = "event loop delayed";
    else this.#problem = null;
    if (load.rssBytes > hardRssBytes || load.heapShare > HARD_HEAP_SHARE) this.#shed();
    this.#forgetFullBuckets();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stopMeasuring();
  }

  #shed(): void {
    const slowestFirst = [...this.#registry.connections].toSorted(
      (left, right) => right.waitingBytes - left.waitingBytes,
    );
    for (const connection of slowestFirst.slice(0, Math.ceil(slowestFirst.length * SHED_SHARE))) {
      this.#metrics.shed.inc();
      connection.destroy();
    }
  }

  #takeToken(address: string): boolean {
    const { connectsPerSecond, connectBurst } = this.#settings;
    if (connectsPerSecond === 0) return true;
    const nowMs = performance.now();
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_ADDRESSES) return false;
      bucket = new TokenBucket(connectsPerSecond, connectBurst, nowMs);
      this.#buckets.set(address, bucket);
    }
    return bucket.tryTake(1, nowMs);
  }

  #forgetFullBuckets(): void {
    const nowMs = performance.now();
    for (const [address, bucket] of this.#buckets) {
      if (bucket.isFull(nowMs)) this.#buckets.delete(address);
    }
  }
}

function processMeter(): { measure: () => Load; stop: () => void } {
  const loopDelay = monitorEventLoopDelay({ resolution: 20 });
  loopDelay.enable();
  const usedBytes = createMemoryMeter();
  return {
    measure: () => {
      const loopDelayMs = Number.isNaN(loopDelay.mean) ? 0 : loopDelay.mean / 1e6;
      loopDelay.reset();
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      return { rssBytes: usedBytes(), heapShare: used / limit, loopDelayMs };
    },
    stop: () => loopDelay.disable(),
  };
}
