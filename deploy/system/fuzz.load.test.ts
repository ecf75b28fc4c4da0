import { setTimeout as delay } from "node:timers/promises";
import { connectNats, type NatsLink } from "@sluice/broker-nats";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { parseChunkDraft, REJECTED_STREAM, streamSubject } from "@sluice/protocol";
import { waitUntil } from "@sluice/servers";
import { VerifyingReader } from "@sluice/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Malformed, type MalformedRequest } from "./malformed.ts";
import { RequestPipeline, type PipelinedAnswer } from "./request-pipeline.ts";
import { startStack, type Stack } from "./stack.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

/** Together 100,000 malformed chunks and bodies. */
const REQUESTS = 20_000;
const PAYLOADS = 6_000;
const SMALL_ARRAYS = { count: 400, length: 10 };
const LARGE_ARRAYS = { count: 136, length: 500 };
const ENDS = 1_000;
const GARBAGE = 1_000;

const FUZZED_STREAMS = 20;
const IN_FLIGHT = 256;
/** Nothing that is asked of the gateway may take longer, good or bad: a stall. */
const STALL_MS = 20_000;

let stack: Stack;
let link: NatsLink;
let producer: StreamManager;

beforeAll(async () => {
  const quiet = { LOG_LEVEL: "error" };
  stack = await startStack({
    ingest: 1,
    edges: 1,
    gateway: true,
    env: { ingest: quiet, edge: quiet, gateway: quiet },
  });
  link = await connectNats({ servers: stack.natsUrl, name: "fuzz" });
  producer = await connectProducer({ servers: stack.natsUrl });
});
afterAll(async () => {
  await producer.close();
  await link.close();
  await stack.stop();
});

test("100,000 malformed chunks and bodies: each is answered or in REJECTED, nothing crashes or stalls, good streams go on", async () => {
  console.info(`fuzz seed ${SEED}: repeat with FUZZ_SEED=${SEED}`);
  const pids = [...stack.services.values()].map(({ pid }) => pid);
  const malformed = new Malformed(SEED);
  await create("fuzzed-by-http");
  const good = goodTraffic();

  const [answers, heads] = await Promise.all([fuzzGateway(malformed), fuzzLog(malformed)]);
  await Promise.all([garbageToServices(malformed), garbageToSockets(malformed)]);

  // Refused with a problem that says why, each of them, and nothing was stored.
  const wrong = answers.filter(
    ({ status, contentType, body }) =>
      status < 400 ||
      status >= 500 ||
      !contentType.includes("problem+json") ||
      !/"code":"[A-Z_]+"/.test(body),
  );
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(answers.length).toBe(REQUESTS);
  expect(await statusOf("fuzzed-by-http")).toMatchObject({ status: "open", head_sequence: 0 });

  // Kept with its reason, each of them, and each has its number under which readers get nothing.
  const kept = PAYLOADS + SMALL_ARRAYS.count * SMALL_ARRAYS.length + LARGE_ARRAYS.count + ENDS;
  await waitUntil("all refused elements", async () => (await countRejected()) >= kept, {
    timeoutMs: STALL_MS,
  });
  expect(await countRejected()).toBe(kept);
  for (const [streamId, head] of heads) {
    expect(await statusOf(streamId)).toMatchObject({ status: "open", head_sequence: head, chunk_count: 0 });
  }
  for (const index of [0, ENDS - 1])
    expect(await statusOf(`ended-${index}`)).toMatchObject({ status: "errored", head_sequence: 1 });

  await good.verify();
  expect([...stack.services.values()].map(({ pid }) => pid)).toEqual(pids);
  for (const { url } of stack.services.values()) expect((await fetch(`${url}/readyz`)).status).toBe(200);
});

async function fuzzGateway(malformed: Malformed) {
  const pipeline = new RequestPipeline(Number(new URL(stack.gatewayUrl).port));
  const requests = Array.from({ length: REQUESTS }, () => malformed.request("fuzzed-by-http"));
  const batches = Array.from({ length: REQUESTS / 100 }, (_, index) =>
    requests.slice(index * 100, (index + 1) * 100),
  );
  const answers: (PipelinedAnswer & { asked: string })[] = [];
  const work = async (): Promise<void> => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop())
      for (const [index, answer] of (await pipeline.send(batch, STALL_MS)).entries()) {
        const { method, path, headers, body } = batch[index] as MalformedRequest;
        const asked = `${method} ${path} ${JSON.stringify(headers)} ${body.toString()}`.slice(0, 400);
        answers.push({ ...answer, asked });
      }
  };
  await Promise.all([work(), work(), work(), work()]);
  return answers;
}

/** @returns how many elements each stream got */
async function fuzzLog(malformed: Malformed): Promise<Map<string, number>> {
  const messages: { streamId: string; payload: Buffer }[] = [];
  const heads = new Map<string, number>();
  const add = (payload: Buffer, elements: number): void => {
    const streamId = `fuzzed-${malformed.below(FUZZED_STREAMS)}`;
    messages.push({ streamId, payload });
    heads.set(streamId, (heads.get(streamId) ?? 0) + elements);
  };
  for (let index = 0; index < PAYLOADS; index++) add(malformed.payload(), 1);
  for (const { count, length } of [SMALL_ARRAYS, LARGE_ARRAYS])
    for (let index = 0; index < count; index++) add(malformed.array(length), length);
  for (let index = 0; index < ENDS; index++)
    messages.push({ streamId: `ended-${index}`, payload: malformed.end() });

  let next = 0;
  const work = async (): Promise<void> => {
    for (let message = messages[next++]; message !== undefined; message = messages[next++])
      await link.jetStream.publish(streamSubject(message.streamId), message.payload, { timeout: STALL_MS });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return heads;
}

/** What services say to each other can be published by anyone who reaches the broker. */
async function garbageToServices(malformed: Malformed): Promise<void> {
  const subjects = [
    "beat.good-by-nats",
    "live.good-by-http",
    "tail.3",
    "cancel.x",
    "prompt",
    "edges",
    "reports",
  ];
  const requests = ["rebuild.3", "stop.3", "here.3", "readers"];
  for (let index = 0; index < GARBAGE; index++)
    link.connection.publish(malformed.pick([...subjects, ...requests]), malformed.payload());
  await link.connection.flush();
}

async function garbageToSockets(malformed: Malformed): Promise<void> {
  const pipeline = new RequestPipeline(Number(new URL(stack.gatewayUrl).port));
  for (let index = 0; index < 50; index++) {
    const request = {
      ...malformed.request("fuzzed-by-http"),
      method: malformed.pick(["", "G\0T", "POST /", "\u00ff"]),
    };
    const [answer] = await pipeline.send([request], STALL_MS);
    expect(answer).toMatchObject({ status: 400 });
  }
}

/** Streams by HTTP and by NATS that go on meanwhile, with a reader each. */
function goodTraffic() {
  const over = new AbortController();
  let slowestMs = 0;
  const counts = { "good-by-http": 0, "good-by-nats": 0 };
  const byHttp = async (): Promise<void> => {
    await create("good-by-http");
    for (; !over.signal.aborted; await delay(20)) {
      const startedMs = performance.now();
      const answer = await post("/streams/good-by-http/chunks", text(counts["good-by-http"]));
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      expect(answer.status).toBe(200);
      counts["good-by-http"]++;
    }
    await post("/streams/good-by-http/complete", {});
  };
  const byNats = async (): Promise<void> => {
    const { handle } = await producer.createStream({ streamId: "good-by-nats" });
    for (; !over.signal.aborted; await delay(20)) await handle.send(text(counts["good-by-nats"]++));
    await handle.sendComplete();
    await handle.close();
  };
  const writing = Promise.all([byHttp(), byNats()]);
  writing.catch(() => undefined);
  const readers = Object.keys(counts).map(
    (streamId) => new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId, query: "wait=20" }),
  );
  const reading = Promise.all(readers.map((reader) => reader.run()));
  return {
    async verify(): Promise<void> {
      over.abort();
      await writing;
      await reading;
      for (const [index, count] of Object.values(counts).entries()) {
        const reader = readers[index] as VerifyingReader;
        expect(reader.problems).toEqual([]);
        expect(reader.gaps).toEqual([]);
        const contents = reader.data.map((data) => (JSON.parse(data) as { chunk_type: object }).chunk_type);
        expect(contents.slice(0, -1)).toEqual(Array.from({ length: count }, (_, number) => text(number)));
      }
      expect(slowestMs).toBeLessThan(STALL_MS);
    },
  };
}

const text = (number: number) => ({ type: "Text" as const, content: String(number) });

function post(path: string, body: unknown): Promise<Response> {
  return fetch(stack.gatewayUrl + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function create(streamId: string): Promise<void> {
  expect((await post("/streams", { stream_id: streamId })).status).toBe(201);
}

async function statusOf(streamId: string): Promise<unknown> {
  return (await fetch(`${stack.gatewayUrl}/streams/${streamId}`)).json();
}

async function countRejected(): Promise<number> {
  return (await link.jetStreamManager.streams.info(REJECTED_STREAM)).state.messages;
}

test("what is made to be malformed is", () => {
  const malformed = new Malformed(SEED);
  for (let count = 0; count < 2_000; count++) {
    const element = malformed.element();
    expect([element, parseChunkDraft(JSON.parse(element)).ok]).toEqual([element, false]);
  }
});
