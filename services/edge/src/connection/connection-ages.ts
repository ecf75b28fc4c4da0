import { retryFrame } from "@sluice/protocol";
import type { Connection } from "./connection.ts";
import type { ConnectionRegistry } from "./connection-registry.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { jitteredRetryMs } from "./retry-delay.ts";
import type { EdgeSettings } from "../config.ts";

// Connections that came together must not go together: each has its own limit, from four fifths to six fifths.
const JITTER = 0.2;

const LONGEST_ROUND_MS = 5_000;

/** Ends connections that have become old. Their readers come again, where there is most room. */
export class ConnectionAges {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #limits = new WeakMap<Connection, number>();
  readonly #connectionRegistry: ConnectionRegistry;
  readonly #settings: Pick<EdgeSettings, "maxConnectionAgeMs" | "retryMs">;
  readonly #metrics: EdgeMetrics;

  constructor(
    connectionRegistry: ConnectionRegistry,
    settings: Pick<EdgeSettings, "maxConnectionAgeMs" | "retryMs">,
    metrics: EdgeMetrics,
  ) {
    this.#connectionRegistry = connectionRegistry;
    this.#settings = settings;
    this.#metrics = metrics;
    const { maxConnectionAgeMs } = settings;
    if (maxConnectionAgeMs === 0) return;
    this.#timer = setInterval(() => this.#look(), Math.min(LONGEST_ROUND_MS, maxConnectionAgeMs / 10));
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = Date.now();
    for (const { connection, connectedMs } of this.#connectionRegistry.all) {
      if (nowMs - connectedMs < this.#limitOf(connection)) continue;
      this.#limits.set(connection, Infinity);
      this.#metrics.aged.inc();
      connection.breakOff(Buffer.from(retryFrame(jitteredRetryMs(this.#settings.retryMs))));
    }
  }

  #limitOf(connection: Connection): number {
    const known = this.#limits.get(connection);
    if (known !== undefined) return known;
    const limit = this.#settings.maxConnectionAgeMs * (1 - JITTER + Math.random() * 2 * JITTER);
    this.#limits.set(connection, limit);
    return limit;
  }
}
