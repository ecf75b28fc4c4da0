import type { ChunkDraft } from "@sluice/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DocumentModel, tokensOf } from "./document-model.ts";
import { bestSections, sectionsOf } from "./document-sections.ts";

const readme = {
  name: "README.md",
  text: `# Sluice

Streams that survive.

## Quick start

\`\`\`sh
# start everything
npm start
\`\`\`

## Reconnecting

A client sends Last-Event-ID and goes on where it was.

## Limits

Chunks are at most 1 MiB.
`,
};
const protocol = {
  name: "PROTOCOL.md",
  text: "# Protocol\n\nThe wire.\n\n## Resume tokens\n\nBase64 of id and number.\n",
};
const options = { signal: new AbortController().signal };

async function answerOf(prompt: string): Promise<string> {
  let text = "";
  for await (const { chunk_type: chunk } of new DocumentModel([readme, protocol], 0).answer(
    prompt,
    options,
  )) {
    if (chunk.type === "Text") text += chunk.content;
  }
  return text;
}

describe("the built-in model", () => {
  it("says first that it is the built-in model, and which document it reads from", async () => {
    const [first] = (await answerOf("How do resume tokens work?")).split("\n");
    expect(first).toBe(
      "This is Sluice's built-in model, reading from PROTOCOL.md: what matches your words best.",
    );
  });

  it("answers with the section whose heading matches the prompt's words", async () => {
    expect(await answerOf("What happens when reconnecting?")).toContain(
      "## Reconnecting\n\nA client sends Last-Event-ID",
    );
    expect(await answerOf("limit?")).toContain("at most 1 MiB");
  });

  it("answers with a document's beginning, and says so, where no word matches", async () => {
    const text = await answerOf("zebra?");
    expect(text).toMatch(/^.*nothing in it matches your words\.\n\n# Sluice\n/);
  });

  it("gives the same answer to the same prompt", async () => {
    expect(await answerOf("start the client")).toBe(await answerOf("start the client"));
  });

  it("ends with the tokens that it counted", async () => {
    const chunks: ChunkDraft[] = [];
    for await (const chunk of new DocumentModel([readme], 0).answer("two words", options)) chunks.push(chunk);
    const output_tokens = chunks.length - 1;
    expect(chunks.at(-1)).toEqual({
      chunk_type: { type: "Complete", summary: `Tokens used: ${output_tokens + 2}` },
      data: {
        model: "sluice-documents",
        finish_reason: "stop",
        usage: { input_tokens: 2, output_tokens, total_tokens: output_tokens + 2 },
      },
      metadata: { source: "sluice-documents" },
    });
  });

  it("stops with the reason's code when it is aborted in mid-answer", async () => {
    const controller = new AbortController();
    const reason = Object.assign(new Error("enough"), { code: "WORKER_STOPPED" });
    const types: string[] = [];
    for await (const { chunk_type } of new DocumentModel([readme], 0.001).answer("limits", {
      signal: controller.signal,
    })) {
      types.push(chunk_type.type === "Error" ? chunk_type.code : chunk_type.type);
      controller.abort(reason);
    }
    expect(types).toEqual(["Text", "WORKER_STOPPED"]);
  });

  it("refuses to start with nothing to read from", () => {
    expect(() => new DocumentModel([{ name: "x.md", text: "no heading" }], 0)).toThrow(
      "no document to read from",
    );
  });
});

describe("sectionsOf", () => {
  it("takes no heading from inside a code fence", () => {
    expect(sectionsOf(readme).map(({ heading }) => heading)).toEqual([
      "Sluice",
      "Quick start",
      "Reconnecting",
      "Limits",
    ]);
  });
});

describe("bestSections", () => {
  it("adds sections that match nearly as well, up to three, in a stable order", () => {
    const twins = ["b", "a", "c", "d"].map((document) => ({ document, heading: "Same", text: "## Same\n" }));
    expect(bestSections("same", twins).sections.map(({ document }) => document)).toEqual(["b", "a", "c"]);
  });
});

describe("tokensOf", () => {
  it("loses no character of any text", () => {
    const anyText = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokensOf(text).join("")).toBe(text);
      }),
    );
  });

  it("cuts about once a word", () => {
    expect(tokensOf("Streams that survive, resumably.")).toEqual([
      "Streams",
      " that",
      " survive",
      ",",
      " resumably",
      ".",
    ]);
  });
});
