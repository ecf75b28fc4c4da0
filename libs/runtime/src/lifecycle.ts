import type { Logger } from "pino";
import { MAX_TIMER_MS } from "./config.ts";

/**
 * Closes everything that a process has opened, in reverse order, on SIGTERM or SIGINT.
 * All are tried, each bounded; exits 1 if one failed. A second signal exits at once.
 */
export class Lifecycle {
  readonly #logger: Logger;
  readonly #opened: { name: string; close: () => Promise<void> | void; timeoutMs: number }[] = [];
  #closing: Promise<boolean> | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param timeoutMs after which the next is closed all the same, and the exit code tells */
  add(name: string, close: () => Promise<void> | void, timeoutMs = 5_000): void {
    this.#opened.push({ name, close, timeoutMs });
  }

  /** Idempotent. @returns whether all closed in time */
  close(): Promise<boolean> {
    return (this.#closing ??= this.#closeAll());
  }

  /** Closes on SIGTERM and SIGINT from now on; call it once. */
  handleSignals(): void {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (this.#closing !== undefined) process.exit(1);
        this.#logger.info({ signal }, "shutting down");
        void this.close().then((isClean) => process.exit(isClean ? 0 : 1));
      });
    }
  }

  async #closeAll(): Promise<boolean> {
    let isClean = true;
    for (const { name, close, timeoutMs } of this.#opened.toReversed()) {
      try {
        await withTimeout(Promise.resolve(close()), timeoutMs);
      } catch (error) {
        isClean = false;
        this.#logger.error({ err: error, name }, "could not close in time");
      }
    }
    this.#logger.info({ isClean }, "stopped");
    return isClean;
  }
}

async function withTimeout(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    // A sum of settings may be longer than a timer can wait; beyond that it would fire at once.
    const delayMs = Math.min(timeoutMs, MAX_TIMER_MS);
    timer = setTimeout(() => reject(new Error(`not closed within ${timeoutMs} ms`)), delayMs);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a service's start and ends the process with code 1 and one clear message where it fails: settings that don't
 * hold, a port that is taken, a log that doesn't fit.
 */
export async function runMain(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const isExpected = error instanceof Error && ["ConfigError", "StreamError"].includes(error.name);
    const text = isExpected
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
    process.stderr.write(`${text}\n`);
    process.exit(1);
  }
}
