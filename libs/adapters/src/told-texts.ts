import { isText } from "./json-value.ts";

// Without this bound an answer without end fills the heap. What is longer is not expected to come once more.
const MAX_CHARACTERS = 4 * 1024 * 1024;

interface ToldText {
  text: string;
  /** True once the whole text has come. */
  isClosed: boolean;
}

/**
 * Rule 6: the texts that were told, each under the names by which its pieces and its whole go, so that a whole which
 * comes after its pieces tells only what they left out.
 */
export class ToldTexts {
  readonly #texts: ToldText[] = [];
  readonly #byName = new Map<string, ToldText>();

  /** @param names of the text, the surest first; those that are no text or number say nothing */
  add(names: readonly (string | null)[], piece: string): void {
    const known = this.#find(names);
    const text = known === undefined || known.isClosed ? this.#create() : known;
    if (text.text.length + piece.length <= MAX_CHARACTERS) text.text += piece;
    this.#name(text, names);
  }

  /**
   * @param claimed texts that other wholes have claimed: none counts for two of them
   * @returns what of the whole wasn't told yet; nothing where pieces were told that it doesn't continue
   */
  restOf(names: readonly (string | null)[], whole: unknown, claimed?: Set<object>): string {
    if (!isText(whole)) return "";
    const isFree = (text: ToldText): boolean => claimed?.has(text) !== true;
    const named = this.#find(names);
    const isContinued =
      named !== undefined && isFree(named) && (!named.isClosed || whole.startsWith(named.text));
    const equal = claimed && this.#texts.find((text) => isFree(text) && text.text === whole);
    const text = (isContinued ? named : equal) ?? this.#create();
    this.#name(text, names);
    text.isClosed = true;
    claimed?.add(text);
    if (!whole.startsWith(text.text)) return "";
    const rest = whole.slice(text.text.length);
    text.text = whole;
    return rest;
  }

  /** Begins another text under this name. */
  forget(name: string): void {
    this.#byName.delete(name);
  }

  #find(names: readonly (string | null)[]): ToldText | undefined {
    for (const name of names) {
      const text = name === null ? undefined : this.#byName.get(name);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  #create(): ToldText {
    const text: ToldText = { text: "", isClosed: false };
    this.#texts.push(text);
    return text;
  }

  #name(text: ToldText, names: readonly (string | null)[]): void {
    for (const name of names) if (name !== null) this.#byName.set(name, text);
  }
}
