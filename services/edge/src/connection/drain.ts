import { setTimeout as sleep } from "node:timers/promises";
import { retryFrame } from "@sluice/protocol";
import type { Connection } from "./connection.ts";
import { jitteredRetryMs } from "./retry-delay.ts";
import type { EdgeSettings } from "../config.ts";

// Fine enough to be even, coarse enough to be cheap.
const STEP_MS = 50;

/**
 * Closes all connections, evenly over `drainTimeoutMs`, each with a reconnect delay of its own: the other pods get
 * them one after another. Connections that come meanwhile are closed too. Resolves when none is left, or the time is over.
 */
export async function closeStaggered(
  connections: ReadonlySet<Connection>,
  settings: Pick<EdgeSettings, "drainTimeoutMs" | "retryMs">,
): Promise<void> {
  const { drainTimeoutMs, retryMs } = settings;
  const told = new Set<Connection>();
  const steps = Math.max(1, Math.floor(drainTimeoutMs / STEP_MS));
  for (let stepsLeft = steps; connections.size > 0 && stepsLeft > 0; stepsLeft--) {
    const waiting = [...connections].filter((connection) => !told.has(connection));
    for (const connection of waiting.slice(0, Math.ceil(waiting.length / stepsLeft))) {
      told.add(connection);
      connection.breakOff(Buffer.from(retryFrame(jitteredRetryMs(retryMs))));
    }
    await sleep(Math.min(STEP_MS, drainTimeoutMs));
  }
}
