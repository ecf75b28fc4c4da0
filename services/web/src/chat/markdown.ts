/** The part of Markdown that models write, as data. Whatever it can't read is text: nothing is ever lost. */
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
  | { readonly kind: "quote"; readonly text: string }
  | {
      readonly kind: "table";
      readonly header: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: "rule" };

export interface ListItem {
  readonly depth: number;
  readonly text: string;
}

// Nobody knows who wrote the text: each pattern takes a line of any kind in a time that grows with its length, no more.
const FENCE = /^ {0,3}(`{3,}(?!`)|~{3,}(?!~))([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s(.*)$/s;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s(.*)$/s;

/** @param text may break off anywhere: an open fence is code up to the end */
export function parseMarkdown(text: string): Block[] {
  return new GrowingMarkdown().parse(text);
}

/** Parses a text that grows: what can't change any more is read once, and stays the same object. */
export class GrowingMarkdown {
  #settled: readonly Block[] = [];
  /** What those were read from. */
  #settledText = "";

  /** @param text begins with that of the call before, or another text begins */
  parse(text: string): Block[] {
    if (!text.startsWith(this.#settledText)) {
      this.#settled = [];
      this.#settledText = "";
    }
    const lines = text.slice(this.#settledText.length).split("\n");
    const blocks = [...this.#settled];
    let [settledBlocks, settledLines] = [blocks.length, 0];
    for (let index = 0; index < lines.length;) {
      const [block, next] = readBlock(lines, index);
      if (block !== null) blocks.push(block);
      index = next;
      // The line that ended it is complete.
      if (next < lines.length - 1) [settledBlocks, settledLines] = [blocks.length, next];
    }
    this.#settled = blocks.slice(0, settledBlocks);
    for (const line of lines.slice(0, settledLines)) this.#settledText += `${line}\n`;
    return blocks;
  }
}

function readBlock(lines: readonly string[], index: number): [Block | null, number] {
  const line = lines[index] ?? "";
  if (line.trim() === "") return [null, index + 1];
  const fence = FENCE.exec(line);
  if (fence !== null) return readCode(lines, index, fence[1] ?? "", fence[2]?.trim() ?? "");
  const heading = HEADING.exec(line);
  if (heading !== null) {
    return [
      { kind: "heading", level: heading[1]?.length ?? 1, text: withoutClosing(heading[2] ?? "") },
      index + 1,
    ];
  }
  if (isRule(line)) return [{ kind: "rule" }, index + 1];
  if (isTableLine(line) && isTableRule(lines, index + 1)) return readTable(lines, index);
  if (ITEM.test(line)) return readList(lines, index);
  if (/^ {0,3}>/.test(line)) return readQuote(lines, index);
  return readParagraph(lines, index);
}

/** A heading may end with as many `#` as it likes. */
function withoutClosing(heading: string): string {
  const text = heading.trim();
  let end = text.length;
  while (text[end - 1] === "#") end--;
  return text.slice(0, end).trimEnd();
}

function isRule(line: string): boolean {
  if (!/^ {0,3}[-*_]/.test(line)) return false;
  const marks = line.replaceAll(/\s/g, "");
  return marks.length >= 3 && marks === marks.charAt(0).repeat(marks.length);
}

function isTableLine(line: string): boolean {
  const text = line.trim();
  return text.length > 1 && text.startsWith("|") && text.endsWith("|");
}

/** At the end of a text that still grows it may be about to come. */
function isTableRule(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  if (index >= lines.length - 1 && /^[\s|:-]*$/.test(line)) return true;
  const cells = line.trim().replace(/^\|/, "").split("|");
  const last = cells.pop()?.trim() ?? "";
  return cells.length > 0 && cells.every((cell) => /^:?-+:?$/.test(cell.trim())) && /^:?-*:?$/.test(last);
}

function readCode(lines: readonly string[], index: number, mark: string, language: string): [Block, number] {
  const text: string[] = [];
  let next = index + 1;
  for (; next < lines.length; next++) {
    const line = lines[next] ?? "";
    if (line.trim().startsWith(mark) && line.trim().replaceAll(mark[0] ?? "`", "") === "") {
      next++;
      break;
    }
    text.push(line);
  }
  return [{ kind: "code", language, text: text.join("\n") }, next];
}

function readTable(lines: readonly string[], index: number): [Block, number] {
  const rows: string[][] = [];
  let next = index + 2;
  // A row that is still being written has no border at its end yet.
  for (; (lines[next] ?? "").trimStart().startsWith("|"); next++) rows.push(cellsOf(lines[next] ?? ""));
  return [{ kind: "table", header: cellsOf(lines[index] ?? ""), rows }, next];
}

/** A `|` inside of backticks or behind a backslash is no border. */
function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return (inner.match(/(?:`[^`]*`|\\.|[^|`\\]+|`)+|(?<=\|)(?=\|)/g) ?? [inner]).map((cell) =>
    cell.trim().replaceAll("\\|", "|"),
  );
}

function readList(lines: readonly string[], index: number): [Block, number] {
  const first = ITEM.exec(lines[index] ?? "");
  const ordered = /\d/.test(first?.[2] ?? "");
  const baseIndent = first?.[1]?.length ?? 0;
  const items: ListItem[] = [];
  let next = index;
  for (; next < lines.length; next++) {
    const line = lines[next] ?? "";
    const item = ITEM.exec(line);
    if (item !== null) {
      const depth = Math.max(0, Math.floor(((item[1]?.length ?? 0) - baseIndent) / 2));
      items.push({ depth, text: item[3]?.trimStart() ?? "" });
    } else if (/^\s{2,}\S/.test(line)) {
      const last = items.pop();
      if (last !== undefined) items.push({ ...last, text: `${last.text}\n${line.trim()}` });
    } else break;
  }
  return [
    { kind: "list", ordered, start: ordered ? Number.parseInt(first?.[2] ?? "1", 10) : 1, items },
    next,
  ];
}

function readQuote(lines: readonly string[], index: number): [Block, number] {
  const text: string[] = [];
  let next = index;
  for (; /^ {0,3}>/.test(lines[next] ?? ""); next++) text.push((lines[next] ?? "").replace(/^ {0,3}> ?/, ""));
  return [{ kind: "quote", text: text.join("\n") }, next];
}

function readParagraph(lines: readonly string[], index: number): [Block, number] {
  const text = [lines[index] ?? ""];
  let next = index + 1;
  for (; next < lines.length; next++) {
    const line = lines[next] ?? "";
    const isOther = [FENCE, HEADING, ITEM].some((pattern) => pattern.test(line));
    if (line.trim() === "" || isOther || isRule(line) || isTableLine(line)) break;
    text.push(line);
  }
  return [{ kind: "paragraph", text: text.join("\n") }, next];
}

export type Span =
  | { readonly kind: "text" | "code" | "strong" | "emphasis"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

type Marked = Exclude<Span["kind"], "text">;

const OPENER = /(?<!`)`{1,3}(?!`)|\*\*(?=\S)|(?<![\w*])[*_](?=\S)|\[(?!\])/g;
const EMPHASIS_END = /(?<=\S)[*_](?![\w*])/g;
const ENDS: Record<string, readonly [kind: Marked, end: RegExp]> = {
  "`": ["code", /(?<!`)`(?!`)/g],
  "``": ["code", /(?<!`)``(?!`)/g],
  "```": ["code", /(?<!`)```(?!`)/g],
  "**": ["strong", /(?<=\S)\*\*/g],
  "*": ["emphasis", EMPHASIS_END],
  _: ["emphasis", EMPHASIS_END],
  "[": ["link", /\](?:\(([^()\s]*)\))?/g],
};

/** What stands inside of a line. */
export function parseSpans(text: string): Span[] {
  const spans: Span[] = [];
  // The last that was found of each; null: there is none any more. However many openers wait for an end, it is looked for once.
  const ends = new Map<RegExp, RegExpExecArray | null>();
  const endAfter = (pattern: RegExp, from: number): RegExpExecArray | null => {
    const known = ends.get(pattern);
    if (known === null || (known !== undefined && known.index >= from)) return known;
    pattern.lastIndex = from;
    const found = pattern.exec(text);
    ends.set(pattern, found);
    return found;
  };
  let shown = 0;
  OPENER.lastIndex = 0;
  for (let opener = OPENER.exec(text); opener !== null; opener = OPENER.exec(text)) {
    const from = opener.index + opener[0].length;
    const [kind, pattern] = ENDS[opener[0]] ?? [];
    const end = pattern === undefined ? null : endAfter(pattern, from + 1);
    if (kind === undefined || end === null) continue;
    const span = spanOf(kind, text.slice(from, end.index), end[1]);
    if (span === null) continue;
    if (opener.index > shown) spans.push({ kind: "text", text: text.slice(shown, opener.index) });
    spans.push(span);
    shown = end.index + end[0].length;
    OPENER.lastIndex = shown;
  }
  if (shown < text.length) spans.push({ kind: "text", text: text.slice(shown) });
  return spans;
}

/** Null: brackets that are followed by no address. */
function spanOf(kind: Marked, text: string, href: string | undefined): Span | null {
  if (kind === "link") return href === undefined ? null : { kind, text, href };
  return { kind, text: kind === "code" ? text.trim() : text };
}
