import { commentFrame, MIN_KEEP_ALIVE_MS } from "@sluice/protocol";
import type { ConnectionRegistry } from "./connection-registry.ts";

// Rounds in the shortest interval. Silence is counted in them, so a comment follows at most one of them early.
const ROUNDS = 4;

const KEEP_ALIVE = Buffer.from(commentFrame("heartbeat"));

/**
 * Sends a comment on each connection that was silent for its interval: the shortest of those that its streams ask for,
 * at most `intervalMs`. One timer serves all connections.
 */
export class KeepAlive {
  readonly #registry: Pick<ConnectionRegistry, "all">;
  readonly #intervalMs: number;
  readonly #roundMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(registry: Pick<ConnectionRegistry, "all">, intervalMs: number) {
    this.#registry = registry;
    this.#intervalMs = intervalMs;
    this.#roundMs = Math.min(intervalMs, MIN_KEEP_ALIVE_MS) / ROUNDS;
    this.#timer = setInterval(() => this.#round(), this.#roundMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #round(): void {
    for (const { connection, carries } of this.#registry.all) {
      connection.silentRounds++;
      // No interval is shorter, and most connections get no further.
      if (connection.silentRounds < ROUNDS || connection.waitingBytes > 0) continue;
      const intervalMs = Math.min(this.#intervalMs, carries.keepAliveIntervalMs ?? Infinity);
      if (connection.silentRounds * this.#roundMs >= intervalMs) connection.push(KEEP_ALIVE, 0);
    }
  }
}
