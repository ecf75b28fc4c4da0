import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { fromIterable } from "@sluice/adapters/iterable";
import { createClient } from "@sluice/client";
import { SluiceChatTransport } from "@sluice/drop-ins/ai-sdk";
import { connectProducer, type StreamManager } from "@sluice/producer";
import {
  AbstractChat,
  convertToModelMessages,
  streamText,
  type ChatState,
  type ChatTransport,
  type UIMessage,
} from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startStack, type Stack } from "./stack.ts";

type ModelStream = Awaited<ReturnType<MockLanguageModelV3["doStream"]>>["stream"];
type ModelPart = ModelStream extends ReadableStream<infer Part> ? Part : never;

/** A model that says what it is told, when it is told. */
class Speaker {
  aborted = false;
  #controller!: ReadableStreamDefaultController<ModelPart>;
  readonly started = Promise.withResolvers<void>();
  readonly model = new MockLanguageModelV3({
    doStream: async ({ abortSignal }) => {
      const stream = new ReadableStream<ModelPart>({
        start: (controller) => void (this.#controller = controller),
      });
      abortSignal?.addEventListener("abort", () => {
        this.aborted = true;
        this.#controller.error(abortSignal.reason);
      });
      this.#controller.enqueue({ type: "stream-start", warnings: [] });
      this.#controller.enqueue({ type: "text-start", id: "t" });
      this.started.resolve();
      return { stream };
    },
  });

  say(delta: string): void {
    this.#controller.enqueue({ type: "text-delta", id: "t", delta });
  }

  end(): void {
    const usage = {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    };
    this.#controller.enqueue({ type: "text-end", id: "t" });
    this.#controller.enqueue({ type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage });
    this.#controller.close();
  }
}

let stack: Stack;
let producer: StreamManager;
let application: Server;
let speaker: Speaker;
let answered: Promise<unknown>;
/** The application's own store. */
const streamOfChat = new Map<string, string>();
/** What the chat route waits for before it answers. */
let routeHold: Promise<void>;

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: 2 });
  producer = await connectProducer({ servers: stack.natsUrl });
  application = createServer((request, response) => {
    void serve(request).then(async (answer) => {
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(await answer.text());
    });
  });
  await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  application.close();
  await producer.close();
  await stack.stop();
});

beforeEach(() => {
  speaker = new Speaker();
  routeHold = Promise.resolve();
});

/** The application's routes: `POST /api/chat` and `GET /api/chat/:id/stream`. */
async function serve(request: IncomingMessage): Promise<Response> {
  if (request.method === "GET") {
    const streamId = streamOfChat.get(request.url?.split("/").at(-2) ?? "");
    return streamId === undefined
      ? new Response(null, { status: 204 })
      : Response.json({ stream_id: streamId });
  }
  const body = (await new Response(Readable.toWeb(request) as ReadableStream<Uint8Array>).json()) as {
    id: string;
    messages: UIMessage[];
  };
  const { streamId, handle } = await producer.createStream();
  const { signal } = handle;
  const messages = await convertToModelMessages(body.messages);
  const result = streamText({
    model: speaker.model,
    messages,
    abortSignal: signal,
    onError: () => undefined,
  });
  answered = handle.pipe(fromIterable(result.toUIMessageStream(), { signal }));
  streamOfChat.set(body.id, streamId);
  await routeHold;
  return Response.json({ stream_id: streamId });
}

/** What `useChat` of @ai-sdk/react is made of, without React. */
class Chat extends AbstractChat<UIMessage> {
  constructor(id: string, messages: UIMessage[] = []) {
    const state: ChatState<UIMessage> = {
      status: "ready",
      error: undefined,
      messages,
      pushMessage: (message) => void state.messages.push(message),
      popMessage: () => void state.messages.pop(),
      replaceMessage: (index, message) => void (state.messages[index] = message),
      snapshot: (thing) => structuredClone(thing),
    };
    super({ id, state, transport: transport() });
  }

  get answer(): string {
    const parts = this.lastMessage?.role === "assistant" ? this.lastMessage.parts : [];
    return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  }
}

function transport(): ChatTransport<UIMessage> {
  const { port } = application.address() as AddressInfo;
  return new SluiceChatTransport({
    api: `http://127.0.0.1:${port}/api/chat`,
    client: createClient({ edgeUrl: stack.edgeUrl }),
  });
}

const statusOf = async (chatId: string): Promise<string> => {
  const url = `${stack.edgeUrl}/streams/${streamOfChat.get(chatId)}/chunks?tail=0`;
  return ((await (await fetch(url)).json()) as { status: string }).status;
};
const eventually = { timeout: 20_000 };

it("answers as the model speaks, and the message is whole", async () => {
  const chat = new Chat("plain");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  speaker.say("Hel");
  await expect.poll(() => chat.answer, eventually).toBe("Hel");
  expect(chat.status).toBe("streaming");
  speaker.say("lo.");
  speaker.end();
  await sent;
  expect([chat.status, chat.answer, chat.messages.length]).toEqual(["ready", "Hello.", 2]);
});

it("doesn't let the page see that its edge dies in the midst of an answer", async () => {
  const chat = new Chat("edge-dies");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  speaker.say("one ");
  await expect.poll(() => chat.answer, eventually).toBe("one ");
  for (const edge of ["edge-1", "edge-2"]) await stack.service(edge).restart();
  speaker.say("two");
  speaker.end();
  await sent;
  expect([chat.status, chat.answer]).toEqual(["ready", "one two"]);
});

it("resumes on another page what still runs, from its beginning, and stops nothing by it", async () => {
  const first = new Chat("resumed");
  const sent = first.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  speaker.say("one ");
  await expect.poll(() => first.answer, eventually).toBe("one ");

  const second = new Chat("resumed", structuredClone(first.messages.slice(0, 1)));
  const resumed = second.resumeStream();
  await expect.poll(() => second.answer, eventually).toBe("one ");
  speaker.say("two");
  speaker.end();
  await Promise.all([sent, resumed]);
  expect([first.answer, second.answer, speaker.aborted]).toEqual(["one two", "one two", false]);
  expect(second.messages).toHaveLength(2);
});

it("resumes nothing where the route says that nothing runs", async () => {
  const chat = new Chat("never-asked");
  await chat.resumeStream();
  expect([chat.status, chat.messages]).toEqual(["ready", []]);
});

it("stops the model when the page stops, and the stream is cancelled for all", async () => {
  const chat = new Chat("stopped");
  const other = new Chat("stopped");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  speaker.say("Half");
  await expect.poll(() => chat.answer, eventually).toBe("Half");
  const resumed = other.resumeStream();
  await expect.poll(() => other.answer, eventually).toBe("Half");
  await chat.stop();
  await expect.poll(() => speaker.aborted, eventually).toBe(true);
  await Promise.all([sent, resumed, answered]);
  expect([chat.status, chat.answer, other.status, other.answer]).toEqual(["ready", "Half", "ready", "Half"]);
  await expect.poll(() => statusOf("stopped"), eventually).toBe("cancelled");
});

it("stops the model from a page that has resumed", async () => {
  const chat = new Chat("stopped-elsewhere");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  const other = new Chat("stopped-elsewhere");
  const resumed = other.resumeStream();
  speaker.say("Half");
  await expect.poll(() => other.answer, eventually).toBe("Half");
  await other.stop();
  await expect.poll(() => speaker.aborted, eventually).toBe(true);
  await Promise.all([sent, resumed]);
  expect(chat.status).toBe("ready");
});

it("stops the model though the page stops before the route has answered", async () => {
  const hold = Promise.withResolvers<void>();
  routeHold = hold.promise;
  const chat = new Chat("stopped-early");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  await chat.stop();
  await sent;
  expect(speaker.aborted).toBe(false);
  hold.resolve();
  await expect.poll(() => speaker.aborted, eventually).toBe(true);
  await expect.poll(() => statusOf("stopped-early"), eventually).toBe("cancelled");
});

it("tells the page of a model that fails", async () => {
  const chat = new Chat("failed");
  const sent = chat.sendMessage({ text: "Hello?" });
  await speaker.started.promise;
  speaker.say("Half");
  await expect.poll(() => chat.answer, eventually).toBe("Half");
  const successor = await producer.openStream(streamOfChat.get("failed")!);
  await successor.sendError("out of words", "LLM_ERROR");
  await sent;
  expect([chat.status, chat.error?.message]).toEqual(["error", "out of words"]);
  speaker.say("too late");
  await expect(answered).rejects.toMatchObject({ code: "FENCED" });
});
