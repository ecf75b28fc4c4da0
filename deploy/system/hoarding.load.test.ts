import { Agent, request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { MAX_OPTIONS_BYTES } from "@sluice/protocol";
import { VerifyingReader } from "@sluice/testing";
import { afterEach, expect, test } from "vitest";
import { createRedisProbe } from "./redis-probe.ts";
import { startStack, sumOver, type Stack } from "./stack.ts";

const CREATIONS = 20_000;
const AT_ONCE = 32;
const CUSTOM = { a: "x".repeat(1_020), b: "x".repeat(1_020), c: "x".repeat(1_020), d: "x".repeat(980) };
const LARGEST = { options: { custom: CUSTOM } };
const QUIET = { LOG_LEVEL: "error" };

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
});

async function start(maxmemory: string, env: { ingest?: object; gateway?: object } = {}): Promise<Stack> {
  stack = await startStack({
    ingest: 1,
    edges: 1,
    gateway: true,
    redis: { args: ["--maxmemory", maxmemory] },
    env: { ingest: { ...QUIET, ...env.ingest }, edge: QUIET, gateway: { ...QUIET, ...env.gateway } },
  });
  return stack;
}

interface Answered {
  status: number;
  code: string;
  retryAfter: number;
}

/** Creates streams with the largest options, many at once, over connections that are kept. @returns the answers by status and code */
async function flood(
  { gatewayUrl }: Stack,
  creations: number,
  isOver = () => false,
): Promise<Map<string, Answered[]>> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const answers: Answered[] = [];
  let left = creations;
  const body = JSON.stringify(LARGEST);
  const create = (): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(`${gatewayUrl}/streams`, {
        agent,
        method: "POST",
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      });
      request.on("error", reject);
      request.on("response", (response) => {
        let text = "";
        response.on("data", (data) => (text += String(data)));
        response.on("error", reject);
        response.on("end", () => {
          const { code = "" } = JSON.parse(text) as { code?: string };
          const retryAfter = Number(response.headers["retry-after"] ?? 0);
          resolve({ status: response.statusCode ?? 0, code, retryAfter });
        });
      });
      request.end(body);
    });
  const work = async (): Promise<void> => {
    while (left-- > 0 && !isOver()) answers.push(await create());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  agent.destroy();
  return Map.groupBy(answers, ({ status, code }) => `${status} ${code}`.trim());
}

/** A stream that somebody else writes, with its reader. */
async function honestStream({ gatewayUrl, edgeUrl }: Stack) {
  const post = (path: string, body: object) =>
    fetch(gatewayUrl + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  expect((await post("/streams", { stream_id: "honest" })).status).toBe(201);
  const reader = new VerifyingReader({ edgeUrl: () => edgeUrl, streamId: "honest", query: "" });
  const reading = reader.run();
  const over = new AbortController();
  let written = 0;
  const writing = (async () => {
    for (; !over.signal.aborted; await delay(50)) {
      expect((await post("/streams/honest/chunks", { type: "Text", content: String(written) })).status).toBe(
        200,
      );
      written++;
    }
    expect((await post("/streams/honest/complete", {})).status).toBe(200);
  })();
  writing.catch(() => undefined);
  return {
    async verify(): Promise<void> {
      over.abort();
      await writing;
      await reading;
      expect([reader.problems, reader.gaps, reader.data.length]).toEqual([[], [], written + 1]);
      expect(written).toBeGreaterThan(20);
    },
  };
}

test("20,000 creations with the largest options by one client: it is told to wait, and the chunks of others arrive", async () => {
  expect(Buffer.byteLength(JSON.stringify(LARGEST.options))).toBeGreaterThan(MAX_OPTIONS_BYTES - 64);
  const running = await start("256mb");
  await using probe = createRedisProbe(running.redis.url);
  const honest = await honestStream(running);
  const answers = await flood(running, CREATIONS);
  const counts = Object.fromEntries([...answers].map(([what, all]) => [what, all.length]));
  console.info("answers", counts, "Redis", await probe.info("used_memory_human"));
  expect(Object.keys(counts).toSorted()).toEqual(["201", "429 QUOTA_EXCEEDED"]);
  // 64 MiB of records, and what a minute gives back.
  expect(counts["201"]).toBeLessThan(15_000);
  expect(
    Math.min(...(answers.get("429 QUOTA_EXCEEDED") ?? []).map(({ retryAfter }) => retryAfter)),
  ).toBeGreaterThan(0);
  await honest.verify();
  expect(await sumOver(running, "ingest", "sluice_ingest_leases_lost_total")).toBe(0);
}, 300_000);

test("creations by however many clients stop at 90 % of Redis, nobody's chunks are lost, and there is room again in minutes", async () => {
  const running = await start("48mb", {
    ingest: { UNWRITTEN_TTL_SECONDS: "60" },
    // As if each creation were another client's.
    gateway: { MAX_RECORDS_PER_CLIENT: "0", MAX_RECORD_BYTES_PER_CLIENT: "0" },
  });
  await using probe = createRedisProbe(running.redis.url);
  const honest = await honestStream(running);
  const create = async (count: number): Promise<string[]> => {
    const answers = [...(await flood(running, count)).keys()];
    for (const what of answers) expect(["201", "503 STORAGE_FULL"]).toContain(what);
    return answers;
  };
  // What was let in is on its way to Redis for a moment, and counts: only a refusal after that says that Redis is full.
  let isFull = false;
  for (let round = 0; round < 30 && !isFull; round++) {
    await create(1_500);
    await delay(4_500);
    isFull = (await create(1)).includes("503 STORAGE_FULL");
  }
  const usedShare = Number(await probe.info("used_memory")) / (48 * 1024 ** 2);
  console.info("of Redis used", usedShare);
  expect(isFull).toBe(true);
  expect(usedShare).toBeGreaterThan(0.8);
  expect(usedShare).toBeLessThan(1);
  await expect.poll(() => create(1), { timeout: 90_000, interval: 500 }).toEqual(["201"]);
  await honest.verify();
  expect(await sumOver(running, "ingest", "sluice_ingest_leases_lost_total")).toBe(0);
}, 300_000);
