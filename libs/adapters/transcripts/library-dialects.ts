import { callPieces, piecesOf, type Habits, type Part } from "./dialects.ts";

/** Answers as libraries hand them on, in their ways to write them. */

/** The AI SDK's `fullStream`, which has pieces of its own. */
export function aiSdkParts(parts: readonly Part[], habits: Habits): object[] {
  const told: object[] = [{ type: "start" }, { type: "start-step" }];
  for (const [number, part] of parts.entries()) {
    const id = `${number}`;
    if (part.kind === "text" || part.kind === "reasoning") {
      const pieces = piecesOf(part.text, habits.pieceLength);
      told.push({ type: `${part.kind}-start`, id });
      told.push(...pieces.map((text) => ({ type: `${part.kind}-delta`, id, text })));
      told.push({ type: `${part.kind}-end`, id });
    } else if (part.kind === "citation") {
      told.push({ type: "source", sourceType: "url", id, url: part.url });
    } else {
      const [callId, toolName] = [`call_${number}`, part.name];
      const pieces = habits.wholes === "instead" ? null : piecesOf(JSON.stringify(part.args), 4);
      if (pieces !== null) {
        told.push({ type: "tool-input-start", id: callId, toolName });
        told.push(...pieces.map((delta) => ({ type: "tool-input-delta", id: callId, delta })));
        told.push({ type: "tool-input-end", id: callId });
      }
      told.push({ type: "tool-call", toolCallId: callId, toolName, input: part.args });
    }
  }
  const usage = habits.usage === "none" ? undefined : { inputTokens: 3, outputTokens: 4, totalTokens: 7 };
  told.push({ type: "finish-step", finishReason: "stop", usage });
  told.push({ type: "finish", finishReason: "stop", totalUsage: usage });
  return told;
}

/** LangChain's messages of one model: its pieces, and the whole that follows them, comes instead, or doesn't. */
function langChainMessages(parts: readonly Part[], habits: Habits): { pieces: object[]; whole: object } {
  const pieces: object[] = [];
  const toolCalls: object[] = [];
  const piece = (members: object): number => pieces.push({ content: "", tool_call_chunks: [], ...members });
  for (const part of parts) {
    if (part.kind === "text") {
      for (const text of piecesOf(part.text, habits.pieceLength))
        piece({ content: habits.content === "blocks" ? [{ type: "text", text }] : text });
    } else if (part.kind === "reasoning") {
      for (const thinking of piecesOf(part.text, habits.pieceLength)) {
        const isBlock = habits.reasoning === "blocks";
        piece(
          isBlock
            ? { content: [{ type: "thinking", thinking }] }
            : { additional_kwargs: { reasoning_content: thinking } },
        );
      }
    } else if (part.kind === "call") {
      const own = habits.args === "object" ? { ...habits, args: "whole" as const } : habits;
      const chunks = callPieces(part, toolCalls.length, own) as {
        index?: number;
        id?: string;
        function: { name?: string; arguments: string };
      }[];
      for (const { index, id, function: called } of chunks)
        piece({ tool_call_chunks: [{ index, id, name: called.name, args: called.arguments }] });
      toolCalls.push({ id: chunks[0]?.id, name: part.name, args: part.args });
    }
  }
  const textOf = (kind: "text" | "reasoning"): string =>
    parts.map((part) => (part.kind === kind ? part.text : "")).join("");
  const whole = {
    content: textOf("text"),
    additional_kwargs: { reasoning_content: textOf("reasoning") },
    tool_calls: toolCalls,
    response_metadata: { finish_reason: "stop" },
  };
  return { pieces, whole };
}

/** Events of LangChain's `streamEvents`. A model that doesn't stream has its whole message alone. */
export function langChainEvents(parts: readonly Part[], habits: Habits): object[] {
  const { pieces, whole } = langChainMessages(parts, habits);
  const event = (name: string, data: object): object => ({ event: name, run_id: "run", name: "model", data });
  const streamed = habits.wholes === "instead" ? [] : pieces;
  return [
    event("on_chat_model_start", {}),
    ...streamed.map((chunk) => event("on_chat_model_stream", { chunk })),
    event("on_chat_model_end", { output: whole }),
  ];
}

/** Items of LangGraph's `stream` in the mode `messages`; a node may return what its model has said in pieces. */
export function langGraphItems(parts: readonly Part[], habits: Habits): unknown[] {
  const { pieces, whole } = langChainMessages(parts, habits);
  const path = habits.places === "zero" ? [["sub:1"]] : [];
  const item = (message: object, metadata: object): unknown => [...path, "messages", [message, metadata]];
  const place = { langgraph_node: "model", langgraph_checkpoint_ns: "model:1" };
  const ofModel = { ...place, ls_provider: "any" };
  const streamed = pieces.map((message) => item({ id: "m", type: "AIMessageChunk", ...message }, ofModel));
  const last = { content: "", tool_call_chunks: [], response_metadata: { finish_reason: "stop" } };
  const end = item({ id: "m", type: "AIMessageChunk", ...last }, ofModel);
  const answer = item({ id: habits.ids === "none" ? undefined : "m", type: "ai", ...whole }, place);
  if (habits.wholes === "instead") return [answer];
  return habits.wholes === "after" ? [...streamed, end, answer] : [...streamed, end];
}
