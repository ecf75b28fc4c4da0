import { fromOpenAiChat } from "@sluice/adapters/openai-chat";
import { requestOpenAiChat, type OpenAiServer } from "@sluice/adapters/openai-compatible";
import type { ChunkDraft } from "@sluice/core";
import type { AnswerOptions, Model } from "./model.ts";

/** Any server that speaks OpenAI's streaming chat completions. One request an answer; nothing is tried twice. */
export class OpenAiModel implements Model {
  readonly name: string;
  readonly #server: OpenAiServer;

  /** @param model its name there */
  constructor(server: OpenAiServer, model: string) {
    this.name = model;
    this.#server = server;
  }

  answer(prompt: string, options: AnswerOptions): AsyncIterable<ChunkDraft> {
    const request = { model: this.name, messages: [{ role: "user", content: prompt }] };
    const parts = requestOpenAiChat(this.#server, request, options.signal);
    return fromOpenAiChat(parts, { ...options, source: this.name });
  }
}
