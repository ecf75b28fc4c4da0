import { expect, test } from "vitest";
import { parseSpans } from "./markdown-spans.ts";

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
