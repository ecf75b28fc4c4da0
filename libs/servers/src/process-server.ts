import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoggedProcess, logTail } from "./logged-process.ts";
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

/** Failure of a server that ended before it was ready. Its log tells whether another process had taken the port meanwhile. */
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
  #process: LoggedProcess | undefined;
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
    return this.#process?.pid;
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
    const { name, command, args, isReady, env = process.env } = this.#options;
    const ended = new AbortController();
    const launched = new LoggedProcess({
      command,
      args: args(this.dataDirectory),
      env,
      cwd: this.dataDirectory,
      logFile: this.#logFile,
      guard: this.#guard,
      onEnd: (how) => {
        this.#process = undefined;
        const tail = logTail(this.#logFile, LOG_TAIL_LINES);
        ended.abort(new ServerStartError(name, `it ${how}`, tail));
      },
    });
    this.#process = launched;
    await waitUntil(name, isReady, { timeoutMs: READY_TIMEOUT_MS, signal: ended.signal });
  }

  async #stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.dataDirectory, { recursive: true, force: true });
    this.#guard.release();
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#process?.end(signal, STOP_TIMEOUT_MS);
  }

  #signal(signal: "SIGSTOP" | "SIGCONT"): number {
    if (process.platform === "win32") throw new Error("Windows can not pause a process.");
    const { pid } = this;
    if (pid === undefined) throw new Error(`${this.#options.name} does not run.`);
    this.#process?.signal(signal);
    return pid;
  }

  get #logFile(): string {
    return join(this.dataDirectory, `${this.#options.name}.log`);
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
