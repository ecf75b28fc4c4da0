import { setTimeout as delay } from "node:timers/promises";
import { backOffMs } from "@sluice/core";
import { LoggedProcess, logTail, OrphanGuard, waitUntil } from "@sluice/servers";

const READY_TIMEOUT_MS = 30_000;
// Past this a process that hangs on its way down is killed, so that Ctrl-C always ends.
const STOP_TIMEOUT_MS = 8_000;
const RESTART_BACK_OFF = { baseMs: 250, maxMs: 10_000, jitter: 0 };
// One that ran this long and then fell is not in a crash loop: it starts again with the shortest delay.
const STABLE_AFTER_MS = 30_000;
const LOG_TAIL_LINES = 12;

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isReady: () => Promise<boolean>;
  /** Processes start by rising group, each group when the one before is ready, and stop by falling group. */
  readonly group: number;
}

export interface ManagedProcessOptions {
  readonly logFile: string;
  readonly report: (line: string) => void;
  /** Called whenever the pid is another one. */
  readonly onPidChange: () => void;
  readonly readyTimeoutMs?: number;
}

/**
 * One program, kept running.
 *
 * starting → ready → (it ends by itself) → waiting → starting → …
 *
 * The first start fails for good, with the tail of the log: what can't start once has a reason that a repetition
 * won't change. After that every end is reported and followed by another start, later each time. `stop` and `kill`
 * lead out of every state.
 */
export class ManagedProcess {
  readonly name: string;
  readonly #spec: ProcessSpec;
  readonly #options: ManagedProcessOptions;
  readonly #stopping = new AbortController();
  #guard: OrphanGuard | undefined;
  #process: LoggedProcess | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(spec: ProcessSpec, options: ManagedProcessOptions) {
    this.name = spec.name;
    this.#spec = spec;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves when it is ready for the first time. */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#keepRunning(first);
    return first.promise;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Ends it at once, without a chance to finish anything. */
  kill(): void {
    this.#stopping.abort();
    this.#process?.signal("SIGKILL");
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#process?.end("SIGTERM", STOP_TIMEOUT_MS);
    await this.#running;
  }

  async #keepRunning(first: PromiseWithResolvers<void>): Promise<void> {
    try {
      await this.#runAgainAndAgain(first);
    } finally {
      this.#guard?.release();
    }
  }

  async #runAgainAndAgain(first: PromiseWithResolvers<void>): Promise<void> {
    const signal = this.#stopping.signal;
    let shortRuns = 0;
    for (let starts = 1; ; starts++) {
      const startedAt = Date.now();
      const run = this.#spawn();
      try {
        await this.#waitReady(run);
        if (starts === 1) first.resolve();
        else this.#options.report(`${this.name} is back (pid ${this.pid}).`);
      } catch (error) {
        await run.process.end("SIGKILL", STOP_TIMEOUT_MS);
        if (starts === 1) {
          const reason = error instanceof Error ? error.message : String(error);
          const tail = logTail(this.#options.logFile, LOG_TAIL_LINES).replace(/^/gm, "  | ");
          first.reject(new Error(`${this.name} did not start: ${reason}\n${tail}`));
          return;
        }
      }
      const ending = await run.ended;
      if (signal.aborted) return;

      shortRuns = Date.now() - startedAt > STABLE_AFTER_MS ? 0 : shortRuns + 1;
      const delayMs = backOffMs(Math.max(0, shortRuns - 1), RESTART_BACK_OFF);
      const { logFile, report } = this.#options;
      report(`${this.name} ${ending}; starting it again in ${delayMs / 1000} s (log: ${logFile})`);
      try {
        await delay(delayMs, undefined, { signal });
      } catch {
        return;
      }
    }
  }

  #spawn(): Run {
    const { command, args, env } = this.#spec;
    const { logFile, onPidChange } = this.#options;
    const ended = Promise.withResolvers<string>();
    const started = new LoggedProcess({
      command,
      args,
      env,
      logFile,
      // The launcher takes the Ctrl-C, and then stops all in order.
      isDetached: true,
      guard: (this.#guard ??= new OrphanGuard()),
      onEnd: (how) => {
        this.#process = undefined;
        onPidChange();
        ended.resolve(started.pid === undefined ? how : `(pid ${started.pid}) ${how}`);
      },
    });
    this.#process = started;
    onPidChange();
    return { process: started, ended: ended.promise };
  }

  async #waitReady({ process }: Run): Promise<void> {
    await waitUntil(this.name, this.#spec.isReady, {
      timeoutMs: this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS,
      signal: AbortSignal.any([process.over, this.#stopping.signal]),
    });
  }
}

interface Run {
  readonly process: LoggedProcess;
  /** Resolves with how it ended, in words. */
  readonly ended: Promise<string>;
}
