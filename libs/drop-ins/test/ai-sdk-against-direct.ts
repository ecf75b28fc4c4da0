import { fromIterable, type StreamItem } from "@sluice/adapters/iterable";
import { createClient } from "@sluice/client";
import type { ChunkDraft } from "@sluice/core";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { StreamManager } from "@sluice/producer";
import { splitPayload } from "@sluice/protocol";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { AbstractChat, DefaultChatTransport, type ChatState, type ChatTransport, type UIMessage } from "ai";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { scenarios } from "./ai-sdk-scenarios.ts";
import { SluiceChatTransport } from "../src/ai-sdk.ts";

/** Core of `useChat` of @ai-sdk/react, without React. */
class Chat extends AbstractChat<UIMessage> {
  constructor(transport: ChatTransport<UIMessage>, told: unknown[]) {
    const state: ChatState<UIMessage> = {
      status: "ready",
      error: undefined,
      messages: [],
      pushMessage: (message) => void state.messages.push(message),
      popMessage: () => void state.messages.pop(),
      replaceMessage: (index, message) => void (state.messages[index] = message),
      snapshot: (thing) => structuredClone(thing),
    };
    let ids = 0;
    super({
      id: "chat",
      state,
      transport,
      generateId: () => `id-${++ids}`,
      onData: (part) => told.push({ data: part }),
      onToolCall: ({ toolCall }) => void told.push({ toolCall }),
    });
  }
}

async function outcomeOf(transport: ChatTransport<UIMessage>): Promise<object> {
  const told: unknown[] = [];
  const chat = new Chat(transport, told);
  await chat.sendMessage({ text: "Hello?" });
  const { messages, status, error } = chat;
  return structuredClone({ messages, status, error: error && `${error.name}: ${error.message}`, told });
}

const sse = (parts: readonly unknown[]): ReadableStream<Uint8Array> =>
  ReadableStream.from([
    ...parts.map((part) => `data: ${JSON.stringify(part)}\n\n`),
    "data: [DONE]\n\n",
  ]).pipeThrough(new TextEncoderStream());

/** Runs each scenario with the AI SDK's own transport and with ours. */
export function compareWithDirectRuns(): void {
  let edge: HostileEdge;
  beforeAll(async () => {
    edge = await startHostileEdge();
    // The client comes again without a pause.
    vi.spyOn(Math, "random").mockReturnValue(1);
  });
  afterAll(() => edge[Symbol.asyncDispose]());

  /** Writes the parts as the README says, and has the edge serve what is in the log then. */
  async function write(parts: readonly unknown[]): Promise<void> {
    const log = new MemoryLog();
    const manager = new StreamManager({ log: new MemoryStreamLog(log) });
    const { handle } = await manager.createStream({ streamId: "s" });
    await handle.pipe(fromIterable(ReadableStream.from(parts as StreamItem[])));
    await manager.close();
    const drafts = log.messages.flatMap(({ payload }) => splitPayload(payload) as ChunkDraft[]);
    edge.frames = drafts.map(({ chunk_type }, index) => chunkFrame(index + 1, chunk_type));
  }

  test.each(scenarios)("%s arrives as in a direct run, also through cuts", async (_, parts) => {
    const direct = await outcomeOf(
      new DefaultChatTransport({ fetch: () => Promise.resolve(new Response(sse(parts))) }),
    );
    await write(parts);
    const bytes = edge.frames.reduce((sum, { text }) => sum + text.length, 0);
    for (const cuts of [[], [0.2, 0.5, 0.7]]) {
      edge.treatments = cuts.map((share) => ({ cutAfterBytes: Math.ceil(share * bytes) }));
      const client = createClient({ edgeUrl: edge.url });
      const fetch = (): Promise<Response> => Promise.resolve(Response.json({ stream_id: "s" }));
      expect(await outcomeOf(new SluiceChatTransport({ client, fetch }))).toEqual(direct);
    }
    await expect.poll(() => edge.open.size).toBe(0);
  });
}
