import { request as httpRequest } from "node:http";
import {
  connectNats,
  ensureLog,
  NatsCancelFeed,
  NatsLiveFeed,
  NatsPartitionLog,
  NatsPromptQueue,
  NatsStreamLog,
  type NatsLink,
} from "@sluice/broker-nats";
import { createRedis, RedisChunkCache, RedisRequestRecords } from "@sluice/cache-redis";
import { splitPayload } from "@sluice/protocol";
import { createLogger, createRegistry, defaultSettings } from "@sluice/runtime";
import { startNats, startRedis } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createGateway, gatewayConfigSchema } from "../src/index.ts";

const NDJSON = "application/x-ndjson";
const BOUNDED_MS = 5_000;

let nats: ServerHandle;
let redis: ServerHandle;
let link: NatsLink;
let log: NatsPartitionLog;
let opened: (() => Promise<unknown>)[];
/** Two gateways behind one name, as it were. */
let urls: [string, string];

beforeAll(async () => {
  [nats, redis] = await Promise.all([startNats({ local: true }), startRedis({ local: true })]);
});
afterAll(async () => {
  await Promise.all([nats.stop(), redis.stop()]);
});
beforeEach(async () => {
  opened = [];
  urls = [await startGateway(), await startGateway()];
});
afterEach(async () => {
  for (const close of opened.toReversed()) await close();
});

async function startGateway(): Promise<string> {
  link = await connectNats({ servers: nats.url, name: "gateway" });
  opened.push(() => link.close());
  const identity = await ensureLog(link, {
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 256 * 1024 * 1024,
    minRetentionMs: 300_000,
  });
  log = new NatsPartitionLog(link, identity);
  const connection = createRedis(redis.url);
  opened.push(() => connection.close());
  const gateway = createGateway({
    log: new NatsStreamLog(link, identity),
    cache: new RedisChunkCache(connection, { partitions: identity.partitions }),
    liveFeed: new NatsLiveFeed(link),
    cancelFeed: new NatsCancelFeed(link),
    records: new RedisRequestRecords(connection),
    promptQueue: new NatsPromptQueue(link),
    settings: { ...defaultSettings(gatewayConfigSchema), edgeUrl: "http://edge.test" },
    logger: createLogger("gateway", "silent"),
    registry: createRegistry("gateway"),
    modelServer: null,
  });
  opened.push(() => gateway.close());
  const http = await gateway.listen({ host: "127.0.0.1", port: 0 });
  opened.push(() => http.close(0));
  return `http://127.0.0.1:${http.port}`;
}

interface Answer {
  status: number;
  retryAfter: string | null;
  body: Record<string, unknown>;
}

async function call(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } }),
  });
  const text = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

async function createStream(): Promise<string> {
  const { body } = await call(`${urls[0]}/streams`, "POST", {});
  return String(body["stream_id"]);
}

async function readTexts(streamId: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const page of log.readStream(streamId, 0, 500)) {
    for (const element of page.flatMap(({ payload }) => splitPayload(payload))) {
      texts.push((element as { chunk_type: { content: string } }).chunk_type.content);
    }
  }
  return texts;
}

const text = (content: string) => ({ type: "Text", content });

/** An upload that is written piece by piece; its answer resolves when it has all come. */
function openUpload(url: string, streamId: string) {
  const answer = Promise.withResolvers<{ status: number; body: Record<string, unknown> }>();
  const request = httpRequest(
    `${url}/streams/${streamId}/chunks`,
    { method: "POST", headers: { "content-type": NDJSON } },
    (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => (body += piece));
      response.on("end", () => {
        answer.resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(body) as Record<string, unknown>,
        });
      });
    },
  );
  request.on("error", answer.reject);
  answer.promise.catch(() => {});
  request.flushHeaders();
  return {
    request,
    answer: answer.promise,
    line: (content: string) =>
      new Promise<void>((resolve) => {
        request.write(`${JSON.stringify(text(content))}\n`, () => resolve());
      }),
  };
}

test("two gateways append to one stream at once: every chunk once, each request's in order", async () => {
  const streamId = await createStream();
  const uploads = urls.map((url) => openUpload(url, streamId));
  const single = async (writer: string): Promise<void> => {
    for (let number = 0; number < 50; number++) {
      const answer = await call(
        `${urls[number % 2]}/streams/${streamId}/chunks`,
        "POST",
        text(`${writer}${number}`),
      );
      expect(answer.status).toBe(200);
    }
  };
  const lines = uploads.map(async (upload, index) => {
    for (let number = 0; number < 500; number++) await upload.line(`${"ab"[index]}${number}`);
    upload.request.end();
  });
  await Promise.all([...lines, single("c"), single("d")]);
  for (const upload of uploads)
    expect(await upload.answer).toMatchObject({ status: 200, body: { accepted: 500 } });

  const texts = await readTexts(streamId);
  expect(texts.length).toBe(1_100);
  for (const [writer, count] of [
    ["a", 500],
    ["b", 500],
    ["c", 50],
    ["d", 50],
  ] as const) {
    const own = texts.filter((content) => content.startsWith(writer));
    expect(own).toEqual(Array.from({ length: count }, (_, number) => `${writer}${number}`));
  }
});

test("while NATS is gone every request fails in time, to be repeated, and works again afterwards", async () => {
  const streamId = await createStream();
  await nats.kill();
  const requests: [string, string, unknown][] = [
    ["POST", "/streams", {}],
    ["POST", `/streams/${streamId}/chunks`, text("lost")],
    ["DELETE", `/streams/${streamId}`, undefined],
    ["GET", `/streams/${streamId}`, undefined],
    ["POST", "/prompts", { prompt: "why?" }],
  ];
  for (const [method, path, body] of requests) {
    const startedAt = performance.now();
    expect(await call(`${urls[0]}${path}`, method, body)).toMatchObject({ status: 503, retryAfter: "1" });
    expect(performance.now() - startedAt).toBeLessThan(BOUNDED_MS);
  }
  await nats.restart();
  // Repeated until the answer proves that it is stored: that it is stored once the header sees to.
  const isStored = async (): Promise<boolean> => {
    const url = `${urls[0]}/streams/${streamId}/chunks`;
    const { status, body } = await call(url, "POST", text("after"), { "Sluice-Sequence": "1" });
    return status === 200 || body["head_sequence"] === 1;
  };
  await expect.poll(isStored, { timeout: 20_000, interval: 100 }).toBe(true);
  // The test's own connection may come back after the gateway's, and its first question get no answer.
  const texts = await vi.waitFor(() => readTexts(streamId), { timeout: 20_000 });
  expect(texts).toEqual(["after"]);
});

test("while NATS answers nothing every request fails in time, and says whether its chunks may be stored", async () => {
  const streamId = await createStream();
  const upload = openUpload(urls[0], streamId);
  await upload.line("before");
  await expect.poll(() => readTexts(streamId)).toEqual(["before"]);
  await nats.pause();
  const startedAt = performance.now();
  await upload.line("doubtful");
  const [doubtful, created, deleted] = await Promise.all([
    upload.answer,
    call(`${urls[1]}/streams`, "POST", {}),
    call(`${urls[1]}/streams/${streamId}`, "DELETE"),
  ]);
  expect(performance.now() - startedAt).toBeLessThan(BOUNDED_MS);
  await nats.resume();
  expect(doubtful).toMatchObject({
    status: 503,
    body: { code: "LOG_UNAVAILABLE", may_be_stored: true, accepted: 1, last_sequence: 1 },
  });
  expect(created).toMatchObject({ status: 503, retryAfter: "1" });
  expect(deleted).toMatchObject({ status: 503, retryAfter: "1" });
  upload.request.destroy();
});

test("without Redis chunks are still taken; what needs the record fails in time", async () => {
  const streamId = await createStream();
  await redis.kill();
  expect((await call(`${urls[0]}/streams/${streamId}/chunks`, "POST", text("a"))).status).toBe(200);
  for (const [method, path, body] of [
    ["GET", `/streams/${streamId}`, undefined],
    ["POST", "/streams", { stream_id: "chosen" }],
  ] as const) {
    const startedAt = performance.now();
    const answer = await call(`${urls[0]}${path}`, method, body);
    expect(answer).toMatchObject({ status: 503, retryAfter: "1", body: { code: "CACHE_UNAVAILABLE" } });
    expect(performance.now() - startedAt).toBeLessThan(BOUNDED_MS);
  }
  await redis.restart();
});
