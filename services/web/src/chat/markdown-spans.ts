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

/** Reads code, emphasis and links inside of a block, in a time that grows with its length. */
export function parseSpans(text: string): Span[] {
  const spans: Span[] = [];
  // The end that was found last, for each pattern; null: there is none any more. Each part of the text is searched once per
  // pattern, however many openers wait for an end.
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

/** @returns null: brackets that no address follows */
function spanOf(kind: Marked, text: string, href: string | undefined): Span | null {
  if (kind === "link") return href === undefined ? null : { kind, text, href };
  return { kind, text: kind === "code" ? text.trim() : text };
}
