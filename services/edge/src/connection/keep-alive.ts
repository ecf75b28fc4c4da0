import { commentFrame } from "@sluice/protocol";
import type { Connection } from "./connection.ts";

// Silence is counted in rounds, so a comment follows after three to four quarters of the interval.
const ROUNDS = 4;

const HEARTBEAT = Buffer.from(commentFrame("heartbeat"));

/** One timer for all connections: a comment to each that has had nothing for almost `intervalMs`. */
export class KeepAlive {
  readonly #timer: NodeJS.Timeout;

  constructor(connections: Iterable<Connection>, intervalMs: number) {
    this.#timer = setInterval(() => beat(connections), intervalMs / ROUNDS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function beat(connections: Iterable<Connection>): void {
  for (const connection of connections) {
    connection.silentRounds++;
    if (connection.silentRounds < ROUNDS || connection.isBlocked) continue;
    connection.push(HEARTBEAT, 0);
  }
}
