import * as fc from "fast-check";
import { expect, test } from "vitest";
import { GrowingMarkdown, parseMarkdown, parseSpans, type Block } from "./markdown.ts";

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
    "- a",
    "  - b",
    "> quoted",
    "| a | b |",
    "|---|---|",
    "| `x|y` | z |",
    "---",
  ].join("\n");
  expect(parseMarkdown(text)).toEqual([
    { kind: "heading", level: 1, text: "One" },
    { kind: "paragraph", text: "A line\nand another." },
    { kind: "code", language: "ts", text: "# not a heading" },
    {
      kind: "list",
      ordered: true,
      start: 1,
      items: [
        { depth: 0, text: "first\ngoes on" },
        { depth: 0, text: "second" },
        { depth: 0, text: "a" },
        { depth: 1, text: "b" },
      ],
    },
    { kind: "quote", text: "quoted" },
    { kind: "table", header: ["a", "b"], rows: [["`x|y`", "z"]] },
    { kind: "rule" },
  ]);
});

test("text that breaks off in the middle of a block is shown as far as it came", () => {
  expect(parseMarkdown("```\nhalf of")).toEqual([{ kind: "code", language: "", text: "half of" }]);
  for (const growing of ["| a | b |", "| a | b |\n", "| a | b |\n|--"]) {
    expect(parseMarkdown(growing)).toEqual([{ kind: "table", header: ["a", "b"], rows: [] }]);
  }
  expect(parseMarkdown("| a | b |\n|---|---|\n| 1")).toEqual([
    { kind: "table", header: ["a", "b"], rows: [["1"]] },
  ]);
});

test("code, strong, emphasis and links are told apart inside of a line", () => {
  expect(parseSpans("a `b` **c** *d* [e](https://f.test) snake_case 2*3*4")).toEqual([
    { kind: "text", text: "a " },
    { kind: "code", text: "b" },
    { kind: "text", text: " " },
    { kind: "strong", text: "c" },
    { kind: "text", text: " " },
    { kind: "emphasis", text: "d" },
    { kind: "text", text: " " },
    { kind: "link", text: "e", href: "https://f.test" },
    { kind: "text", text: " snake_case 2*3*4" },
  ]);
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
  "> ",
  "[",
  "](",
  ")",
  "```",
  "~",
];
const piece = fc.constantFrom("word", ...MARKS);

test("no word is lost, whatever the text", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join("");
      // What follows a fence is the name of its language.
      const shown = parseMarkdown(text)
        .map((block) => wordsOf(block))
        .join("");
      expect(count(shown)).toBe(count(text));
    }),
  );
});

test("a text that grows is read as if it had been there at once, and its finished blocks are the same ones", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const growing = new GrowingMarkdown();
      let text = "";
      for (const more of pieces) {
        text += more;
        expect(growing.parse(text)).toEqual(parseMarkdown(text));
      }
    }),
  );
  const growing = new GrowingMarkdown();
  const [first] = growing.parse("# One\n\nTwo");
  expect(growing.parse("# One\n\nTwo and three")[0]).toBe(first);
  expect(growing.parse("Another")).toEqual([{ kind: "paragraph", text: "Another" }]);
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
  ...[...MARKS, "*a ", "**a ", "_a ", "`a", "[a", "[a](", "a](", "`` `", "**a ``b ", "|`a", "a\n- "].map(
    (mark) => mark.repeat(SIZE / mark.length),
  ),
  Array.from({ length: 400 }, (_, length) => `${"`".repeat(length)} `).join(""),
];

test.each(hostile.map((text) => [`${text.slice(0, 20)}…`, text]))(
  "a hostile text takes no longer to read than another: %j",
  (_, text) => {
    const began = performance.now();
    for (const block of parseMarkdown(text)) wordsOf(block);
    expect(performance.now() - began).toBeLessThan(200);
  },
);

function count(text: string): number {
  return text.split("word").length - 1;
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
      return block.items.map(({ text }) => spans(text)).join(" ");
    case "table":
      return [block.header, ...block.rows].flat().map(spans).join(" ");
    case "rule":
      return "";
    default:
      return spans(block.text);
  }
}
