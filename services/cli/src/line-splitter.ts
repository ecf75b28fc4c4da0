// A chunk may have 1 MiB of JSON, in which a control character takes six bytes.
const MAX_PIECE_CHARACTERS = 64 * 1024;

/**
 * Bytes in, pieces of text out: one piece a line, with its line break, however the bytes were cut. What joins the
 * pieces gets the decoded input back, character for character. Bytes that are not UTF-8 become U+FFFD.
 */
export class LineSplitter {
  // The mark is content here: what goes through is not to lose its first character.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #partial = "";

  /** True if a line has begun and not ended. */
  get hasPartial(): boolean {
    return this.#partial !== "";
  }

  /** @returns the lines that are complete, and pieces of one that is too long to wait for its end */
  push(bytes: Uint8Array): string[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Gives the begun line as a piece. Bytes of a character that isn't complete stay for the next push. */
  flush(): string[] {
    const pieces = this.hasPartial ? [this.#partial] : [];
    this.#partial = "";
    return pieces;
  }

  /** The rest, at the end of the input. */
  end(): string[] {
    return [...this.#split(this.#decoder.decode()), ...this.flush()];
  }

  #split(text: string): string[] {
    const pieces: string[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      pieces.push(...this.#cut(this.#partial + text.slice(start, end + 1)));
      this.#partial = "";
      start = end + 1;
    }
    const rest = this.#partial + text.slice(start);
    if (rest.length < MAX_PIECE_CHARACTERS) this.#partial = rest;
    else {
      const cut = this.#cut(rest);
      this.#partial = cut.pop() ?? "";
      pieces.push(...cut);
    }
    return pieces;
  }

  /** Pieces within the bound that never part a surrogate pair. */
  #cut(line: string): string[] {
    const pieces: string[] = [];
    let start = 0;
    while (line.length - start > MAX_PIECE_CHARACTERS) {
      let end = start + MAX_PIECE_CHARACTERS;
      if (isHighSurrogate(line.charCodeAt(end - 1))) end--;
      pieces.push(line.slice(start, end));
      start = end;
    }
    pieces.push(line.slice(start));
    return pieces;
  }
}

function isHighSurrogate(codeUnit: number): boolean {
  return codeUnit >= 0xd800 && codeUnit <= 0xdbff;
}
