import { TimeoutError, type Msg } from "@nats-io/nats-core";
import {
  isStreamErrorCode,
  StreamError,
  type Prompt,
  type PromptQueue,
  type Subscription,
} from "@sluice/core";
import { PROMPT_SUBJECT, promptAnswerSchema, promptSchema, WORKER_QUEUE } from "@sluice/protocol";
import { isNoResponders } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, respond, subscribe } from "./service-request.ts";

/** Prompts as requests to a queue group: the server picks one worker of those that serve. */
export class NatsPromptQueue implements PromptQueue {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  async ask(prompt: Prompt, timeoutMs: number): Promise<void> {
    const message = await this.#request(prompt, timeoutMs);
    const answer = parseJsonAs(promptAnswerSchema, message.data);
    if (answer?.kind === "accepted") return;
    if (answer === null) throw new StreamError("SERIALIZATION", "the worker's answer can't be read");
    // A code of a newer version still has its message.
    throw new StreamError(isStreamErrorCode(answer.code) ? answer.code : "NO_WORKER", answer.message);
  }

  async #request(prompt: Prompt, timeoutMs: number): Promise<Msg> {
    try {
      return await this.#link.connection.request(PROMPT_SUBJECT, JSON.stringify(prompt), {
        timeout: timeoutMs,
      });
    } catch (error) {
      if (isNoResponders(error)) throw new StreamError("NO_WORKER", "no worker serves prompts now");
      if (error instanceof TimeoutError) {
        throw new StreamError("NO_WORKER", `no worker accepted the prompt within ${timeoutMs} ms`, {
          cause: error,
        });
      }
      throw new StreamError("CONNECTION", "the connection to the workers was lost", { cause: error });
    }
  }

  serve(accept: (prompt: Prompt) => Promise<void>): Subscription {
    return subscribe(
      this.#link,
      PROMPT_SUBJECT,
      (message) => {
        const prompt = parseJsonAs(promptSchema, message.data);
        if (prompt === null) respond(message, refusal(new StreamError("INVALID_REQUEST", "not a prompt")));
        else void answerPrompt(message, accept(prompt));
      },
      { queue: WORKER_QUEUE },
    );
  }
}

async function answerPrompt(message: Msg, accepting: Promise<void>): Promise<void> {
  respond(message, await accepting.then(() => ({ kind: "accepted" }), refusal));
}

function refusal(error: unknown): { kind: "refused"; code: string; message: string } {
  if (error instanceof StreamError) return { kind: "refused", code: error.code, message: error.message };
  return { kind: "refused", code: "NO_WORKER", message: "the worker failed to take the prompt" };
}
