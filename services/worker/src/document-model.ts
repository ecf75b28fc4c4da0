import { fromIterable } from "@sluice/adapters/iterable";
import type { ChunkDraft } from "@sluice/core";
import { bestSections, sectionsOf, type DocumentText, type Section } from "./document-sections.ts";
import type { AnswerOptions, Model } from "./model.ts";
import { paced } from "./paced.ts";

/**
 * The model that needs no key and no network: it answers with what the repository's own documents say about the
 * prompt's words, as fast as a real model speaks. Deterministic, so tests and demonstrations can rely on its text.
 */
export class DocumentModel implements Model {
  readonly name = "sluice-documents";
  readonly #sections: readonly Section[];
  readonly #tokensPerSecond: number;

  /**
   * @param documents at least one with a heading, the most general first: its beginning answers what nothing matches
   * @param tokensPerSecond 0: as fast as they are taken
   * @throws Error where there is no section to answer with
   */
  constructor(documents: readonly DocumentText[], tokensPerSecond: number) {
    this.#sections = documents.flatMap(sectionsOf);
    this.#tokensPerSecond = tokensPerSecond;
    if (this.#sections.length === 0) throw new Error("the built-in model has no document to read from");
  }

  answer(prompt: string, options: AnswerOptions): AsyncIterable<ChunkDraft> {
    return fromIterable(this.#say(prompt, options.signal), { ...options, source: this.name });
  }

  async *#say(prompt: string, signal: AbortSignal): AsyncGenerator<string | ChunkDraft, void, undefined> {
    const tokens = tokensOf(this.#textFor(prompt));
    yield* paced(tokens, this.#tokensPerSecond, signal);
    const [input, output] = [tokensOf(prompt).length, tokens.length];
    const usage = { input_tokens: input, output_tokens: output, total_tokens: input + output };
    yield {
      chunk_type: { type: "Complete", summary: `Tokens used: ${usage.total_tokens}` },
      data: { model: this.name, finish_reason: "stop", usage },
    };
  }

  #textFor(prompt: string): string {
    const { sections, matched } = bestSections(prompt, this.#sections);
    const documents = [...new Set(sections.map((section) => section.document))].join(" and ");
    const what = matched
      ? "what matches your words best"
      : "its beginning, since nothing in it matches your words";
    const intro = `This is Sluice's built-in model, reading from ${documents}: ${what}.`;
    return [`${intro}\n`, ...sections.map((section) => section.text)].join("\n");
  }
}

/** Pieces of about a word, each with the white space before it. Joined they are the text, character for character. */
export function tokensOf(text: string): string[] {
  return text.match(/\s*(?:[\p{L}\p{N}]{1,12}|[^\s\p{L}\p{N}]{1,4})|\s+$/gu) ?? [];
}
