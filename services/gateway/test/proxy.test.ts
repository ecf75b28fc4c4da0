import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { ChunkType } from "@sluice/core";
import { splitPayload } from "@sluice/protocol";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bench, text, type Answer } from "./gateway-bench.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const CHAT = { model: "m1", messages: [{ role: "user", content: "why?" }] };

let ports: ReturnType<typeof memoryGatewayPorts>;
let bench: Bench;
let upstream: AsyncDisposableStack;
let handler: Handler;
/** Bodies that the model server was asked with. */
let asked: Record<string, unknown>[];
let lastRequest: IncomingMessage | null;

beforeEach(async () => {
  asked = [];
  lastRequest = null;
  upstream = new AsyncDisposableStack();
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      asked.push(JSON.parse(body) as Record<string, unknown>);
      lastRequest = request;
      handler(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  upstream.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  ports = memoryGatewayPorts();
  const modelServer = {
    server: { baseUrl, apiKey: "sk-secret", idleTimeoutMs: 10_000 },
    models: ["m1", "m2"],
    limits: { maxTokens: 1_000, extraFields: ["chat_template_kwargs"] },
  };
  bench = await new Bench({ ...ports, modelServer }).listen();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await upstream.disposeAsync();
});

const part = (delta: object, rest: object = {}): string =>
  `data: ${JSON.stringify({ model: "m1", choices: [{ index: 0, delta, ...rest }] })}\n\n`;
const END = `${part({}, { finish_reason: "stop" })}data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } })}\n\ndata: [DONE]\n\n`;

const begin = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { "content-type": "text/event-stream" });
const answerWhole: Handler = (_request, response) =>
  void begin(response).end(part({ content: "Because" }) + part({ content: " so." }) + END);

const proxy = (body: unknown = CHAT, headers: Record<string, string> = {}): Promise<Answer> =>
  bench.call("POST", "/streams/s/proxy", body, "application/json", headers);

const chunks = (): { chunk_type: ChunkType; data?: unknown; metadata?: { source: string } }[] =>
  ports.memory.messages
    .filter(({ streamId }) => streamId === "s")
    .flatMap(({ payload }) => splitPayload(payload) as { chunk_type: ChunkType }[]);
const types = (): string[] => chunks().map(({ chunk_type: { type } }) => type);
const ended = () => vi.waitFor(() => expect(types().at(-1)).toMatch(/Complete|Error/), { timeout: 5_000 });

test("a stream is answered at once, and the model's answer goes into it, usage and finish reason included", async () => {
  const gate = Promise.withResolvers<void>();
  handler = (request, response) => void gate.promise.then(() => answerWhole(request, response));
  const answer = await proxy({ ...CHAT, temperature: 0, stream: false });
  expect(answer).toMatchObject({
    status: 202,
    body: { stream_id: "s", urls: { events: "http://edge.test/streams/s/events" } },
  });
  expect(answer.headers.get("location")).toBe("/streams/s");
  await vi.waitFor(() => expect(asked.length).toBe(1));
  expect(asked[0]).toEqual({
    ...CHAT,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(lastRequest?.headers.authorization).toBe("Bearer sk-secret");
  expect(ports.memory.lastOf("s")?.beatIntervalMs).toBeGreaterThan(0);
  gate.resolve();
  await ended();
  expect(types()).toEqual(["Text", "Text", "Complete"]);
  expect(chunks().at(-1)).toMatchObject({
    data: { model: "m1", finish_reason: "stop", usage: { input_tokens: 3, output_tokens: 4 } },
    metadata: { source: "m1" },
  });
});

test("whoever asked may go: nothing of the answer is lost", async () => {
  const gone = Promise.withResolvers<void>();
  handler = (request, response) => void gone.promise.then(() => answerWhole(request, response));
  const body = JSON.stringify(CHAT);
  const socket = connect(bench.port, "127.0.0.1");
  socket.write(
    `POST /streams/s/proxy HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await vi.waitFor(() => expect(asked.length).toBe(1));
  socket.once("close", () => gone.resolve());
  socket.destroy();
  await ended();
  expect(types()).toEqual(["Text", "Text", "Complete"]);
});

test("a cancel hangs up on the model server and ends the stream as cancelled", async () => {
  const hungUp = Promise.withResolvers<void>();
  handler = (_request, response) => {
    begin(response).write(part({ content: "Because" }));
    response.once("close", () => hungUp.resolve());
  };
  await proxy();
  await vi.waitFor(() => expect(types()).toEqual(["Text"]));
  expect(await ports.cancelFeed.tellProducer("s", "requested")).toBe(true);
  await hungUp.promise;
  await ended();
  expect(chunks().at(-1)?.chunk_type).toMatchObject({ type: "Error", code: "CANCELLED" });
});

test("whoever takes the stream over hangs up on the model server as well", async () => {
  const hungUp = Promise.withResolvers<void>();
  handler = (_request, response) => {
    begin(response).write(part({ content: "Because" }));
    response.once("close", () => hungUp.resolve());
    const more = setInterval(() => response.write(part({ content: "more" })), 5);
    response.once("close", () => clearInterval(more));
  };
  await proxy();
  await vi.waitFor(() => expect(types()).toContain("Text"));
  await bench.call("POST", "/streams/s/complete?mode=exclusive", {});
  await hungUp.promise;
  expect(types().at(-1)).toBe("Complete");
});

test.each([
  [429, '{"error":{"message":"slow down, org-abc"}}', "LLM_RATE_LIMITED", /takes no more requests/],
  [500, "<html>org-abc", "LLM_ERROR", /500/],
  [400, '{"error":{"message":"org-abc at host 10.0.0.3","type":"org-abc"}}', "LLM_ERROR", /answered 400$/],
  [400, '{"detail":"org-abc at host 10.0.0.3"}', "LLM_ERROR", /answered 400$/],
  [401, '{"error":{"message":"org-abc: bad key sk-secret"}}', "LLM_ERROR", /credentials/],
  [200, '{"error":{"message":"org-abc broke"}}', "LLM_ERROR", /failed/],
  [200, 'data: {"error":{"message":"org-abc broke"}}\n\n', "LLM_ERROR", /failed/],
])(
  "a %i of the model server with %s becomes an Error chunk, without a word of the server's",
  async (status, body, code, message) => {
    handler = (_request, response) => void response.writeHead(status).end(body);
    expect((await proxy()).status).toBe(202);
    await ended();
    expect(chunks().at(-1)?.chunk_type).toMatchObject({
      type: "Error",
      code,
      error: expect.stringMatching(message) as string,
    });
    expect(JSON.stringify(chunks())).not.toMatch(/sk-secret|org-abc|10\.0\.0\.3/);
  },
);

test.each([301, 302, 303, 307, 308])(
  "a redirect (%i) of the model server is not followed",
  async (status) => {
    let wasFollowed = false;
    handler = (request, response) => {
      if (request.url === "/v1/chat/completions") response.writeHead(status, { location: "/internal" }).end();
      else {
        wasFollowed = true;
        answerWhole(request, response);
      }
    };
    expect((await proxy()).status).toBe(202);
    await ended();
    expect(chunks().at(-1)?.chunk_type).toMatchObject({ type: "Error", code: "LLM_ERROR" });
    expect(wasFollowed).toBe(false);
  },
);

test("what a request may ask of the model server is bounded, field by field, before it is asked", async () => {
  handler = answerWhole;
  const message = { role: "user", content: "why?" };
  for (const [field, value] of Object.entries({
    n: 2,
    max_tokens: 1_001,
    max_completion_tokens: 1_000_000,
    messages: Array.from({ length: 2_001 }, () => message),
    tools: Array.from({ length: 257 }, () => ({})),
    service_tier: "priority",
    store: true,
    web_search_options: {},
    base_url: "http://10.0.0.3",
    extra_body: {},
  })) {
    expect(await proxy({ ...CHAT, [field]: value })).toMatchObject({
      status: 422,
      body: { code: "UNPROCESSABLE", field },
    });
  }
  for (const [field, value] of Object.entries({ n: 0, max_tokens: 1.5, max_completion_tokens: "9" }))
    expect((await proxy({ ...CHAT, [field]: value })).status).toBe(422);
  const deep = `{"model":"m1","messages":[{"role":"user","content":${"[".repeat(5_000)}${"]".repeat(5_000)}}]}`;
  for (const key of [{}, { "Idempotency-Key": "k" }]) {
    expect((await proxy(deep, key)).status).toBe(422);
    const numbers = '{"model":"m1","messages":[{"role":"user","content":"x"}],"temperature":1e400}';
    expect(await proxy(numbers, key)).toMatchObject({ status: 422, body: { field: "temperature" } });
    const proto = '{"model":"m1","messages":[{"role":"user"}],"__proto__":{"n":9}}';
    expect(await proxy(proto, key)).toMatchObject({ status: 422, body: { field: "__proto__" } });
  }
  expect([asked, types()]).toEqual([[], []]);
});

test("what it may ask is handed on as it was sent", async () => {
  handler = answerWhole;
  const more = { n: 1, max_tokens: 1_000, seed: null, chat_template_kwargs: { enable_thinking: false } };
  const body = JSON.stringify({ ...CHAT, ...more }).replace('"why?"', '"why?","__proto__":{"a":1}');
  expect((await proxy(body)).status).toBe(202);
  await ended();
  expect(asked[0]).toMatchObject(more);
  expect(JSON.stringify(asked[0]?.["messages"])).toBe(
    '[{"role":"user","content":"why?","__proto__":{"a":1}}]',
  );
});

test("an answer that breaks off is an Error chunk after what came", async () => {
  handler = (_request, response) => {
    begin(response).write(part({ content: "Half" }), () => response.socket?.destroy());
  };
  await proxy();
  await ended();
  expect(types()).toEqual(["Text", "Error"]);
});

test("only models of the list are asked, and only where a server is configured", async () => {
  expect(await proxy({ ...CHAT, model: "m3" })).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST", field: "model" },
  });
  expect(await proxy({ model: "m1" })).toMatchObject({ status: 400, body: { field: "messages" } });
  expect(asked).toEqual([]);
  await using bare = await new Bench(memoryGatewayPorts()).listen();
  const answer = await bare.call("POST", "/streams/s/proxy", CHAT);
  expect(answer).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  expect(answer.body["detail"]).toContain("OPENAI_BASE_URL");
});

test("an open stream is gone on with, at the number that is asked for; an ended one is refused", async () => {
  handler = answerWhole;
  await bench.create("s");
  await bench.call("POST", "/streams/s/chunks", text("Q: why?"));
  expect(await proxy(CHAT, { "Sluice-Sequence": "1" })).toMatchObject({
    status: 409,
    body: { code: "FENCED", head_sequence: 1 },
  });
  expect((await proxy(CHAT, { "Sluice-Sequence": "2" })).status).toBe(202);
  await ended();
  expect(types()).toEqual(["Text", "Text", "Text", "Complete"]);
  expect(await proxy()).toMatchObject({ status: 409, body: { code: "STREAM_ENDED" } });
});

test("with a key it is asked once, and a request that failed may come again", async () => {
  handler = answerWhole;
  const key = { "Idempotency-Key": "k1" };
  ports.memory.setReachable(false);
  expect((await proxy(CHAT, key)).status).toBe(503);
  ports.memory.setReachable(true);
  // The failed one's record goes within a millisecond.
  await vi.waitFor(async () => expect((await proxy(CHAT, key)).status).toBe(202));
  const again = await proxy(CHAT, key);
  expect(again).toMatchObject({ status: 202, body: { stream_id: "s" } });
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  await ended();
  expect(asked.length).toBe(1);
});

test("more answers at once than allowed are refused for the moment", async () => {
  handler = (_request, response) => void begin(response).write(part({ content: "…" }));
  for (const id of ["a", "b"])
    expect((await bench.call("POST", `/streams/${id}/proxy`, CHAT)).status).toBe(202);
  expect(await proxy()).toMatchObject({ status: 503, body: { code: "OVERLOADED" } });
});

test("a gateway that closes lets answers end, and those that don't in time end with an Error chunk", async () => {
  handler = (_request, response) => void begin(response).write(part({ content: "Because" }));
  await proxy();
  await vi.waitFor(() => expect(types()).toEqual(["Text"]));
  await bench.gateway.close();
  expect(chunks().at(-1)?.chunk_type).toMatchObject({ type: "Error", code: "GATEWAY_STOPPED" });
  expect(await proxy()).toMatchObject({ status: 503, body: { code: "DRAINING" } });
});
