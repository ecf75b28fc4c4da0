import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * A process of the load generator: it must not share its event loop with the one that measures, nor with another one.
 * It answers calls one by one, and dies with its parent.
 */
export class Actor<Calls extends ActorCalls<Calls>> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (answer: Answer) => {
      const call = this.#waiting.get(answer.call);
      this.#waiting.delete(answer.call);
      if ("error" in answer) call?.reject(new Error(answer.error));
      else call?.resolve(answer.result);
    });
    child.once("exit", (code, signal) => {
      for (const call of this.#waiting.values()) {
        call.reject(new Error(`${child.spawnargs.at(-1)} ended with ${signal ?? code}`));
      }
    });
  }

  /** @param file in the folder `actors`; it calls `serve` with the same type */
  static start<Calls extends ActorCalls<Calls>>(file: string): Actor<Calls> {
    const path = fileURLToPath(new URL(`../actors/${file}`, import.meta.url));
    return new Actor<Calls>(fork(path, { serialization: "advanced", execArgv: [] }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<Name extends keyof Calls & string>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    const waiting = Promise.withResolvers<Awaited<ReturnType<Calls[Name]>>>();
    this.#calls += 1;
    this.#waiting.set(this.#calls, waiting as PromiseWithResolvers<unknown>);
    this.#child.send({ call: this.#calls, name, argument });
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }
}

/** Methods that an actor offers; arguments and results have to survive a structured clone. */
export type ActorCalls<Calls> = { [Name in keyof Calls]: (argument: never) => unknown };

type AnyCalls = Readonly<Record<string, (argument: never) => unknown>>;

interface Call {
  call: number;
  name: string;
  argument: unknown;
}
type Answer = { call: number; result: unknown } | { call: number; error: string };

/** The actor's side. */
export function serve(calls: AnyCalls): void {
  process.on("disconnect", () => process.exit());
  process.on("message", (message: Call) => void answer(calls, message));
}

async function answer(calls: AnyCalls, { call, name, argument }: Call): Promise<void> {
  try {
    process.send?.({ call, result: await calls[name]?.(argument as never) } satisfies Answer);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.send?.({ call, error: text } satisfies Answer);
  }
}
