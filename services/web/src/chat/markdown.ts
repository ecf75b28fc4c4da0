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

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*?)\s*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])\s*(\1\s*){2,}$/;
const TABLE_LINE = /^\s*\|.*\|\s*$/;
const TABLE_RULE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*$/;

/** @param text may break off anywhere: an open fence is code up to the end */
export function parseMarkdown(text: string): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length;) {
    const [block, next] = readBlock(lines, index);
    if (block !== null) blocks.push(block);
    index = next;
  }
  return blocks;
}

function readBlock(lines: readonly string[], index: number): [Block | null, number] {
  const line = lines[index] ?? "";
  if (line.trim() === "") return [null, index + 1];
  const fence = FENCE.exec(line);
  if (fence !== null) return readCode(lines, index, fence[1] ?? "", fence[2] ?? "");
  const heading = HEADING.exec(line);
  if (heading !== null) {
    return [{ kind: "heading", level: heading[1]?.length ?? 1, text: heading[2] ?? "" }, index + 1];
  }
  if (RULE.test(line)) return [{ kind: "rule" }, index + 1];
  if (TABLE_LINE.test(line) && isTableRule(lines, index + 1)) return readTable(lines, index);
  if (ITEM.test(line)) return readList(lines, index);
  if (/^ {0,3}>/.test(line)) return readQuote(lines, index);
  return readParagraph(lines, index);
}

/** At the end of a text that still grows it may be about to come. */
function isTableRule(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  return TABLE_RULE.test(line) || (index >= lines.length - 1 && /^[\s|:-]*$/.test(line));
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
  return (inner.match(/(?:`[^`]*`|\\.|[^|`\\]|`)+|(?<=\|)(?=\|)/g) ?? [inner]).map((cell) =>
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
      items.push({ depth, text: item[3] ?? "" });
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
    const isOther = line.trim() === "" || [FENCE, HEADING, RULE, ITEM].some((pattern) => pattern.test(line));
    if (isOther || TABLE_LINE.test(line)) break;
    text.push(line);
  }
  return [{ kind: "paragraph", text: text.join("\n") }, next];
}

export type Span =
  | { readonly kind: "text" | "code" | "strong" | "emphasis"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

const SPAN =
  /(`+)(.+?)\1|\*\*(\S(?:.*?\S)?)\*\*|(?<![\w*])[*_](\S(?:.*?\S)?)[*_](?![\w*])|\[([^\]]+)\]\(([^()\s]*)\)/gs;

/** What stands inside of a line. */
export function parseSpans(text: string): Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const match of text.matchAll(SPAN)) {
    if (match.index > end) spans.push({ kind: "text", text: text.slice(end, match.index) });
    const [whole, , code, strong, emphasis, label, href] = match;
    if (code !== undefined) spans.push({ kind: "code", text: code.trim() });
    else if (strong !== undefined) spans.push({ kind: "strong", text: strong });
    else if (emphasis !== undefined) spans.push({ kind: "emphasis", text: emphasis });
    else spans.push({ kind: "link", text: label ?? whole, href: href ?? "" });
    end = match.index + whole.length;
  }
  if (end < text.length) spans.push({ kind: "text", text: text.slice(end) });
  return spans;
}
