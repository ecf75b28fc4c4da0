import { Lexer, Tokenizer, type MarkedToken, type Token, type Tokens } from "marked";

/**
 * Markdown as data: the tokens that `marked` finds, never HTML. Whatever isn't one of these blocks is shown as text, so
 * nothing is lost.
 */
export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "code"; readonly language: string; readonly text: string }
  | {
      readonly kind: "list";
      readonly ordered: boolean;
      readonly start: number;
      readonly items: readonly ListItem[];
    }
  | { readonly kind: "quote"; readonly blocks: readonly Block[] }
  | {
      readonly kind: "table";
      readonly header: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: "rule" };

export interface ListItem {
  /** Whether it is ticked; null: it has no box. */
  readonly checked: boolean | null;
  readonly blocks: readonly Block[];
}

export interface GrownMarkdown {
  readonly blocks: readonly Block[];
  /** Text after the blocks that isn't read yet: the last block goes on with it. */
  readonly rest: string;
}

// Nobody knows who wrote the text. Deeper lists and quotes are shown as text: each level is read once more by the level
// above it, and by a call inside a call.
const MAX_DEPTH = 8;
// A block up to this size is read anew each time it grows, and a larger one each time it has grown by this part of itself.
const SMALL_CHARACTERS = 10_000;
const UNREAD_PART = 1 / 8;

/** @param text may break off anywhere: an open fence is code up to the end */
export function parseMarkdown(text: string): readonly Block[] {
  return new GrowingMarkdown().parse(text, true).blocks;
}

/**
 * Parses a text that grows. Blocks that can't change any more are read once, and stay the same objects. The open block is
 * read anew only when it has grown by a part of itself, so that all readings together take a time that grows with the text.
 */
export class GrowingMarkdown {
  #text = "";
  #settled: readonly Block[] = [];
  #settledLength = 0;
  #open: readonly Block[] = [];
  /** How much of the text the blocks were read from. */
  #readLength = 0;

  /**
   * @param given begins with the text of the call before, or is another text
   * @param isComplete the text grows no more, so all of it is read
   */
  parse(given: string, isComplete: boolean): GrownMarkdown {
    const text = given.includes("\r") ? given.replaceAll(/\r\n?/g, "\n") : given;
    if (!text.startsWith(this.#text)) {
      this.#settled = this.#open = [];
      this.#settledLength = this.#readLength = 0;
    }
    this.#text = text;
    const openLength = text.length - this.#settledLength;
    const unreadLength = text.length - this.#readLength;
    if (
      unreadLength > 0 &&
      (isComplete || openLength <= SMALL_CHARACTERS || unreadLength >= openLength * UNREAD_PART)
    )
      this.#read(text);
    return { blocks: [...this.#settled, ...this.#open], rest: text.slice(this.#readLength) };
  }

  #read(text: string): void {
    const tokens = tokensOf(text.slice(this.#settledLength));
    this.#readLength = text.length;
    const settledCount = countSettled(tokens);
    const settled = tokens.slice(0, settledCount);
    for (const { raw } of settled) this.#settledLength += raw.length;
    if (settledCount > 0) this.#settled = [...this.#settled, ...blocksOf(settled)];
    this.#open = blocksOf(tokens.slice(settledCount));
  }
}

/**
 * Counts the first tokens that can't change any more. The last block is open, and so is the one before it: while the lines
 * of the last one come in, they may turn out to belong to it. A blank line between them ends all but lists and indented
 * code, which may go on after it.
 */
function countSettled(tokens: readonly Token[]): number {
  const last = lastBlockBefore(tokens.length, tokens);
  const before = lastBlockBefore(last, tokens);
  const { type, raw } = tokens[before] ?? { type: "space", raw: "" };
  const isEnded = before < last - 1 || raw.endsWith("\n\n");
  return Math.max(0, isEnded && type !== "list" && type !== "code" ? last : before);
}

function lastBlockBefore(end: number, tokens: readonly Token[]): number {
  return tokens.slice(0, end).findLastIndex(({ type }) => type !== "space");
}

/** Reads lists and quotes up to a depth. */
class BoundedTokenizer extends Tokenizer {
  #depth = 0;

  override list(source: string): Tokens.List | undefined {
    return this.#within(() => super.list(source));
  }

  override blockquote(source: string): Tokens.Blockquote | undefined {
    return this.#within(() => super.blockquote(source));
  }

  #within<T>(read: () => T | undefined): T | undefined {
    if (this.#depth === MAX_DEPTH) return undefined;
    this.#depth++;
    try {
      return read();
    } finally {
      this.#depth--;
    }
  }
}

/** Blocks alone: what stands inside of a line is read by `parseSpans`, whose time grows with the length of any text. */
function tokensOf(text: string): Token[] {
  const lexer = new Lexer({ gfm: true, tokenizer: new BoundedTokenizer() });
  return lexer.blockTokens(text, lexer.tokens);
}

const blocksOf = (tokens: readonly Token[]): Block[] =>
  tokens.flatMap((token) => blockOf(token as MarkedToken) ?? []);

function blockOf(token: MarkedToken): Block | null {
  switch (token.type) {
    case "space":
    case "checkbox":
      return null;
    case "heading":
      return { kind: "heading", level: token.depth, text: token.text };
    case "code":
      return { kind: "code", language: token.lang ?? "", text: token.text };
    case "hr":
      return { kind: "rule" };
    case "blockquote":
      return { kind: "quote", blocks: blocksOf(token.tokens) };
    case "list":
      return {
        kind: "list",
        ordered: token.ordered,
        start: token.start === "" ? 1 : token.start,
        items: token.items.map((item) => ({
          checked: item.task ? item.checked === true : null,
          blocks: blocksOf(item.tokens),
        })),
      };
    case "table":
      return {
        kind: "table",
        header: token.header.map(({ text }) => text),
        rows: token.rows.map((row) => row.map(({ text }) => text)),
      };
    case "paragraph":
    case "text":
      return { kind: "paragraph", text: token.text };
    default:
      // HTML and definitions of links are no more than text here.
      return { kind: "paragraph", text: token.raw.trimEnd() };
  }
}
