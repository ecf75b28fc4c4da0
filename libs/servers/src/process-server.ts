import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, closeSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OrphanGuard } from "./orphan-guard.ts";
import { isPaused } from "./process-state.ts";
import { waitUntil } from "./readiness.ts";
import type { ServerHandle } from "./server-handle.ts";

const READY_TIMEOUT_MS = 15_000;
// Past this a server that hangs on its way down is killed, so that a test run always ends.
const STOP_TIMEOUT_MS = 5_000;
const PAUSE_TIMEOUT_MS = 2_000;
const LOG_TAIL_LINES = 15;

export interface ProcessServerOptions {
  readonly name: string;
  readonly command: string;
  /** Given its own data directory, which exists and is deleted on stop. */
  readonly args: (dataDirectory: string) => readonly string[];
  readonly url: string;
  readonly port: number;
  readonly isReady: () => Promise<boolean>;
  /** Default: this process' own. */
  readonly env?: NodeJS.ProcessEnv;
}

/** It ended before it was ready. Its log tells whether another process had taken the port meanwhile. */
export class ServerStartError extends Error {
  readonly portTaken: boolean;

  constructor(name: string, reason: string, logTail: string) {
    super(`${name} did not start: ${reason}\n${logTail}`);
    this.name = "ServerStartError";
    this.portTaken = /address already in use/i.test(logTail);
  }
}

/** A local server process with its own port and data directory, which dies with this process. */
export class ProcessServer implements ServerHandle {
  readonly url: string;
  readonly port: number;
  readonly dataDirectory: string;
  readonly #options: ProcessServerOptions;
  readonly #guard: OrphanGuard;
  #child: ChildProcess | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(options: ProcessServerOptions) {
    this.#options = options;
    this.url = options.url;
    this.port = options.port;
    this.dataDirectory = mkdtempSync(join(tmpdir(), `sluice-${options.name}-`));
    this.#guard = new OrphanGuard(this.dataDirectory);
  }

  /** @throws ServerStartError, after which nothing is left behind */
  static async start(options: ProcessServerOptions): Promise<ProcessServer> {
    const server = new ProcessServer(options);
    try {
      await server.#launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async pause(): Promise<void> {
    const pid = this.#signal("SIGSTOP");
    await waitUntil(`the pause of ${this.#options.name}`, () => isPaused(pid), {
      timeoutMs: PAUSE_TIMEOUT_MS,
    });
  }

  async resume(): Promise<void> {
    this.#signal("SIGCONT");
  }

  async restart(): Promise<void> {
    if (this.#stopped !== undefined)
      throw new Error(`${this.#options.name} was stopped and its data deleted`);
    await this.#end("SIGTERM");
    await this.#launch();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #launch(): Promise<void> {
    const { name, command, args, isReady } = this.#options;
    const logDescriptor = openSync(this.#logFile, "a");
    const child = spawn(command, args(this.dataDirectory), {
      stdio: ["ignore", logDescriptor, logDescriptor],
      cwd: this.dataDirectory,
      env: this.#options.env ?? process.env,
    });
    closeSync(logDescriptor);
    this.#child = child;

    const ended = new AbortController();
    child.once("error", (error) => ended.abort(this.#startError(error.message)));
    child.once("exit", (code, signal) => {
      this.#guard.forget();
      this.#child = undefined;
      ended.abort(this.#startError(`it ended with ${signal ?? `exit code ${code}`}`));
    });
    if (child.pid !== undefined) this.#guard.watch(child.pid);
    await waitUntil(name, isReady, { timeoutMs: READY_TIMEOUT_MS, signal: ended.signal });
  }

  async #stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.dataDirectory, { recursive: true, force: true });
    this.#guard.release();
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const gone = once(child, "exit");
    child.kill(signal);
    // A paused process takes no signal but SIGKILL until it goes on.
    child.kill("SIGCONT");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  #signal(signal: "SIGSTOP" | "SIGCONT"): number {
    if (process.platform === "win32") throw new Error("Windows can not pause a process.");
    if (this.#child?.pid === undefined) throw new Error(`${this.#options.name} does not run.`);
    this.#child.kill(signal);
    return this.#child.pid;
  }

  get #logFile(): string {
    return join(this.dataDirectory, `${this.#options.name}.log`);
  }

  #startError(reason: string): ServerStartError {
    let tail = "";
    try {
      tail = readFileSync(this.#logFile, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
    } catch {
      // It was deleted with the data: the reason alone has to do.
    }
    return new ServerStartError(this.#options.name, reason, tail);
  }
}

// A port that was free may be taken before the server binds it; that this happens often in a row means something else.
const MAX_START_ATTEMPTS = 4;

/** Starts again, which takes new ports, as long as another process was faster at taking one. */
export async function startOnFreePorts<Started>(start: () => Promise<Started>): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      const again = error instanceof ServerStartError && error.portTaken && attempt < MAX_START_ATTEMPTS;
      if (!again) throw error;
    }
  }
}
