import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DocumentModel, tokensOf } from "./document-model.ts";
import { bestSections, sectionsOf } from "./document-sections.ts";
import type { ModelEvent } from "./model.ts";

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
const never = new AbortController().signal;

async function answerOf(prompt: string): Promise<string> {
  let text = "";
  for await (const event of new DocumentModel([readme, protocol], 0).answer(prompt, never)) {
    if (event.type === "text") text += event.text;
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
    const events: ModelEvent[] = [];
    for await (const event of new DocumentModel([readme], 0).answer("two words", never)) events.push(event);
    expect(events.at(-1)).toEqual({
      type: "end",
      finishReason: "stop",
      usage: { promptTokens: 2, completionTokens: events.length - 1 },
    });
  });

  it("stops with the reason when it is aborted in mid-answer", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = async () => {
      for await (const _ of new DocumentModel([readme], 0.001).answer("limits", controller.signal))
        controller.abort(reason);
    };
    await expect(reading()).rejects.toBe(reason);
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
