import type { Subscription } from "./live-feed.ts";

/** A question that a worker answers by streaming. */
export interface Prompt {
  streamId: string;
  prompt: string;
}

/** Hands prompts to workers. Each goes to one worker of all that serve; it has accepted when the stream is in the log. */
export interface PromptQueue {
  /** @throws StreamError NO_WORKER when none serves or accepts in time, else what the worker refused with */
  ask(prompt: Prompt, timeoutMs: number): Promise<void>;
  /** @param accept opens the stream and returns; the answer streams on after that. What it throws reaches the asker. */
  serve(accept: (prompt: Prompt) => Promise<void>): Subscription;
}
