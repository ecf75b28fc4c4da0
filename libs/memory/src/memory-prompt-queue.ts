import { StreamError, type Prompt, type PromptQueue, type Subscription } from "@sluice/core";

type Accept = (prompt: Prompt) => Promise<void>;

/** Workers and askers of one process; the workers take turns. */
export class MemoryPromptQueue implements PromptQueue {
  #workers: Accept[] = [];

  /** Workers that haven't been closed. */
  get openWorkers(): number {
    return this.#workers.length;
  }

  async ask(prompt: Prompt, timeoutMs: number): Promise<void> {
    const accept = this.#workers.shift();
    if (accept === undefined) throw new StreamError("NO_WORKER", "no worker serves prompts now");
    this.#workers.push(accept);
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new StreamError("NO_WORKER", "no worker accepted in time")), timeoutMs);
    });
    try {
      await Promise.race([accept(prompt), tooLate]);
    } catch (error) {
      if (error instanceof StreamError) throw error;
      throw new StreamError("NO_WORKER", "the worker failed to take the prompt", { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  serve(accept: Accept): Subscription {
    const entry: Accept = (prompt) => accept(prompt);
    this.#workers.push(entry);
    return { close: () => void (this.#workers = this.#workers.filter((worker) => worker !== entry)) };
  }
}
