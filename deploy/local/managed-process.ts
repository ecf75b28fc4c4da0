import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { backOffMs } from "@sluice/core";
import { OrphanGuard, waitUntil } from "@sluice/servers";

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
  #child: ChildProcess | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(spec: ProcessSpec, options: ManagedProcessOptions) {
    this.name = spec.name;
    this.#spec = spec;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
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

  /** At once, without a chance to finish anything. */
  kill(): void {
    this.#stopping.abort();
    this.#child?.kill("SIGKILL");
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill("SIGTERM");
    // A paused process takes no signal but SIGKILL until it goes on.
    if (process.platform !== "win32") this.#child?.kill("SIGCONT");
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#running;
    clearTimeout(timer);
  }

  async #keepRunning(first: PromiseWithResolvers<void>): Promise<void> {
    this.#guard = new OrphanGuard();
    try {
      await this.#runAgainAndAgain(first);
    } finally {
      this.#guard.release();
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
        this.#child?.kill("SIGKILL");
        await run.ended;
        if (starts === 1) {
          const reason = error instanceof Error ? error.message : String(error);
          first.reject(new Error(`${this.name} did not start: ${reason}\n${this.#logTail()}`));
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
    const logDescriptor = openSync(this.#options.logFile, "a");
    const child = spawn(command, args, {
      stdio: ["ignore", logDescriptor, logDescriptor],
      env,
      // Its own group: a Ctrl-C in the terminal is for the launcher, which then stops all in order.
      detached: process.platform !== "win32",
    });
    closeSync(logDescriptor);
    this.#child = child;
    this.#options.onPidChange();
    if (child.pid !== undefined) this.#guard?.watch(child.pid);

    const over = new AbortController();
    const ended = new Promise<string>((resolve) => {
      const end = (how: string): void => {
        this.#guard?.forget();
        this.#child = undefined;
        over.abort(new Error(how));
        this.#options.onPidChange();
        resolve(how);
      };
      child.once("error", (error) => {
        if (child.pid === undefined) end(`can not run: ${error.message}`);
      });
      child.once("exit", (code, signal) => {
        end(`(pid ${child.pid}) ended with ${signal ?? `exit code ${code}`}`);
      });
    });
    return { ended, over: over.signal };
  }

  async #waitReady(run: Run): Promise<void> {
    await waitUntil(this.name, this.#spec.isReady, {
      timeoutMs: this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS,
      signal: AbortSignal.any([run.over, this.#stopping.signal]),
    });
  }

  #logTail(): string {
    try {
      const lines = readFileSync(this.#options.logFile, "utf8").trimEnd().split("\n");
      return lines
        .slice(-LOG_TAIL_LINES)
        .map((line) => `  | ${line}`)
        .join("\n");
    } catch {
      return "";
    }
  }
}

interface Run {
  /** Resolves with how it ended, in words. */
  readonly ended: Promise<string>;
  /** Aborted with the same, for what waits on the process. */
  readonly over: AbortSignal;
}
