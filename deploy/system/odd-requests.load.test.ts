import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connectNats, type NatsLink } from "@sluice/broker-nats";
import { isStreamErrorCode } from "@sluice/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MalformedRequest } from "./malformed.ts";
import { OddRequests } from "./odd-requests.ts";
import { RequestPipeline, type PipelinedAnswer } from "./request-pipeline.ts";
import { startStack, type Stack } from "./stack.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);
/** At night 100,000, by FUZZ_REQUESTS. */
const REQUESTS = Number(process.env["FUZZ_REQUESTS"] ?? 5_000);
const BATCH = 50;
const LANES = 4;
const STALL_MS = 30_000;

let stack: Stack;
let link: NatsLink;

beforeAll(async () => {
  const quiet = { LOG_LEVEL: "warn" };
  stack = await startStack({
    ingest: 1,
    edges: 1,
    gateway: true,
    env: {
      ingest: quiet,
      edge: quiet,
      gateway: { ...quiet, OPENAI_BASE_URL: "http://127.0.0.1:9/v1", MAX_PROXIED_ANSWERS: "20" },
    },
  });
  link = await connectNats({ servers: stack.natsUrl, name: "fuzz" });
});
afterAll(async () => {
  await link.close();
  await stack.stop();
});

test(
  "whatever is sent to gateway, edge and NATS is answered or dropped: no failure but the stated ones, no crash, no stack",
  async () => {
    console.info(
      `${REQUESTS} requests, seed ${SEED}: repeat with FUZZ_SEED=${SEED} FUZZ_REQUESTS=${REQUESTS}`,
    );
    const pids = [...stack.services.values()].map(({ pid }) => pid);
    const created = await fetch(`${stack.gatewayUrl}/streams`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"stream_id":"odd"}',
    });
    expect(created.status).toBe(201);

    const odd = new OddRequests(SEED);
    const half = Math.ceil(REQUESTS * 0.45);
    const [gateway, edge] = await Promise.all([
      exchange(
        stack.gatewayUrl,
        Array.from({ length: half }, () => odd.forGateway("odd")),
      ),
      exchange(
        stack.edgeUrl,
        Array.from({ length: half }, () => odd.forEdge()),
      ),
      publish(odd, REQUESTS - 2 * half),
    ]);
    for (const [service, answers] of Object.entries({ gateway, edge })) {
      const counts = Map.groupBy(answers, ({ status, code }) => `${status} ${code}`.trim());
      console.info(service, Object.fromEntries([...counts].map(([what, all]) => [what, all.length])));
      expect(answers).toHaveLength(half);
      expect(answers.filter(isUnstated).slice(0, 3)).toEqual([]);
    }
    expect([...stack.services.values()].map(({ pid }) => pid)).toEqual(pids);
    for (const [name, { url, dataDirectory }] of stack.services) {
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      const log = await readFile(join(dataDirectory, `${name}.log`), "utf8");
      expect(
        log
          .split("\n")
          .filter((line) => /unexpectedly|unhandled|uncaught|RangeError|TypeError/i.test(line))
          .slice(0, 3),
      ).toEqual([]);
    }
  },
  60_000 + REQUESTS * 20,
);

interface Answered extends PipelinedAnswer {
  asked: string;
  code: string;
}

async function exchange(url: string, requests: readonly MalformedRequest[]): Promise<Answered[]> {
  const pipeline = new RequestPipeline(Number(new URL(url).port));
  const answers: Answered[] = [];
  // Those whose end is not clear, by doubled headers, have a connection of their own.
  const [alone, plain] = [true, false].map((isAlone) =>
    requests.filter(({ more = [] }) => more.length > 0 === isAlone),
  );
  const batches = [...(alone ?? []).map((request) => [request]), ...inBatches(plain ?? [])];
  const lane = async (): Promise<void> => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      for (const [index, answer] of (await pipeline.send(batch, STALL_MS)).entries()) {
        const { method, path, headers, more, body } = batch[index] as MalformedRequest;
        const asked = `${method} ${path} ${JSON.stringify([headers, more])} ${body.toString()}`.slice(0, 600);
        answers.push({ ...answer, asked, code: /"code":"([A-Z_]+)"/.exec(answer.body)?.[1] ?? "" });
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return answers;
}

function inBatches(requests: readonly MalformedRequest[]): MalformedRequest[][] {
  const count = Math.ceil(requests.length / BATCH);
  return Array.from({ length: count }, (_, index) => requests.slice(index * BATCH, (index + 1) * BATCH));
}

/** Whether an answer is none that PROTOCOL.md tells of, or tells of our code. */
function isUnstated({ status, contentType, code, body }: Answered): boolean {
  if (/\n? +at .*[:(]\d+|node:internal|\.ts:\d+|\/src\//.test(body)) return true;
  if (status < 400) return false;
  if (status >= 500 && status !== 503) return true;
  return !contentType.includes("problem+json") || !isStreamErrorCode(code);
}

async function publish(odd: OddRequests, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { subject, payload } = odd.forNats();
    const reply = odd.pick(["", "_INBOX.x.y", "stream.odd", "live.odd"]);
    try {
      link.connection.publish(subject, payload, reply === "" ? {} : { reply });
    } catch {
      // The client itself refuses some subjects.
    }
    if (index % 500 === 499) await link.connection.flush();
  }
  await link.connection.flush();
}
