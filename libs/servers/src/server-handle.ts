/**
 * A running server. How much of it can be controlled depends on who started it: one given by NATS_URL or REDIS_URL,
 * or one in a container, can only be stopped (which leaves a given one alone); the rest throws and says so.
 * Fault tests therefore ask for `{ local: true }`.
 */
export interface ServerHandle extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Pid of the process now running; undefined when it isn't ours or doesn't run. */
  readonly pid: number | undefined;
  /** Ends it in good order and deletes its data. Bounded, idempotent, returns the same promise. */
  stop(): Promise<void>;
  /** SIGKILL. The data stays for `restart`. Resolves when the process is gone. */
  kill(): Promise<void>;
  /**
   * SIGSTOP: connections stay open and nobody answers, as when a network is cut silently.
   * Resolves once it does nothing any more: the signal alone leaves its threads a moment in which they still answer.
   */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it in good order if it runs, and starts it on the same port with the same data. Resolves when ready. */
  restart(): Promise<void>;
}

/** A handle for a server whose process this one doesn't own. */
export class ForeignServer implements ServerHandle {
  readonly url: string;
  readonly port: number;
  readonly pid = undefined;
  readonly #owner: string;
  readonly #release: () => Promise<void>;
  #stopped: Promise<void> | undefined;

  /** @param owner as in "kill() needs a local process, but this server is <owner>" */
  constructor(url: string, owner: string, release: () => Promise<void> = () => Promise.resolve()) {
    this.url = url;
    this.port = Number(new URL(url).port);
    this.#owner = owner;
    this.#release = release;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#release();
    return this.#stopped;
  }

  kill(): Promise<void> {
    return Promise.reject(this.#refusal("kill"));
  }

  pause(): Promise<void> {
    return Promise.reject(this.#refusal("pause"));
  }

  resume(): Promise<void> {
    return Promise.reject(this.#refusal("resume"));
  }

  restart(): Promise<void> {
    return Promise.reject(this.#refusal("restart"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #refusal(action: string): Error {
    return new Error(
      `${action}() needs a local process, but this server is ${this.#owner}; start it with { local: true }`,
    );
  }
}
