import * as fc from "fast-check";
import { Lexer } from "marked";
import { afterEach, expect, test, vi } from "vitest";
import { parseSpans } from "./markdown-spans.ts";
import { GrowingMarkdown, parseMarkdown, type Block } from "./markdown.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const paragraph = (text: string): Block => ({ kind: "paragraph", text });
const item = (...blocks: Block[]) => ({ checked: null, blocks });

test("headings, paragraphs, code, lists, quotes, tables and rules are told apart", () => {
  const text = [
    "# One",
    "A line",
    "and another.",
    "",
    "```ts",
    "# not a heading",
    "```",
    "1. first",
    "   goes on",
    "2. second",
    "",
    "- a",
    "  - b",
    "- [x] done",
    "",
    "> quoted",
    "> - in a list",
    "",
    "| a | b |",
    "|---|---|",
    "| `x\\|y` | z |",
    "",
    "---",
  ].join("\n");
  expect(parseMarkdown(text)).toEqual([
    { kind: "heading", level: 1, text: "One" },
    paragraph("A line\nand another."),
    { kind: "code", language: "ts", text: "# not a heading" },
    {
      kind: "list",
      ordered: true,
      start: 1,
      items: [item(paragraph("first\ngoes on")), item(paragraph("second"))],
    },
    {
      kind: "list",
      ordered: false,
      start: 1,
      items: [
        item(paragraph("a"), { kind: "list", ordered: false, start: 1, items: [item(paragraph("b"))] }),
        { checked: true, blocks: [paragraph("done")] },
      ],
    },
    {
      kind: "quote",
      blocks: [
        paragraph("quoted"),
        { kind: "list", ordered: false, start: 1, items: [item(paragraph("in a list"))] },
      ],
    },
    { kind: "table", header: ["a", "b"], rows: [["`x|y`", "z"]] },
    { kind: "rule" },
  ]);
});

test("HTML is text, whatever it says, and so are definitions of links", () => {
  const html = ["<script>alert(1)</script>", '<img src=x onerror="alert(1)">'];
  expect(parseMarkdown(`${html.join("\n")}\n\n[a]: javascript:alert(1) "b"`)).toEqual([
    ...html.map(paragraph),
    paragraph('[a]: javascript:alert(1) "b"'),
  ]);
});

test("text that breaks off in the middle of a block is shown as far as it came", () => {
  expect(parseMarkdown("```\nhalf of")).toEqual([{ kind: "code", language: "", text: "half of" }]);
  expect(parseMarkdown("| a | b |\n|---|---|\n| 1")).toEqual([
    { kind: "table", header: ["a", "b"], rows: [["1", ""]] },
  ]);
});

test("lists and quotes are read to a depth, and deeper ones are text", () => {
  for (const mark of ["> ", "1. ", "- "]) {
    const [block] = parseMarkdown(`${mark.repeat(5_000)}word`);
    expect(depthOf(block)).toBeLessThan(10);
    expect(count(wordsOf(block!))).toBe(1);
  }
});

const MARKS = [
  "`",
  "**",
  "*",
  "#",
  "- ",
  "1. ",
  "|",
  "---",
  "\n",
  "\n\n",
  " ",
  "    ",
  "> ",
  "[",
  "](",
  ")",
  "```",
  "~",
];
const MORE = ["\t", "\r\n", "===", "|-|", "|a|\n", "<div>", "<!--", "-->", "[a]: b", "- [ ] ", "\\", "&lt;"];
const piece = fc.constantFrom("word", ...MARKS, ...MORE);

test("no word is lost, whatever the text", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      const shown = parseMarkdown(text)
        .map((block) => wordsOf(block))
        .join("");
      expect(count(shown)).toBe(count(text));
    }),
    { numRuns: 1_000 },
  );
});

test("a text that grows is read as if it had been there at once", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const growing = new GrowingMarkdown();
      let text = "";
      for (const more of pieces) {
        text += more;
        expect(growing.parse(text, false).blocks).toEqual(parseMarkdown(text));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a row of borders that turns out to be none gives back the line before it", () => {
  const growing = new GrowingMarkdown();
  growing.parse("|a|\n|a|\n|-|", false);
  expect(growing.parse("|a|\n|a|\n|-|word", false).blocks).toEqual([paragraph("|a|\n|a|\n|-|word")]);
});

test("blocks that are complete stay the same objects, and another text begins anew", () => {
  const growing = new GrowingMarkdown();
  const [first] = growing.parse("# One\n\nTwo", false).blocks;
  expect(growing.parse("# One\n\nTwo and three", false).blocks[0]).toBe(first);
  expect(growing.parse("Another", false).blocks).toEqual([paragraph("Another")]);
});

const CHUNKS = 5_000;
const chunk = "twenty characters, so";

/** Reads a text as it grows by chunks. @returns CPU time in ms */
function grow(separator: string): { ms: number; whole: readonly Block[] } {
  const growing = new GrowingMarkdown();
  const began = process.cpuUsage();
  let text = "";
  for (let index = 0; index < CHUNKS; index++) {
    text += chunk + separator;
    growing.parse(text, false);
  }
  const { blocks, rest } = growing.parse(text, true);
  const { user } = process.cpuUsage(began);
  expect(rest).toBe("");
  return { ms: user / 1000, whole: blocks };
}

test("5,000 chunks without a line break are read in a time that grows with the text, as those of short blocks are", () => {
  grow("\n\n");
  const short = grow("\n\n");
  const long = grow("");
  const list = grow("\n- ");
  expect([short.whole.length, long.whole.length, list.whole.length]).toEqual([CHUNKS, 1, 2]);
  // Against a run beside it, since the machine may be busy.
  expect(long.ms).toBeLessThan(5 * short.ms + 50);
  expect(list.ms).toBeLessThan(10 * short.ms + 50);
}, 120_000);

test("an open block is read a few times in all, however many chunks it comes in", () => {
  const spy = vi.spyOn(Lexer.prototype, "blockTokens");
  grow("");
  // The small open block is read at each call; what comes after it, a few times.
  const characters = spy.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
  expect(characters).toBeLessThan(40 * CHUNKS * chunk.length);
});

test("text of an open block that isn't read yet is there as it came", () => {
  const growing = new GrowingMarkdown();
  const text = "x".repeat(40_000);
  growing.parse(text, false);
  expect(growing.parse(`${text}**y`, false)).toEqual({ blocks: [paragraph(text)], rest: "**y" });
  expect(growing.parse(`${text}**y`, true)).toEqual({ blocks: [paragraph(`${text}**y`)], rest: "" });
});

const SIZE = 100_000;
const hostile = [
  `# a${" ".repeat(SIZE)}b`,
  `# ${"# ".repeat(SIZE / 2)}b`,
  `# a${"#".repeat(SIZE)}b`,
  `~~~${" ".repeat(SIZE)}\``,
  `${"~".repeat(SIZE)}\``,
  `\`\`\`${" ".repeat(SIZE)}a\``,
  `- ${" ".repeat(SIZE)}\rb`,
  `${" ".repeat(SIZE)}b`,
  `${"- ".repeat(SIZE / 2)}b`,
  `| a |\n${" ".repeat(SIZE)}b`,
  `| a |\n|${"-".repeat(SIZE)}b`,
  `| a |\n${"-|".repeat(SIZE / 2)}${" ".repeat(SIZE)}b`,
  `|${"| ".repeat(SIZE / 2)}b`,
  "|a|\n".repeat(SIZE / 4),
  "#\ta\n".repeat(SIZE / 4),
  ...[
    ...MARKS,
    ...MORE,
    "*a ",
    "**a ",
    "_a ",
    "a_",
    "`a",
    "[a",
    "[a](",
    "a](",
    "`` `",
    "**a ``b ",
    "|`a",
    "a\n- ",
    "a\n> ",
  ].map((mark) => mark.repeat(SIZE / mark.length)),
  Array.from({ length: 400 }, (_, length) => `${"`".repeat(length)} `).join(""),
  Array.from({ length: 400 }, (_, depth) => `${"  ".repeat(depth)}- a\n`).join(""),
];

function timeOf(text: string): number {
  const began = process.cpuUsage();
  for (const block of parseMarkdown(text)) wordsOf(block);
  return process.cpuUsage(began).user / 1000;
}

test.each(hostile.map((text) => [`${text.slice(0, 20)}…`, text]))(
  "a hostile text of twice the length takes about twice the time: %j",
  (_, text) => {
    timeOf(text.slice(0, text.length / 2));
    const half = timeOf(text.slice(0, text.length / 2));
    // Four times would be the square. Very short times say nothing.
    expect(timeOf(text)).toBeLessThan(3 * half + 100);
  },
);

function count(text: string): number {
  return text.split("word").length - 1;
}

function depthOf(block: Block | undefined): number {
  const inside =
    block?.kind === "quote"
      ? block.blocks
      : block?.kind === "list"
        ? block.items.flatMap((each) => each.blocks)
        : [];
  return 1 + Math.max(0, ...inside.map(depthOf));
}

function wordsOf(block: Block): string {
  const spans = (text: string): string =>
    parseSpans(text)
      .map((span) =>
        span.kind === "strong" ? spans(span.text) : span.kind === "link" ? span.text + span.href : span.text,
      )
      .join("");
  switch (block.kind) {
    case "code":
      return block.language + block.text;
    case "list":
      return block.items.flatMap(({ blocks }) => blocks.map(wordsOf)).join(" ");
    case "quote":
      return block.blocks.map(wordsOf).join(" ");
    case "table":
      return [block.header, ...block.rows].flat().map(spans).join(" ");
    case "rule":
      return "";
    default:
      return spans(block.text);
  }
}
