import { createClient, type Stream } from "@sluice/client";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gaugeOf, startStack, type Stack } from "./stack.ts";

const DEADLINE = { timeout: 30_000 };
const EDGES = ["edge-1", "edge-2"];

let stack: Stack;
let producer: StreamManager;

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: EDGES.length, env: { edge: { RETRY_MS: "100" } } });
  producer = await connectProducer({ servers: stack.natsUrl });
});

afterAll(async () => {
  await producer.close();
  await stack.stop();
});

/** Writes numbered words until it is told to stop. @returns the whole text */
async function write(streamId: string, isOver: () => boolean): Promise<string> {
  const { handle } = await producer.createStream({ streamId });
  let text = "";
  for (let count = 1; !isOver(); count++) {
    text += `${count} `;
    await handle.sendText(`${count} `);
    await delay(10);
  }
  await handle.sendComplete();
  return text;
}

/** The edge that has connections. */
async function servingEdge(): Promise<string> {
  for (const name of EDGES)
    if ((await gaugeOf(stack.service(name).url, "sluice_edge_connections")) > 0) return name;
  throw new Error("no edge has a connection");
}

async function killServingEdge(streams: readonly Stream[]): Promise<void> {
  const edge = stack.service(await servingEdge());
  const cursors = streams.map(({ cursor }) => cursor ?? 0);
  await edge.kill();
  await expect
    .poll(() => streams.every(({ cursor }, index) => (cursor ?? 0) > (cursors[index] ?? 0) + 20), DEADLINE)
    .toBe(true);
  await edge.restart();
}

test("a reader has the whole text though the edge that serves it is killed twice", async () => {
  let isOver = false;
  const writing = write("killed", () => isOver);
  const stream = createClient({ edgeUrl: stack.edgeUrl }).stream("killed", { wait: 20 });
  const states: string[] = [];
  stream.on("state", (state) => states.push(state));
  const reading = stream.text();
  await expect.poll(() => stream.cursor, DEADLINE).toBeGreaterThan(5);
  for (let kills = 0; kills < 2; kills++) await killServingEdge([stream]);
  isOver = true;
  expect(await reading).toBe(await writing);
  expect(states.filter((state) => state === "waiting").length).toBeGreaterThanOrEqual(2);
});

test("20 streams on one connection all have their whole text though its edge is killed", async () => {
  let isOver = false;
  const ids = Array.from({ length: 20 }, (_, index) => `shared-${index}`);
  const writing = ids.map((id) => write(id, () => isOver));
  const client = createClient({ edgeUrl: stack.edgeUrl, share: true });
  const streams = ids.map((id) => client.stream(id, { wait: 20 }));
  const reading = streams.map((stream) => stream.text());
  await expect.poll(() => streams.every(({ cursor }) => (cursor ?? 0) > 5), DEADLINE).toBe(true);
  const connections = async (): Promise<number> => {
    const gauges = EDGES.map((name) => gaugeOf(stack.service(name).url, "sluice_edge_connections"));
    return (await Promise.all(gauges)).reduce((sum, value) => sum + value, 0);
  };
  expect(await connections()).toBe(1);
  await killServingEdge(streams);
  isOver = true;
  expect(await Promise.all(reading)).toEqual(await Promise.all(writing));
});
