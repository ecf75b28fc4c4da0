import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { OrphanGuard } from "./orphan-guard.ts";

export interface LoggedProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Default: this process' own. */
  readonly cwd?: string;
  /** Gets stdout and stderr, appended. */
  readonly logFile: string;
  /** A process group of its own: a Ctrl-C in the terminal doesn't reach it. */
  readonly isDetached?: boolean;
  /** Kills the child should this process end before it. */
  readonly guard: OrphanGuard;
  /** Called once, when the child has ended or could not run. @param how in words: "ended with SIGKILL" */
  readonly onEnd: (how: string) => void;
}

/** One child process that writes to a log file. */
export class LoggedProcess {
  readonly #child: ChildProcess;
  readonly #over = new AbortController();

  constructor(options: LoggedProcessOptions) {
    const { command, args, env, cwd, logFile, isDetached = false, guard, onEnd } = options;
    const logDescriptor = openSync(logFile, "a");
    this.#child = spawn(command, args, {
      stdio: ["ignore", logDescriptor, logDescriptor],
      env,
      detached: isDetached && process.platform !== "win32",
      ...(cwd === undefined ? {} : { cwd }),
    });
    closeSync(logDescriptor);
    if (this.#child.pid !== undefined) guard.watch(this.#child.pid);
    const end = (how: string): void => {
      guard.forget();
      this.#over.abort(new Error(how));
      onEnd(how);
    };
    this.#child.once("error", (error) => {
      if (this.pid === undefined) end(`can not run: ${error.message}`);
    });
    this.#child.once("exit", (code, signal) => end(`ended with ${signal ?? `exit code ${code}`}`));
  }

  /** Undefined where it could not run. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Aborted when it ends, with an Error that says how. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when it has ended: by `signal`, and by SIGKILL where that takes longer than `timeoutMs`. */
  async end(signal: "SIGTERM" | "SIGKILL", timeoutMs: number): Promise<void> {
    if (this.over.aborted) return;
    const gone = once(this.over, "abort");
    this.#child.kill(signal);
    // A paused process takes no signal but SIGKILL until it goes on.
    if (process.platform !== "win32") this.#child.kill("SIGCONT");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), timeoutMs);
    await gone;
    clearTimeout(timer);
  }
}

/** @returns the last lines of a log file; "" where it can't be read */
export function logTail(logFile: string, lines: number): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
