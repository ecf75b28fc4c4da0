import { createClient, type Client } from "@sluice/client";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followChunks } from "../src/message-chunks.ts";
import { readText } from "../src/stored-text.ts";

let edge: HostileEdge;
let client: Client;

beforeEach(async () => {
  edge = await startHostileEdge();
  client = createClient({ edgeUrl: edge.url });
});

afterEach(() => edge[Symbol.asyncDispose]());

const readers: [string, () => ReadableStream<unknown>][] = [
  ["readText", () => readText(client, "s", 0)],
  ["followChunks", () => followChunks(client, "s", undefined, (body) => body as never)],
];

test.each(readers)("%s fails as soon as there is a gap, and leaves no connection", async (_name, read) => {
  const gap = 'id: 2\nevent: gap\ndata: {"stream_id":"s","from":2,"to":2,"reason":"expired"}\n\n';
  edge.frames = [chunkFrame(1, { type: "Text", content: "Hello" }), { from: 2, to: 2, text: gap }];
  edge.treatments = [{ stays: true }];
  const readAll = async (): Promise<void> => {
    const reader = read().getReader();
    while (!(await reader.read()).done);
  };
  await expect(readAll()).rejects.toThrow("part of");
  await vi.waitUntil(() => edge.open.size === 0, { timeout: 10_000, interval: 5 });
});
