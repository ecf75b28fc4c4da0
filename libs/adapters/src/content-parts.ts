import type { JsonValue } from "@sluice/core";
import { firstText, isText, listOf, recordOf, saysSomething, toJson } from "./json-value.ts";

/** One thing that a model's content says, whichever library or server wrote it. */
export type ContentPart =
  | TextPart
  | { kind: "file"; mediaType: string; base64: string }
  | { kind: "citation"; citation: JsonValue }
  /** A call of a tool. */
  | { kind: "tool"; block: Record<string, unknown> }
  | { kind: "unknown"; name: string; original: unknown };

/** Something to read. */
interface TextPart {
  kind: "text" | "refusal" | "reasoning";
  text: string;
}

/**
 * Rule 5: reads content in any shape: text, blocks of OpenAI, Anthropic, Mistral, Bedrock, Google and LangChain, lists of
 * them. Signatures and encrypted thoughts are left out. What isn't known is told as such; what is empty, not at all.
 */
export function* contentParts(content: unknown): Generator<ContentPart> {
  if (typeof content === "string") yield* textPart("text", content);
  else if (Array.isArray(content)) for (const item of content) yield* contentParts(item);
  else if (saysSomething(content)) yield* blockParts(recordOf(content));
}

function* blockParts(block: Record<string, unknown>): Generator<ContentPart> {
  const type = firstText(block["type"]) ?? shapeOf(block);
  if (SILENT.has(type)) return;
  if (TEXTS.has(type)) {
    yield* textPart("text", textOf(block));
    for (const citation of [...listOf(block["citations"]), ...listOf(block["annotations"])]) {
      yield { kind: "citation", citation: toJson(citation) };
    }
  } else if (type === "refusal") yield* textPart("refusal", firstText(block["refusal"]) ?? textOf(block));
  else if (isReasoning(type)) yield* textPart("reasoning", textOf(block));
  else if (TOOLS.test(type)) yield { kind: "tool", block };
  else if (CITATIONS.test(type)) yield { kind: "citation", citation: toJson(block["citation"] ?? block) };
  else yield filePart(block) ?? unknownPart(type, block);
}

function unknownPart(name: string, block: Record<string, unknown>): ContentPart {
  return { kind: "unknown", name, original: block };
}

const TEXTS = new Set(["text", "output_text", "text_delta", "text-plain"]);
const SILENT = new Set([
  "redacted_thinking",
  "reasoning.encrypted",
  "signature_delta",
  "signature",
  "redacted_reasoning",
  "ping",
]);
const TOOLS =
  /(^|_)tool_use$|^tool_call(_chunk)?$|^function_call$|^functionCall$|^input_json_delta$|^server_tool_call/;
const CITATIONS = /citation|_location$|^reference$|^source$|^grounding/;

function isReasoning(type: string): boolean {
  return /^(reasoning|thinking|summary_text|thought)/.test(type);
}

/** Bedrock's and Google's blocks have a member in place of a type. */
function shapeOf(block: Record<string, unknown>): string {
  const shapes: [string, string][] = [
    ["reasoningContent", "reasoning"],
    ["reasoning_content", "reasoning"],
    ["thinking", "thinking"],
    ["toolUse", "tool_use"],
    ["functionCall", "functionCall"],
    ["text", block["thought"] === true ? "thought" : "text"],
    ["image_url", "image_url"],
    ["inlineData", "inlineData"],
    ["inline_data", "inlineData"],
  ];
  return shapes.find(([member]) => member in block)?.[1] ?? "unknown";
}

const TEXT_MEMBERS = [
  "text",
  "value",
  "thinking",
  "reasoning",
  "reasoning_content",
  "reasoningContent",
  "reasoningText",
  "summary",
  "content",
] as const;

/** The text within: itself, in one of the members that have it, or in a list of such. */
export function textOf(value: unknown, depth = 0): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || depth > 6) return "";
  if (Array.isArray(value)) return value.map((item) => textOf(item, depth + 1)).join("");
  const record = recordOf(value);
  for (const member of TEXT_MEMBERS) {
    const text = textOf(record[member], depth + 1);
    if (text !== "") return text;
  }
  return "";
}

function* textPart(kind: "text" | "refusal" | "reasoning", text: string): Generator<ContentPart> {
  if (text !== "") yield { kind, text };
}

const DATA_URL = /^data:([^;,]*)[^,]*;base64,/;

/** A picture or another file that stands in the content itself; null where it is only linked to, or no file. */
function filePart(block: Record<string, unknown>): ContentPart | null {
  const source = recordOf(block["source"] ?? block["inlineData"] ?? block["inline_data"] ?? block["file"]);
  const { url } = recordOf(block["image_url"]);
  const link = firstText(
    url,
    block["image_url"],
    block["url"],
    block["image"],
    source["url"],
    source["file_data"],
  );
  const inUrl = link === null ? null : DATA_URL.exec(link);
  if (link !== null && inUrl !== null) {
    return { kind: "file", mediaType: inUrl[1] || "image/png", base64: link.slice(inUrl[0].length) };
  }
  const base64 = firstText(
    source["data"],
    source["bytes"],
    block["data"],
    block["b64_json"],
    block["base64"],
  );
  const mediaType = firstText(
    source["media_type"],
    source["mimeType"],
    source["mime_type"],
    block["mimeType"],
    block["mime_type"],
    block["media_type"],
    block["mediaType"],
    block["b64_json"] === undefined ? null : "image/png",
  );
  return isText(base64) && mediaType !== null && isBase64(base64)
    ? { kind: "file", mediaType, base64 }
    : null;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text.slice(0, 64) + text.slice(-4));
}
