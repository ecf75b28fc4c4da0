import { fileURLToPath } from "node:url";
import { connectNats, ensureLog, NatsPartitionLog } from "@sluice/broker-nats";
import { createRedis } from "@sluice/cache-redis";
import { requestKey, splitPayload } from "@sluice/protocol";
import { startNats, startRedis, startFaultProxy } from "@sluice/testing";
import { freePorts, httpAnswersOk, ProcessServer } from "@sluice/servers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

const DEADLINE = { timeout: 20_000, interval: 20 };

let stack: AsyncDisposableStack;
/** The first one sees NATS through a proxy. */
let gateways: [ProcessServer, ProcessServer];
let urls: [string, string];
let log: NatsPartitionLog;
/** What befalls the first gateway's publishes; true: they get no further. */
let onPublish: (subject: string) => boolean = () => false;
let flushRedis: () => Promise<void>;
/** How long the records of requests are kept from now on, ms. */
let recordTtls: () => Promise<number[]>;
let streamId: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const nats = stack.use(await startNats({ local: true }));
  const redis = stack.use(await startRedis({ local: true }));
  const natsProxy = stack.use(await startFaultProxy(nats.url));
  natsProxy.withhold((subject) => onPublish(subject));
  const link = await connectNats({ servers: nats.url, name: "test" });
  stack.defer(() => link.close());
  const bounds = { replicas: 1, maxAgeMs: 3_600_000, maxBytes: 256 * 1024 * 1024, minRetentionMs: 300_000 };
  log = new NatsPartitionLog(link, await ensureLog(link, bounds));
  const start = async (natsUrl: string): Promise<[ProcessServer, string]> => {
    const [port = 0, adminPort = 0] = await freePorts(2);
    const gateway = stack.use(await startGateway(natsUrl, redis.url, port, adminPort));
    return [gateway, `http://127.0.0.1:${port}`];
  };
  const behind = new URL(natsProxy.url).host;
  const [[first, firstUrl], [second, secondUrl]] = await Promise.all([
    start(`nats://${behind}`),
    start(nats.url),
  ]);
  gateways = [first, second];
  urls = [firstUrl, secondUrl];
  const direct = createRedis(redis.url);
  stack.defer(() => direct.close());
  flushRedis = async () => void (await direct.run("flush", (client) => client.flushall()));
  recordTtls = () =>
    direct.run("look at the records", async (client) => {
      const keys = await client.keys(requestKey("*"));
      return Promise.all(keys.map((key) => client.pttl(key)));
    });
});
afterAll(() => stack.disposeAsync());

beforeEach(async () => {
  streamId = (await post(1, "/streams", {})).body["stream_id"] as string;
});

test.each([
  ["before the append reached the log", true],
  ["after the append, before its answer was written down", false],
])(
  "a gateway that is killed %s neither doubles nor loses: the repeat, at another one, tells",
  async (_moment, isWithheld) => {
    const path = `/streams/${streamId}/chunks`;
    const key = `key-of-${streamId}`;
    const stopped = Promise.withResolvers<void>();
    onPublish = (subject) => {
      if (subject !== `stream.${streamId}`) return false;
      // Before the log's answer can reach it: it stands between the two steps until it dies.
      stopped.resolve(gateways[0].pause());
      return isWithheld;
    };
    const lost = post(0, path, [text("a"), text("b")], key).catch((error: unknown) => error);
    await stopped.promise;
    await expect.poll(() => texts(streamId), DEADLINE).toEqual(isWithheld ? [] : ["a", "b"]);
    await gateways[0].kill();
    onPublish = () => false;
    await lost;

    // Others go on writing: the chunks aren't the last ones any more.
    const between = await post(1, path, text("between"));
    const again = await post(1, path, [text("a"), text("b")], key);
    const own = isWithheld
      ? { first_sequence: 2, last_sequence: 3 }
      : { first_sequence: 1, last_sequence: 2 };
    expect(again).toMatchObject({ status: 200, body: { accepted: 2, ...own } });
    expect(between.body).toMatchObject({ first_sequence: isWithheld ? 1 : 3 });

    await gateways[0].restart();
    const later = await post(0, path, [text("a"), text("b")], key);
    expect(later.body).toEqual(again.body);
    expect(later.isReplayed).toBe(true);
    expect(await texts(streamId)).toEqual(isWithheld ? ["between", "a", "b"] : ["a", "b", "between"]);
  },
);

test("after FLUSHALL the stream's last message is still known, an earlier one is appended again", async () => {
  const path = `/streams/${streamId}/chunks`;
  const first = await post(0, path, text("a"), "k1");
  await flushRedis();
  expect((await post(1, path, text("a"), "k1")).body).toEqual(first.body);
  await post(1, path, text("b"), "k2");
  await flushRedis();
  expect((await post(1, path, text("a"), "k1")).body).toMatchObject({ first_sequence: 3 });
  expect(await texts(streamId)).toEqual(["a", "b", "a"]);
});

test("what was answered is remembered for more than a day", async () => {
  await flushRedis();
  const created = await post(0, "/streams", {}, "k1");
  await post(1, `/streams/${String(created.body["stream_id"])}/chunks`, text("a"), "k2");
  const ttls = await recordTtls();
  expect(ttls).toHaveLength(2);
  expect(Math.min(...ttls)).toBeGreaterThan(24 * 3_600_000);
});

async function startGateway(
  natsUrl: string,
  redisUrl: string,
  port: number,
  adminPort: number,
): Promise<ProcessServer> {
  const url = `http://127.0.0.1:${adminPort}`;
  return ProcessServer.start({
    name: "gateway",
    command: process.execPath,
    args: () => [fileURLToPath(new URL("../src/main.ts", import.meta.url))],
    url,
    port: adminPort,
    isReady: () => httpAnswersOk(`${url}/readyz`),
    env: {
      ...process.env,
      NATS_URL: natsUrl,
      REDIS_URL: redisUrl,
      HOST: "127.0.0.1",
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      // Longer than any of this takes on a slow machine: it must not give up before it is killed.
      LOG_TIMEOUT_MS: "60000",
    },
  });
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
  isReplayed: boolean;
}

async function post(gateway: 0 | 1, path: string, body: unknown, key?: string): Promise<Answer> {
  const response = await fetch(urls[gateway] + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { "Idempotency-Key": key }) },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    isReplayed: response.headers.get("idempotency-replayed") === "true",
  };
}

const text = (content: string) => ({ type: "Text", content });

async function texts(id: string): Promise<string[]> {
  const found: string[] = [];
  for await (const page of log.readStream(id, 0, 500)) {
    for (const element of page.flatMap(({ payload }) => splitPayload(payload)))
      found.push((element as { chunk_type: { content: string } }).chunk_type.content);
  }
  return found;
}
